"""The cases: a local database, the SQL that is ours, what one does by hand instead, and the target.

They must not know clocks, processes or who competes. A case is made for a number of keys, so that the same case
exists in small for those who ask one by one.

>>> case = joined(1000)
>>> case.sql
'SELECT d.title, b.status, b.created_at FROM documents AS d JOIN vector_store_file_batches AS b USING (…)'
>>> case.right("my.db") == case.came_out("my.db", rows, counters)
True
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import apsw

from .document_answers import Files
from .opponents import Client, Local, New, Pair
from .server import ACCOUNT, Batch, Counters, batch

Row = tuple[Any, ...]

LATENCY = 0.05  # seconds
SAMPLE = 40  # keys; a thousand would take each of those who ask one by one a minute
STORES = 7
REPEATED = 10  # times that a key comes in the case with repeated keys
PASSED_OVER = 200  # rows of the wide table for each that passes
NEW_PER_STORE, FILES_PER_BATCH = 10, 3

AIOHTTP = "asyncio+aiohttp"
LOOP = "loop of requests"
THREADS = "threads over requests"
SDK = "OpenAI SDK"
SHILLELAGH = "Shillelagh"
DISTINCT = "ours, each key once"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case, of `keys` keys.

    tables: SQL that makes and fills the local tables.
    against, target: who is to be compared with, and how many times its time ours may take; None when only
        `most_requests` counts.
    ready: SQL of ours that makes its tables, before the time is taken.
    files: the number of local files, of 2 KB each, in the folder FOLDER beside the database.
    most_requests: how many requests ours may send.
    sample: how many keys those who ask one by one are measured on.
    warm: whether connections stay open from one run to the next, and each run is one of very many.
    distant: whether the server is behind TLS and a delay of 25 ms each way.
    bulk_reading: the setting of our connection.
    """

    title: str
    keys: int
    tables: str
    sql: str
    against: str = AIOHTTP
    target: float | None
    most_requests: int
    opponents: tuple[str, ...] = (AIOHTTP, LOOP, SDK, SHILLELAGH)
    sample: int = SAMPLE
    latency: float = LATENCY
    warm: bool = False
    distant: bool = False
    bulk_reading: bool = True
    ready: str = ""
    files: int = 0

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Do without SQL over the API what the SQL does."""
        raise NotImplementedError

    def right(self, database: str) -> list[Row]:
        """What must come out, worked out without a network."""
        raise NotImplementedError

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """What came out: the rows that were returned, or what is written now."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Reading(Case):
    """A case that looks batches up.

    local: what one knows beforehand, (label, vector_store_id, batch_id), or the SQL that reads it.
    row: a row of the result, from the label and the batch.
    into: a local table that the result is written to; `create` makes it, if the SQL does.
    """

    local: str | Sequence[Row]
    row: Callable[[str, Batch], Row] = lambda label, found: (label, found["status"], found["created_at"])
    into: str = ""
    create: str = ""

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Read the local table, fetch each key once, and put them together."""
        known: Sequence[Row] = db.execute(self.local).fetchall() if isinstance(self.local, str) else self.local
        pairs: list[Pair] = list(dict.fromkeys((store, batch_id) for _, store, batch_id in known))
        found = dict(zip(pairs, client.fetch(pairs), strict=True))
        rows = [self.row(label, found[store, batch_id]) for label, store, batch_id in known]
        if not self.into:
            return rows
        with db:
            db.execute(self.create)
            db.executemany(f"INSERT INTO {self.into} VALUES (?, ?, ?)", rows)
        return []

    def right(self, database: str) -> list[Row]:
        """By hand, with the batches that the server would give."""
        with closing(apsw.Connection(database)) as db:
            return self.came_out(database, self.by_hand(db, Foreknown()), Counters())

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """The rows, or those of the table written to, in an order of their own."""
        if self.into:
            with closing(apsw.Connection(database)) as db:
                rows = db.execute(f"SELECT * FROM {self.into}").fetchall()
        return sorted(rows)


@dataclass(frozen=True, kw_only=True)
class Creating(Case):
    """A case that creates batches. local: SQL that reads (vector_store_id, file_ids as JSON)."""

    local: str

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Read the local table and create."""
        client.create(self._new(db))
        return []

    def right(self, database: str) -> list[Row]:
        """What the server must have been asked to create."""
        with closing(apsw.Connection(database)) as db:
            return sorted(self._new(db))

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """What the server was asked to create."""
        return sorted(counters.created)

    def _new(self, db: apsw.Connection) -> list[New]:
        return [(store, json.loads(files)) for store, files in db.execute(self.local)]


