"""sqlite-utils as a library: the API's tables in the file are tables like others."""

import json
import sys

import sqlite_utils

db = sqlite_utils.Database(sys.argv[1])
stores = db["vector_stores"]
before = {"exists": stores.exists(), "rows": list(stores.rows)}
db.execute("CREATE VIRTUAL TABLE vector_stores USING vector_stores")
stores.insert({"name": "From sqlite-utils"})
found = {
    "before": before,
    "exists": stores.exists(),
    "names": [row["name"] for row in stores.rows_where("name LIKE 'P%' OR name LIKE 'F%'", order_by="name")],
    "count": stores.count,
    "tables": db.table_names(),
}
db.close()
print(json.dumps(found))
