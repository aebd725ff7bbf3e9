"""The module that stands for sqlite3 in a program that was not written for this package.

>>> install({"read_only": True})
>>> import sqlite3
>>> sqlite3.connect("my.db").execute("SELECT id FROM vector_stores")
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .. import dbapi

# pysqlite3 is a newer build of sqlite3, which Datasette and sqlite-utils prefer if it is installed.
NAMES = ("sqlite3", "sqlite3.dbapi2", "pysqlite3", "pysqlite3.dbapi2")
FACTORY = 4  # position of connect()'s `factory` after the database


def install(settings: Mapping[str, Any]) -> None:
    """Have imports of sqlite3 and pysqlite3 return the module from now on, also if sqlite3 was imported before."""
    module = make(settings)
    sys.modules.update(dict.fromkeys(NAMES, module))


def make(settings: Mapping[str, Any]) -> ModuleType:
    """Return a module with the names of openai_vtab.dbapi, whose connections have these settings of connect().

    A program may pass a subclass of the module's Connection as `factory`; it has the settings, too.
    """

    class Connection(dbapi.Connection):
        """A connection with the settings of the command line."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, **settings})

    def connect(database: Any, *arguments: Any, **keywords: Any) -> Any:
        """Open a database with the tables, as sqlite3.connect() does."""
        if len(arguments) <= FACTORY:
            keywords.setdefault("factory", Connection)
        return dbapi.connect(database, *arguments, **keywords)

    module = ModuleType("sqlite3", f"{dbapi.__name__}, in the place of sqlite3.")
    public = {name: getattr(dbapi, name) for name in dir(dbapi) if not name.startswith("_")}
    vars(module).update(public, Connection=Connection, connect=connect, dbapi2=module)
    return module
