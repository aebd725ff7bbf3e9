"""The memory of a ledger: rows of a shadow table, and intents in a file beside the database."""
