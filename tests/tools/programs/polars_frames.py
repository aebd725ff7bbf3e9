"""polars: a query as a frame, and a frame as a table of the database file."""

import json
import sqlite3
import sys

import polars

connection = sqlite3.connect(sys.argv[1])
frame = polars.read_database("SELECT id, name, usage_bytes FROM vector_stores ORDER BY id", connection)
print(json.dumps({"columns": frame.columns, "types": [str(kind) for kind in frame.dtypes], "rows": frame.rows()}))
