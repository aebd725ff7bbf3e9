"""The user's ledgers: tables made with CREATE VIRTUAL TABLE … USING vector_store_file_batches, and their batches.

>>> [summary(batches(db, name)) for name in ledger_names(db)]
['2 completed, 1 in_progress; 3 of 20 files failed']
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import apsw
from apsw.shell import Shell

from ..errors import visible
from ..ledger.shadow_table import quoted
from ..tables import TABLES
from .terminal_text import PARTS

FINAL_STATUSES = {"unknown"}.union(*(table.finished for table in TABLES if table.remembered))
DOCUMENTS = (
    "SELECT t.name FROM pragma_table_list AS t JOIN pragma_table_list AS s "
    "ON s.schema = t.schema AND s.name = t.name || '_documents' AND s.type = 'shadow' "
    "WHERE t.type = 'virtual' AND t.schema = 'main' ORDER BY t.name LIMIT 1"
)
MAX_COUNT = 10**15  # files; a higher count in file_counts is ignored


@dataclass(frozen=True)
class Batch:
    """A batch of a ledger. `counts` has the number of files by status, `store` is the id of its vector store."""

    id: str
    store: str
    status: str
    counts: dict[str, int]

    @property
    def is_finished(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in FINAL_STATUSES


def ledger_names(db: apsw.Connection, named: Sequence[str] = ()) -> list[str]:
    """The ledgers, with their schema unless it is main; only the `named` ones, if any.

    Raises Shell.Error if there is no ledger, or none of a name.
    """
    sql = (
        "SELECT t.schema, t.name FROM pragma_table_list AS t JOIN pragma_table_list AS s "
        "ON s.schema = t.schema AND s.name = t.name || '_ledger' AND s.type = 'shadow' "
        "WHERE t.type = 'virtual' ORDER BY t.schema <> 'main', t.schema, t.name"
    )
    found = [
        (str(name) if schema == "main" else f"{schema}.{name}", str(name))
        for schema, name in db.execute(sql).fetchall()
    ]
    if not found:
        problem = "No ledger exists; write CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;"
        if name := db.execute(DOCUMENTS).get:
            problem += (
                f"\nThe batches of {name}, a table of documents, are in its column batch_id:\n"
                f"SELECT batch_id, status, count(*) FROM {quoted(str(name))} GROUP BY 1, 2;"
            )
        raise Shell.Error(problem)
    for name in named:
        if all(name not in names for names in found):
            raise Shell.Error(f'No ledger is named "{name}"; write {" or ".join(names[0] for names in found)}')
    return [names[0] for names in found if not named or not set(named).isdisjoint(names)]


def batches(db: apsw.Connection, ledger: str) -> list[Batch]:
    """The ledger's batches. Those that are not finished are requested from the API."""
    table = ".".join('"' + part.replace('"', '""') + '"' for part in ledger.split(".", 1))
    sql = f"SELECT coalesce(id, '(id not known)'), vector_store_id, status, file_counts FROM {table}"
    return [
        Batch(one_line(id), one_line(store), one_line(status), _counts(counts))
        for id, store, status, counts in db.execute(sql).fetchall()
    ]


def summary(batches: Sequence[Batch]) -> str:
    """The number of batches in each status, and of failed files; "none yet" without a batch."""
    statuses = Counter(batch.status for batch in batches)
    text = ", ".join(f"{n:,} {status}" for status, n in sorted(statuses.items())) or "none yet"
    failed = sum(batch.counts.get("failed", 0) for batch in batches)
    files = sum(batch.counts.get(name, 0) for batch in batches for name in PARTS)
    return f"{text}; {failed:,} of {files:,} files failed" if failed else text


def one_line(text: object) -> str:
    """The text on one line, with control characters escaped."""
    return " ".join(visible(str(text)).split())


def _counts(text: object) -> dict[str, int]:
    """The counts in a file_counts. Members that are no count are left out: a server or a hand may have written them."""
    try:
        counts = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    named = counts.items() if isinstance(counts, dict) else ()
    return {name: n for name, n in named if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MAX_COUNT}
