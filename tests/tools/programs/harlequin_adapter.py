"""Harlequin's adapter for SQLite: a query, its columns, an error, the catalog."""

import json
import sys

from harlequin.exception import HarlequinQueryError
from harlequin_sqlite import HarlequinSqliteAdapter

connection = HarlequinSqliteAdapter(conn_str=[sys.argv[1]]).connect()
connection.execute("CREATE TABLE notes (text)")
cursor = connection.execute("SELECT id, name FROM vector_stores ORDER BY id")
try:
    error = ""
    refused = connection.execute("DELETE FROM vector_stores WHERE id = 'vs_demo'")
    refused.fetchall() if refused else None
except HarlequinQueryError as raised:
    error = str(raised)
(main,) = connection.get_catalog().items
print(
    json.dumps(
        {
            "columns": [name for name, _ in cursor.columns()],
            "rows": [list(row) for row in cursor.fetchall()],
            "error": error,
            "tables": [table.label for table in main.fetch_children()],
        }
    )
)
