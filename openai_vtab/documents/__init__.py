"""Documents: a vector store that is written and searched like an FTS5 table."""

MODULE = "vector_store_documents"  # CREATE VIRTUAL TABLE … USING it