@dataclass
class Foreknown:
    """A client without a server: it knows what would be answered."""

    created: list[New] = field(default_factory=list)

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """What the server says."""
        return [batch(*pair) for pair in pairs]

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """What the server says, but for the ids."""
        return [batch(store, "", len(files)) for store, files in batches]

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """The files themselves tell what the server receives."""

    def search(self, vector_store_id: str, queries: Sequence[str]) -> list[Batch]:
        """What the server says."""
        return [Files.found(query) for query in queries]

    def close(self) -> None:
        """Nothing is open."""


def numbers(count: int) -> str:
    """SQL for the column `value`: 0, 1, 2 …, so many numbers."""
    return f"WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT {count}) SELECT value FROM n"


def documents(keys: int, stores: int = STORES, times: int = 1) -> str:
    """The table `documents`: each key so many times, spread over the stores. The copies of a key lie far apart."""
    return f"""
        CREATE TABLE documents (id INTEGER PRIMARY KEY, title TEXT, vector_store_id TEXT, batch_id TEXT, file_id TEXT);
        INSERT INTO documents
        SELECT value, 'document ' || value, 'vs_' || (value % {keys} % {stores}), 'vsfb_' || (value % {keys}),
            printf('{ACCOUNT}%05d', value % {keys})
        FROM ({numbers(keys * times)});
    """


LOCAL = "SELECT title, vector_store_id, batch_id FROM documents"
JOIN = (
    "SELECT d.title, b.status, b.created_at "
    "FROM documents AS d JOIN vector_store_file_batches AS b USING (vector_store_id, batch_id)"
)


def listed(keys: int, *, latency: float = LATENCY) -> Reading:
    """A list of ids in one store. Without latency it shows what the threads cost."""
    ids = [f"vsfb_{number}" for number in range(keys)]
    quoted = ", ".join(f"'{batch_id}'" for batch_id in ids)
    return Reading(
        title=f"`batch_id IN ({keys:,} ids)`, one store" + ("" if latency else ", no latency"),
        keys=keys,
        tables="",
        sql=(
            "SELECT id, status, created_at FROM vector_store_file_batches "
            f"WHERE vector_store_id = 'vs_0' AND batch_id IN ({quoted})"
        ),
        local=[(batch_id, "vs_0", batch_id) for batch_id in ids],
        against=AIOHTTP if latency else THREADS,
        target=1.10 if latency else 1.25,
        most_requests=keys,
        latency=latency,
        sample=SAMPLE if latency else keys,
        opponents=(AIOHTTP, *(() if latency else (THREADS,)), LOOP, SDK, SHILLELAGH),
    )


def joined(keys: int) -> Reading:
    """The plain join."""
    return _over_documents(keys, f"JOIN of {keys:,} rows over {STORES} stores", JOIN)


def left_joined(keys: int) -> Reading:
    """The same as a LEFT JOIN."""
    return _over_documents(keys, "LEFT JOIN, the same pairs", JOIN.replace(" JOIN ", " LEFT JOIN "))


def row_values(keys: int) -> Reading:
    """The same pairs as row values. SQLite asks for them one by one, as in a join."""
    return _over_documents(
        keys,
        "`(vector_store_id, batch_id) IN (SELECT …)`",
        "SELECT id, status, created_at FROM vector_store_file_batches "
        "WHERE (vector_store_id, batch_id) IN (SELECT vector_store_id, batch_id FROM documents)",
        row=lambda _, found: (found["id"], found["status"], found["created_at"]),
    )


def correlated(keys: int) -> Reading:
    """The same pairs, one at a time in a subquery."""
    return _over_documents(
        keys,
        "correlated subquery",
        "SELECT title, (SELECT b.created_at FROM vector_store_file_batches AS b "
        "WHERE b.vector_store_id = d.vector_store_id AND b.batch_id = d.batch_id) FROM documents AS d",
        row=lambda label, found: (label, found["created_at"]),
    )


def exists(keys: int) -> Reading:
    """The same pairs, only whether."""
    return _over_documents(
        keys,
        "EXISTS",
        "SELECT title FROM documents AS d WHERE EXISTS (SELECT 1 FROM vector_store_file_batches AS b "
        "WHERE b.vector_store_id = d.vector_store_id AND b.batch_id = d.batch_id AND b.status = 'completed')",
        row=lambda label, found: (label,),
    )


