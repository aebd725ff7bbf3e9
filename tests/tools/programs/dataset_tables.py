"""The library dataset: find() and insert(), once the table is in the file."""

import json
import sys

import dataset

url = f"sqlite:///{sys.argv[1]}"
with dataset.connect(url) as db:
    db.query("CREATE VIRTUAL TABLE vector_stores USING vector_stores")
db = dataset.connect(url)
db["vector_stores"].insert({"name": "From dataset"})
print(json.dumps(sorted(row["name"] for row in db["vector_stores"].find(name=["From dataset", "Product handbook"]))))
