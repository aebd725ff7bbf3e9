"""`import sqlite3` gives openai_vtab.dbapi where this folder comes first on the path: CPython's tests start processes."""

import sys

from openai_vtab import dbapi

sys.modules["sqlite3"] = dbapi
