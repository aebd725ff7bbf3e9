"""The writes of a sync: files are written to and keys deleted from the table, in transactions of up to 500 documents.

>>> writer = DocumentWriter(db, "handbook", summary, progress)
>>> writer.write([Item("docs/a.md", "a.md")])
>>> writer.delete(["docs/b.md"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import apsw

from ..documents.rows import Document
from ..errors import Error, RowError
from ..ledger.shadow_table import quoted
from .progress import SyncProgress
from .refused import has_changed_file, refused_rows
from .summary import Summary

DOCUMENTS_PER_COMMIT = 500  # no other program can write to the database while their uploads wait for the API's limits
ATTEMPTS = 3  # at files that change between their statement and COMMIT


@dataclass(slots=True)
class Item:
    """A file to write.

    document: as the database knows it; None if it is new.
    is_settled: COMMIT has nothing to do for it, if the content is the same.
    is_again: it is sent even if the content is the same, because it failed the last time.
    """

    key: str
    path: str
    document: Document | None = None
    is_settled: bool = False
    is_again: bool = False


class DocumentWriter:
    """Writes to the documents table `table`, and notes in the summary what was committed and what was refused."""

    def __init__(self, db: apsw.Connection, table: str, summary: Summary, progress: SyncProgress) -> None:
        self._db = db
        self._table = quoted(table)
        self._documents = quoted(f"{table}_documents")
        self._summary = summary
        self._progress = progress

    def write(self, items: Sequence[Item], commands: Sequence[str] = ()) -> None:
        """Write the files. Each COMMIT sends up to DOCUMENTS_PER_COMMIT of those that are new or have changed.

        commands: commands of the table with which each transaction begins.
        Raises the package's errors and SQLite's, except for what is wrong with a single document.
        """
        self._progress.begin(len(items))
        seen = 0
        while seen < len(items):
            seen = self._write_some(items, seen, commands)

    def _write_some(self, items: Sequence[Item], seen: int, commands: Sequence[str]) -> int:
        """Write files in one transaction, from place `seen` on, until it is full. Returns the place of the next one."""
        pending: dict[int, Item] = {}  # by rowid
        self._db.execute("BEGIN IMMEDIATE")
        with self._rolled_back_on_error():
            for command in commands:
                self.command(command)
            while seen < len(items) and len(pending) < DOCUMENTS_PER_COMMIT:
                item = items[seen]
                if (rowid := self._write_one(item)) is not None:
                    pending[rowid] = item
                seen += 1
                self._progress.saw(seen, len(pending))
        self._commit(pending)
        return seen

    def _write_one(self, item: Item) -> int | None:
        """Write one file. Returns its document's rowid if COMMIT has something to send for it."""
        try:
            if item.document is None:
                self._db.execute(f"INSERT INTO {self._table} (key, path) VALUES (?, ?)", (item.key, item.path))
                return self._db.last_insert_rowid()
            self._db.execute(f"UPDATE {self._table} SET path = ? WHERE key = ?", (item.path, item.key))
        except RowError as error:
            self._summary.fail(item.key, str(error))
            return None
        known = item.document
        row = self._db.execute(f"SELECT sha256 FROM {self._documents} WHERE id = ?", (known.id,)).fetchone()
        is_changed = item.is_again or row is None or row[0] != known.sha256
        return known.id if is_changed else None

    def _commit(self, pending: dict[int, Item]) -> None:
        """COMMIT. If the API refuses some of the documents, note why, and write and commit the others again.

        If files have changed since they were read, write all of them again, a few times.
        """
        attempts = 1
        while True:
            try:
                with self._rolled_back_on_error():
                    self._db.execute("COMMIT")
            except Error as error:
                refused = refused_rows(error, pending)
                if not refused and (attempts == ATTEMPTS or not has_changed_file(error)):
                    raise
                attempts += not refused
                for rowid, reason in refused.items():
                    self._summary.fail(pending[rowid].key, reason)
                pending = self._again([item for rowid, item in pending.items() if rowid not in refused])
            else:
                break
        for item in pending.values():
            self._summary.committed(item.key, is_new=item.document is None, is_again=item.is_again)

    def _again(self, items: Sequence[Item]) -> dict[int, Item]:
        """Write files again in a transaction, after the one that wrote them has failed."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._rolled_back_on_error():
            written = {self._write_one(item): item for item in items}
        return {rowid: item for rowid, item in written.items() if rowid is not None}

    def delete(self, keys: Sequence[str]) -> None:
        """Delete documents. Raises the package's errors and SQLite's."""
        for first in range(0, len(keys), DOCUMENTS_PER_COMMIT):
            some = keys[first : first + DOCUMENTS_PER_COMMIT]
            self._db.execute("BEGIN IMMEDIATE")
            with self._rolled_back_on_error():
                deleted = [key for key in some if self._delete_one(key)]
                self._db.execute("COMMIT")
            self._summary.deleted.extend(deleted)

    def _delete_one(self, key: str) -> bool:
        try:
            self._db.execute(f"DELETE FROM {self._table} WHERE key = ?", (key,))
        except RowError as error:  # another table needs its file
            self._summary.fail(key, str(error))
            return False
        return True

    def command(self, name: str) -> None:
        """Carry out a command of the table, such as sync."""
        self._db.execute(f"INSERT INTO {self._table} ({self._table}) VALUES (?)", (name,))

    @contextmanager
    def _rolled_back_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # SQLite may have rolled it back
                self._db.execute("ROLLBACK")
            raise
