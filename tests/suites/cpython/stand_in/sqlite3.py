"""Makes `import sqlite3` import openai_vtab.dbapi, also in processes that CPython's tests start.

This folder must come first on the path.
"""

import sys

from openai_vtab import dbapi

sys.modules["sqlite3"] = dbapi