def inserted(keys: int) -> Reading:
    """The join, written to a local table."""
    create = "CREATE TABLE copied (title TEXT, status TEXT, created_at INTEGER);"
    return _over_documents(
        keys,
        "`INSERT INTO local SELECT … JOIN …`",
        f"INSERT INTO copied {JOIN}",
        tables=documents(keys) + create,
        into="copied",
        target=1.25,
    )


def table_created(keys: int) -> Reading:
    """The join, made a local table."""
    return _over_documents(
        keys,
        "`CREATE TABLE … AS SELECT … JOIN …`",
        f"CREATE TABLE copied AS {JOIN}",
        into="copied",
        create="CREATE TABLE copied (title TEXT, status TEXT, created_at INTEGER)",
        target=1.25,
    )


def repeated_keys(keys: int) -> Reading:
    """A join in which every key comes often. It is compared with our own plain join of the distinct keys."""
    return _over_documents(
        keys,
        f"JOIN, each of {keys:,} keys {REPEATED} times",
        JOIN,
        tables=documents(keys, times=REPEATED),
        against=DISTINCT,
        opponents=(DISTINCT, AIOHTTP, LOOP, SDK, SHILLELAGH),
        sample=SAMPLE // REPEATED,
    )


def limited(keys: int) -> Reading:
    """A join that is given up after three rows."""
    return _over_documents(
        keys,
        f"JOIN of {keys:,} rows … LIMIT 3",
        f"{JOIN} LIMIT 3",
        local=f"{LOCAL} LIMIT 3",
        target=None,
        most_requests=8,
        sample=keys,  # nobody asks for more than a few
    )


def filtered(keys: int) -> Reading:
    """A join whose outer table has mostly rows that are passed over."""
    rows = keys * PASSED_OVER
    return _over_documents(
        keys,
        f"JOIN, outer table of {rows:,} rows of which {keys:,} pass a WHERE",
        f"{JOIN} WHERE d.id % {PASSED_OVER} = 0",
        tables=documents(rows),
        local=f"{LOCAL} WHERE id % {PASSED_OVER} = 0",
        target=1.35,
    )


def created(keys: int) -> Creating:
    """One statement that creates many batches."""
    grouped = "SELECT vector_store_id, json_group_array(file_id) FROM parts GROUP BY part"
    stores = -(-keys // NEW_PER_STORE)
    return Creating(
        title=f"`INSERT … SELECT` that creates {keys:,} batches in {stores:,} stores",
        keys=keys,
        tables=f"""
            CREATE TABLE parts (part INTEGER, vector_store_id TEXT, file_id TEXT);
            INSERT INTO parts
            SELECT value / {FILES_PER_BATCH}, 'vs_' || (value / {FILES_PER_BATCH} % {stores}), 'file-' || value
            FROM ({numbers(keys * FILES_PER_BATCH)});
        """,
        sql=f"INSERT INTO vector_store_file_batches (vector_store_id, file_ids) {grouped}",
        local=grouped,
        target=1.20,
        most_requests=keys,
    )


def looked_up(keys: int) -> Reading:
    """One batch, no latency: what the SQL costs on top of a request."""
    return Reading(
        title="one lookup, no latency",
        keys=1,
        tables="",
        sql=(
            "SELECT id, status, created_at FROM vector_store_file_batches "
            "WHERE vector_store_id = 'vs_0' AND batch_id = 'vsfb_0'"
        ),
        local=[("vsfb_0", "vs_0", "vsfb_0")],
        against=LOOP,
        target=1.15,
        most_requests=1,
        latency=0.0,
        opponents=(LOOP, SDK, SHILLELAGH),
        warm=True,
    )


def _over_documents(keys: int, title: str, sql: str, **more: Any) -> Reading:
    defaults = {"tables": documents(keys), "local": LOCAL, "target": 1.20, "most_requests": keys}
    return Reading(title=title, keys=keys, sql=sql, **{**defaults, **more})


def cases(keys: int) -> list[tuple[Case, Callable[[int], Case]]]:
    """Every case for so many keys, and how to make it for fewer."""
    made: list[tuple[Callable[[int], Case], int]] = [
        (listed, keys),
        (joined, keys),
        (left_joined, keys),
        (row_values, keys),
        (correlated, keys),
        (exists, keys),
        (inserted, keys),
        (table_created, keys),
        (repeated_keys, keys),
        (limited, keys),
        (filtered, keys),
        (created, max(1, keys // 5)),
        (looked_up, 1),
        (lambda number: listed(number, latency=0.0), keys * 2),
    ]
    return [(make(number), make) for make, number in made]
