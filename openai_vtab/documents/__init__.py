"""Documents: a vector store that is written and searched like an FTS5 table."""
