"""ibis: a query, and an expression over it."""

import json
import sys

import ibis

connection = ibis.sqlite.connect(sys.argv[1])
stores = connection.table("vector_stores")
files = connection.sql("SELECT id, status FROM vector_store_files WHERE vector_store_id = 'vs_demo'")
counted = files.group_by("status").agg(number=files.count()).order_by("status")
print(json.dumps({"stores": int(stores.count().execute()), "counted": counted.execute().to_dict("records")}))
