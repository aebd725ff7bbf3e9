"""A connection of the package's own to a database file, while the user's connection is closing.

>>> with separate_connection("/data/my.db") as connection: connection.execute("UPDATE …")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import apsw

BUSY_TIMEOUT = 2000  # milliseconds to wait for other writers


@contextmanager
def separate_connection(file: str) -> Iterator[apsw.Connection]:
    """Open the file, and commit what the with statement writes. Raises SQLite's errors.

    The database is main there, whatever name it was attached under.
    """
    with closing(apsw.Connection(file, flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)  # as on the user's: triggers reach nothing
        connection.set_busy_timeout(BUSY_TIMEOUT)
        with connection:
            yield connection
