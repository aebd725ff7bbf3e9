"""The virtual tables, as SQLite calls them through APSW."""
