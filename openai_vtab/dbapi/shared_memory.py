"""SharedMemory: the database of a URI such as file:NAME?mode=memory&cache=shared, which several connections share.

APSW's SQLite has no shared cache, and a COMMIT in its VFS memdb is busy while any connection reads. So the database is
a temporary file in WAL mode, where readers never block. All connections of the process that give the same name use
the same file, and it is deleted with the last of them.

>>> shared_memory("file:scratch?mode=memory&cache=shared").path
'/tmp/openai-vtab-k3v9x2/memory.db'

https://www.sqlite.org/inmemorydb.html#sharedmemdb
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import apsw

MEMORY = ":memory:"


class SharedMemory:
    """A temporary database file, which is deleted with the last reference to this object."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="openai-vtab-")
        self.path = str(Path(folder, "memory.db"))
        weakref.finalize(self, _remove, folder, os.getpid())
        connection = apsw.Connection(self.path)
        connection.pragma("journal_mode", "wal")
        connection.close()

    def open(self, open_database: Callable[..., apsw.Connection], **keywords: Any) -> apsw.Connection:
        """Open the file. Its contents do not outlive the process, so commits do not wait for the disk."""
        connection = open_database(self.path, **keywords)
        connection.pragma("synchronous", "off")
        return connection


_lock = threading.Lock()
_open: weakref.WeakValueDictionary[tuple[int, str], SharedMemory] = weakref.WeakValueDictionary()


def shared_memory(database: str) -> SharedMemory | None:
    """Return the database of a URI that shares one in memory; None for a URI that does not, or a file's name.

    A forked child has databases of its own.
    """
    name = _shared_name(database)
    if name is None:
        return None
    key = (os.getpid(), name)
    with _lock:
        found = _open.get(key)
        if found is None:
            found = _open[key] = SharedMemory()
        return found


def _shared_name(uri: str) -> str | None:
    """The name of the database in memory that a URI shares; None if it shares none."""
    if not uri.startswith("file:"):
        return None
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = unquote(parts.path)
    is_memory = options.get("mode") == "memory" or name == MEMORY
    return name if is_memory and options.get("cache") == "shared" and "vfs" not in options else None


def _remove(folder: str, process: int) -> None:
    """Delete the file, unless this is a forked child: the file is the parent's."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
