"""The vector store of a documents table that was created with a name: found or created with the first documents.

Names of vector stores are not unique, so that a second store of one name would be easy to create, and hard to notice.
Before a store is created, all stores are listed: one of that name stops the COMMIT.

>>> VectorStore(store, arguments, workers, sender, on_created=print).ensure()
'vs_1'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from ..errors import ProgrammingError
from ..execution.statement import StatementSession
from ..execution.workers import WorkerPool
from ..ledger.shadow_table import written
from ..protocol import READ_AFTER_WRITE_SECONDS, Object
from ..schema.values import sql_literal
from . import requests
from .api_reader import APIReader
from .arguments import Arguments
from .sending import StepSender
from .steps import Step
from .store import DocumentStore
from .unknown import CLOCK_DIFFERENCE

MAX_LISTED = 10


class VectorStore:
    """The vector store of one table, for one COMMIT.

    on_created: called with the key of the vector store when a response has confirmed it.
    """

    def __init__(
        self,
        store: DocumentStore,
        arguments: Arguments,
        workers: WorkerPool,
        sender: StepSender,
        on_created: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._store = store
        self._arguments = arguments
        self._workers = workers
        self._sender = sender
        self._on_created = on_created

    def ensure(self) -> str:
        """Return the id of the vector store. Creates the store if the table has none yet.

        Raises ProgrammingError for stores of its name that are not certainly the table's own, and what has failed.
        """
        if self._store.setting("vector_store_id") is None:
            self._create(self._arguments.name or "")
        return str(self._store.setting("vector_store_id"))

    def _create(self, name: str) -> None:
        if not self._sender.is_dry_run and self._is_found(name):
            return
        change = requests.create_store(name, self._arguments.expires_after, self._arguments.metadata)
        label = f"{self._store.name}: the vector store {name!r}"
        self._sender.add(Step.STORE, change, {"name": name}, 0, label, self._created)
        self._sender.send()
        if self._sender.is_dry_run:
            self._store.set("vector_store_id", f"the id of {name}")

    def _created(self, answer: Object) -> None:
        self._take(answer)
        self._on_created((str(answer["id"]),))

    def _take(self, answer: Object) -> None:
        self._store.set("vector_store_id", answer["id"])
        self._store.set("store_unknown", None)

    def _is_found(self, name: str) -> bool:
        """Take the vector store that an earlier COMMIT has created. Raises ProgrammingError for another's."""
        setting = self._store.setting("store_unknown")
        begun_at = None if setting is None else int(setting)
        if begun_at is not None:
            # at most: the clock may have been set back since
            self._workers.pause(min(begun_at - self._workers.clock.time(), 0) + READ_AFTER_WRITE_SECONDS)
        with closing(StatementSession(self._workers)) as session:
            api = APIReader(session, None)
            found = [item for item in api.listed(api.stores()) if item.get("name") == name]
        if begun_at is not None:
            own = [item for item in found if _created_since(item, begun_at - CLOCK_DIFFERENCE)]
            if len(own) == len(found) == 1:
                self._take(own[0])
                return True
        if found:
            raise ProgrammingError(_refusal(self._store.name, name, [item["id"] for item in found]))
        return False


def _created_since(item: Object, since: float) -> bool:
    created_at = item.get("created_at")
    return isinstance(created_at, int | float) and created_at >= since


def _refusal(table: str, name: str, ids: Sequence[str]) -> str:
    if len(ids) == 1:
        there = f"a vector store named {sql_literal(name)} is there already"
        which, one = "to use it", sql_literal(ids[0])
    else:
        more = f" and {len(ids) - MAX_LISTED} more" if len(ids) > MAX_LISTED else ""
        there = f"{len(ids)} vector stores named {sql_literal(name)} are there already: {', '.join(ids[:MAX_LISTED])}"
        there, which, one = there + more, "to use one of them", "'vs_…'"
    in_sql = written(table)
    return (
        f"{table}: {there}; {which}, DROP TABLE {in_sql}, and CREATE VIRTUAL TABLE {in_sql} USING "
        f"vector_store_documents(vector_store_id = {one}); or choose another name"
    )
