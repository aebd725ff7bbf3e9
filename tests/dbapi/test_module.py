"""The module: sqlite3's names and constants, what is left out, and what importing it costs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from openai_vtab import dbapi

# Names that are left out. docs/guides/other-tools.md lists those of sqlite3's own; the others are modules that it imports.
LEFT_OUT = {"version", "version_info", "enable_shared_cache", "dbapi2", "collections", "datetime", "time"}
LEFT_OUT |= {"OptimizedUnicode", "register_adapters_and_converters"}


def test_names_of_sqlite3_are_complete() -> None:
    """The module, connections, cursors, rows and blobs have every name of sqlite3 that is not left out."""
    assert {name for name in dir(sqlite3) if name[0] != "_"} - LEFT_OUT <= set(dir(dbapi))
    for cls in ("Connection", "Cursor", "Row", *(["Blob"] if hasattr(sqlite3, "Blob") else [])):
        theirs = {name for name in dir(getattr(sqlite3, cls)) if name[0] != "_"}
        ours = set(dir(getattr(dbapi, cls))) | {"connection"}
        assert theirs <= ours


@pytest.mark.sample(20)
@pytest.mark.parametrize("name", sorted(name for name in dir(sqlite3) if name.startswith("SQLITE_")))
def test_constants_of_sqlite_are_complete(name: str) -> None:
    """Each constant has sqlite3's value."""
    assert getattr(dbapi, name) == getattr(sqlite3, name)
    assert name in dir(dbapi)


def test_import_of_the_package_does_not_load_dbapi() -> None:
    """`import openai_vtab` loads neither dbapi nor SQLAlchemy."""
    loaded = "import sys, openai_vtab; print({'apsw', 'openai_vtab.dbapi', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout.strip() == b"set()"
