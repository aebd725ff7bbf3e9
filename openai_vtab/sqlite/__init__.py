"""The user's SQLite connection: the text of its statements, and SQL of the package's own."""
