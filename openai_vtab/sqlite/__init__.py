"""The user's SQLite connection: its statements, its cursors, and the package's own SQL on it."""
