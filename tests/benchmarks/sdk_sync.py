"""A folder to an answer with OpenAI's SDK: what docs/guides/sdk.md compares the SQL with.

python sdk_sync.py DIR NAME QUESTION
"""

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai import NotFoundError, OpenAI

folder, name, question = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
client = OpenAI()
manifest = Path("manifest.json")  # which file is which document, and what it contained
known = json.loads(manifest.read_text()) if manifest.exists() else {"store": None, "files": {}}
if known["store"] is None:
    known["store"] = client.vector_stores.create(name=name).id
store, files = known["store"], known["files"]

# what is new or has changed, and what is gone
found = {str(path): path.read_bytes() for path in sorted(folder.rglob("*.md")) if path.stat().st_size}
hashes = {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}
changed = [path for path in found if files.get(path, {}).get("sha256") != hashes[path]]
obsolete = [files[path]["id"] for path in files if path in changed or path not in found]


def upload(path: str) -> str:
    return client.files.create(file=(Path(path).name, found[path]), purpose="assistants").id


def remove(file_id: str) -> None:
    try:
        client.vector_stores.files.delete(file_id, vector_store_id=store)
        client.files.delete(file_id)
    except NotFoundError:
        pass


with ThreadPoolExecutor(16) as pool:
    ids = dict(zip(changed, pool.map(upload, changed), strict=True))
    paths = {file_id: path for path, file_id in ids.items()}
    for first in range(0, len(changed), 2000):
        part = [{"file_id": ids[path], "attributes": {"path": path}} for path in changed[first : first + 2000]]
        batch = client.vector_stores.file_batches.create(store, files=part)
        client.vector_stores.file_batches.poll(batch.id, vector_store_id=store)
        failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, filter="failed")
        for file in failed:
            print(f"{paths[file.id]} cannot be searched: {file.last_error and file.last_error.message}")
    list(pool.map(remove, obsolete))  # last, so that each search finds a version
known["files"] = {path: {"id": ids.get(path) or files[path]["id"], "sha256": hashes[path]} for path in found}
manifest.write_text(json.dumps(known))

documents = {file["id"]: path for path, file in known["files"].items()}
for hit in client.vector_stores.search(store, query=question, max_num_results=3):
    print(f"{documents.get(hit.file_id)}: {hit.content[0].text}")
