"""The files of a connection's databases.

>>> file_of(connection, "main"), schema_of(connection, "/data/my.db")
('/data/my.db', 'main')
"""

from __future__ import annotations

from pathlib import Path

import apsw


def file_of(connection: apsw.Connection, schema: str) -> str:
    """The file of a database, "" when it is in none: some of SQLite's file systems have names, but no files."""
    file = connection.db_filename(schema) or ""
    return file if Path(file).is_file() else ""


def schema_of(connection: apsw.Connection, file: str) -> str:
    """The name under which a database file is attached now, "" when it is not: DETACH, or deserialize()."""
    return next((name for name in connection.db_names() if connection.db_filename(name) == file), "")
