"""A Python program with an apsw.Connection: create a batch, wait for it, report what failed.

python examples/python_connection.py

With OPENAI_API_KEY set, it uses your account; without, the sandbox.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack

import apsw

import openai_vtab

STORE = os.environ.get("VECTOR_STORE_ID", "vs_demo")
FILES = os.environ.get("FILE_IDS", "file-new-01,file-new-02,file-new-05").split(",")


def main() -> None:
    with ExitStack() as stack:
        db = connect(stack)
        db.execute("CREATE TABLE documents (file_id TEXT PRIMARY KEY, batch_id TEXT)")
        db.executemany("INSERT INTO documents (file_id) VALUES (?)", [(file_id,) for file_id in FILES])

        with db:  # one transaction: the batch is created when it commits
            db.execute(
                "INSERT INTO vector_store_file_batches (vector_store_id, file_ids, attributes)"
                " SELECT ?, json_group_array(file_id), json_object('source', 'example') FROM documents",
                (STORE,),
            )
        rowid = db.last_insert_rowid()
        batch_id = db.execute("SELECT id FROM vector_store_file_batches WHERE rowid = ?", (rowid,)).get
        db.execute("UPDATE documents SET batch_id = ?", (batch_id,))

        query = "SELECT status, failed_count FROM vector_store_file_batches WHERE vector_store_id = ? AND batch_id = ?"
        deadline = time.monotonic() + 60
        while True:
            status, failed = db.execute(query, (STORE, batch_id)).fetchone()
            if status != "in_progress" or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        print(f"{status}: {failed} of {len(FILES)} files failed")

        try:
            db.execute("INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES (?, '[]')", (STORE,))
        except openai_vtab.RowError as error:
            print(f"refused before it was sent: {error}")


def connect(stack: ExitStack) -> apsw.Connection:
    """Connect to your account if there is a key, otherwise to the sandbox."""
    if "OPENAI_API_KEY" in os.environ:
        db = openai_vtab.connect()
    else:
        from openai_vtab import sandbox

        started = stack.enter_context(sandbox.run(processing_seconds=0.5))
        db = openai_vtab.connect(base_url=started.base_url, api_key=started.api_key)
    stack.callback(db.close)
    return db


if __name__ == "__main__":
    sys.exit(main())
