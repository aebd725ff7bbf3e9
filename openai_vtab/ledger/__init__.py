"""What a ledger remembers: rows of a shadow table, and intents in a file beside the database."""
