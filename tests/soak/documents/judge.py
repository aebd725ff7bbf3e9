"""What must be true of the sandbox and of the shadow tables for a model.

>>> judge = Judge(sandbox, "/data/my.db", lambda: sandbox.in_flight == 0)
>>> judge.nothing_is_lost()
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import apsw

from openai_vtab.documents.canonical import canonical, canonical_chunking
from openai_vtab.ledger.intent_file import left_behind

from ...support.waiting import until
from .model import Document, Documents, Version

Held = tuple[str, str, str | None, str]  # filename, content, chunking, attributes
DEFAULT = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
COLUMNS = "key, attributes, chunking_strategy, sha256, filename, bytes"


def row_of(key: str, document: Document) -> tuple[Any, ...]:
    """A document as the table shows it."""
    version, data = document.version, document.version.content.encode()
    return (
        key,
        document.attributes,
        version.chunking,
        hashlib.sha256(data).hexdigest(),
        version.filename,
        len(data),
    )


class Judge:
    """Looks into the sandbox, and into the database file with a connection that knows no virtual table.

    is_quiet: tells whether no request is on its way.
    """

    def __init__(self, sandbox: Any, file: str, is_quiet: Callable[[], bool]) -> None:
        self._sandbox = sandbox
        self._file = file
        self._is_quiet = is_quiet
        self._sql = apsw.Connection(file)
        self._seen: set[str] = set()
        self.given_up: set[str] = set()  # files that an unknown upload might have been, when it was to be retried

    def close(self) -> None:
        """Close the connection."""
        self._sql.close()

    def rows(self, sql: str) -> list[Any]:
        """What was committed in the shadow tables."""
        return self._sql.execute(sql).fetchall()

    # the API

    def account(self) -> dict[str, tuple[str, str]]:
        """All files, once the requests that nobody waits for any more are carried out: filename and content by id."""
        until(self._is_quiet)
        state = self._sandbox._state
        with state.lock:
            return {id: (file.filename, file.content.decode()) for id, file in state.files.items()}

    def uploads(self) -> Counter[tuple[str, str]]:
        """The files that were created since the last call: filename and content."""
        account = self.account()
        new = account.keys() - self._seen
        self._seen |= new
        return Counter(account[id] for id in new)

    def stores(self) -> list[Any]:
        """The vector stores."""
        with self._sandbox._state.lock:
            return list(self._sandbox._state.stores.values())

    def attached(self) -> dict[str, Held]:
        """What is in the vector stores, by file id."""
        account = self.account()
        return {
            id: (
                *account[id],
                None if file.chunking_strategy == DEFAULT else canonical_chunking(file.chunking_strategy),
                canonical(file.attributes or {}),
            )
            for store in self.stores()
            for id, file in store.files.items()
        }

    def statuses(self) -> dict[str, str]:
        """The status of each file in the vector stores, by id."""
        now = self._sandbox._state.clock()
        return {id: file.status(now) for store in self.stores() for id, file in store.files.items()}

    def has_to_recover(self) -> bool:
        """A process has died, and the next transaction reads what it has left."""
        return bool(left_behind(self._file))

    # rules

    def nothing_is_lost(self) -> None:
        """Each file at the API is in one row, or may be that of an upload that is shown as unknown."""
        if self.has_to_recover():
            return
        known = {id for (id,) in self.rows("SELECT file_id FROM handbook_files WHERE file_id IS NOT NULL")}
        perhaps = self.rows("SELECT filename, bytes FROM handbook_files WHERE file_id IS NULL AND state <> 'wanted'")
        for id, (filename, content) in self.account().items():
            if id not in known | self.given_up:
                assert (filename, len(content.encode())) in perhaps, f"{id} ({filename}: {content}) is lost"

    def give_up(self) -> None:
        """Note the files that unknown uploads may be: the user is about to upload again in any case."""
        perhaps = self.rows("SELECT filename, bytes FROM handbook_files WHERE file_id IS NULL")
        known = {id for (id,) in self.rows("SELECT file_id FROM handbook_files WHERE file_id IS NOT NULL")}
        files = self.account().items()
        self.given_up |= {id for id, (name, text) in files if (name, len(text.encode())) in perhaps} - known

    def spares(self, db: apsw.Connection) -> Counter[tuple[str | None, str | None]]:
        """The uploaded files that a transaction must use instead of uploading: by sha256 and filename."""
        sql = (
            "SELECT sha256, filename, file_id FROM handbook_files WHERE document IS NULL AND file_id IS NOT NULL "
            "AND state IN ('uploaded', 'failed', 'cancelled')"
        )
        account = self.account()  # a process that is dead may have deleted one
        return Counter((sha256, filename) for sha256, filename, id in db.execute(sql).fetchall() if id in account)

    def is_exactly(self, documents: Documents) -> None:
        """The store has the documents, none twice, and the account has nothing else."""
        expected: Counter[Held] = Counter(
            (d.version.filename, d.version.content, d.version.chunking, d.attributes) for d in documents.values()
        )
        attached = self.attached()
        kept = self._kept_for_failed()
        held = Counter(found for id, found in attached.items() if id not in kept)
        assert held == expected, f"attached: {held - expected} too many, {expected - held} missing"
        orphans = self.account().keys() - attached.keys() - self.given_up
        assert not orphans, f"orphans: {orphans}"
        assert not left_behind(self._file)
        assert self.rows("PRAGMA integrity_check") == [("ok",)]

    def _kept_for_failed(self) -> set[str]:
        """The older versions of documents whose newest has failed: a search finds them meanwhile."""
        newest = "(SELECT max(id) FROM handbook_files AS n WHERE n.document = f.document)"
        sql = (
            f"SELECT f.file_id FROM handbook_files AS f JOIN handbook_files AS n ON n.id = {newest} "
            "WHERE n.state = 'failed' AND f.id < n.id AND f.state = 'completed'"
        )
        return {id for (id,) in self.rows(sql)}


def wanted(versions: Iterable[Version]) -> Counter[tuple[str, str]]:
    """The uploads that versions need: filename and content."""
    return Counter((version.filename, version.content) for version in versions)
