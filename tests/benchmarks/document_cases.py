"""The cases of a documents table: a folder that is uploaded, and a search for each row of a local table.

>>> uploaded(1000).sql
"INSERT OR REPLACE INTO handbook (key, path, attributes) SELECT name, name, json_object('path', name) FROM fsdir(…)"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import apsw

from .cases import AIOHTTP, LOOP, SDK, THREADS, Case, Foreknown, Row, numbers
from .document_answers import FILES, file_id
from .folder import FOLDER
from .opponents import Client
from .server import Counters

STORE = "vs_0"
CREATE = f"CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = '{STORE}');"
REPLACE = (
    "INSERT OR REPLACE INTO handbook (key, path, attributes) SELECT name, name, json_object('path', name) "
    f"FROM fsdir('{FOLDER}') WHERE name LIKE '%.md'"
)
DELETE = (
    f"DELETE FROM handbook WHERE key LIKE '{FOLDER}/%' AND key NOT IN (SELECT name FROM fsdir('{FOLDER}') "
    "WHERE name LIKE '%.md')"
)
# the rows that a sync would have left
KNOWN = f"""
    INSERT INTO handbook_documents (id, key, attributes, sha256, bytes, filename)
    SELECT value, '{FOLDER}/' || value || '.md', '{{}}', 'sha-' || value, 2000, value || '.md'
    FROM ({numbers(FILES)}) WHERE true;
    INSERT INTO handbook_files (id, document, file_id, sha256, bytes, filename, owned, state, attributes, created_at)
    SELECT id, id, 'file-' || id, sha256, bytes, filename, 1, 'completed', '{{}}', 1 FROM handbook_documents;
"""


@dataclass(frozen=True, kw_only=True)
class Uploading(Case):
    """A case that uploads the local files, and attaches them in one batch."""

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """List the folder, upload, attach."""
        client.upload(STORE, [(path, {"path": f"{FOLDER}/{path.name}"}) for path in listed(db.filename)])
        return []

    def right(self, database: str) -> list[Row]:
        """What the server must have received."""
        files = []
        for path in listed(database):
            content = path.read_bytes()
            files.append((path.name, len(content), crc32(content)))
        attached = (f'{file_id(file)}{{"path": "{FOLDER}/{file[0]}"}}' for file in files)
        return [*sorted(files), (STORE, *sorted(attached))]

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """What the server has received."""
        return [*sorted(counters.uploaded), *((store, *sorted(ids)) for store, ids in counters.created)]


@dataclass(frozen=True, kw_only=True)
class Searching(Case):
    """A case that searches for the text of each row of the local table `topics`."""

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Read the topics, search for each, and find the documents of the hits."""
        topics = [str(topic) for (topic,) in db.execute("SELECT topic FROM topics")]
        keys = {f"file-{number}": f"{FOLDER}/{number}.md" for number in range(FILES)}
        found = client.search(STORE, topics)
        return [
            (topic, keys[hit["file_id"]], hit["score"])
            for topic, answer in zip(topics, found, strict=True)
            for hit in answer["data"]
        ]

    def right(self, database: str) -> list[Row]:
        """By hand, with the hits that the server would give."""
        with closing(apsw.Connection(database)) as db:
            return sorted(self.by_hand(db, Foreknown()))

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """The rows, in an order of their own."""
        return sorted(rows)


def listed(database: str) -> Sequence[Path]:
    """The local files of a case."""
    return sorted((Path(database).parent / FOLDER).iterdir())


def uploaded(keys: int) -> Uploading:
    """A folder that is synchronized for the first time."""
    return Uploading(
        title=f"a folder of {keys:,} documents of 2 KB into a vector store",
        keys=keys,
        tables="",
        ready=CREATE,
        sql=REPLACE,
        files=keys,
        target=1.20,
        most_requests=keys + 1,
        opponents=(AIOHTTP, THREADS, LOOP, SDK),
    )


def searched(keys: int) -> Searching:
    """A search for each row of a table. Read-ahead doubles from one request on: it needs eight rounds, asyncio four."""
    return Searching(
        title=f"JOIN … MATCH of {keys:,} texts",
        keys=keys,
        tables=f"CREATE TABLE topics AS SELECT 'topic ' || value AS topic FROM ({numbers(keys)})",
        ready=CREATE + KNOWN,
        sql="SELECT t.topic, h.key, h.score FROM topics AS t JOIN handbook(t.topic) AS h",
        target=2.50,
        most_requests=keys,
        opponents=(AIOHTTP, LOOP, SDK),
    )


def document_cases(keys: int) -> list[tuple[Case, Callable[[int], Case]]]:
    """Every case for so many documents, and how to make it for fewer."""
    searches = max(1, keys // 10)
    return [(uploaded(keys), uploaded), (searched(searches), searched)]
