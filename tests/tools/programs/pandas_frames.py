"""pandas on a connection of sqlite3's: a query as a frame, and the frame as a table of the database file."""

import json
import sqlite3
import sys
import warnings

import pandas

warnings.simplefilter("error")
connection = sqlite3.connect(sys.argv[1])
frame = pandas.read_sql("SELECT id, usage_bytes FROM vector_stores ORDER BY id", connection)
frame.to_sql("sizes", connection, index=False)
print(json.dumps(pandas.read_sql("SELECT * FROM sizes", connection).to_dict("records")))
