"""The job of a sync: one folder becomes the documents of one table.

    1. list the folder, and compare it with the table; nothing is sent if either looks wrong
    2. write what is new or may have changed
    3. wait until the API has processed the documents
    4. delete what is gone, and the files that were superseded

Documents are deleted last, so that every search finds a file that was renamed.

>>> FolderSync(db, "handbook", Folder("/srv/docs", "docs/", ["**/*"]), Options(), progress).run().lines()
['/srv/docs: 3 added, 0 changed, 27 unchanged, 0 deleted, 0 failed']
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import apsw

from ..documents.contents import is_unchanged
from ..documents.rows import Document
from ..documents.states import State
from ..ledger.shadow_table import quoted
from ..schema.values import Limits
from .folder import Folder
from .plan import make_plan
from .progress import SyncProgress
from .summary import Summary
from .writer import DocumentWriter, Item

# states of a document's newest file
SETTLED = frozenset({State.IN_PROGRESS, State.COMPLETED})  # COMMIT has nothing to do for it
KEPT = SETTLED | {State.UNKNOWN, State.UNSURE}  # COMMIT looks what has become of it, and sends nothing


@dataclass(frozen=True, slots=True)
class Options:
    """How a sync runs.

    max_delete: the maximum number of documents to delete; None stands for half of them.
    wait_seconds: how long to wait for the documents to be processed; 0 only looks once.
    checksum: read all files, whatever their sizes and times say.
    retry_unknown: upload documents again whose upload has an unknown outcome.
    is_dry_run: only make the plan; the connection shows the requests.
    """

    max_delete: int | None = None
    wait_seconds: float = 3600.0
    checksum: bool = False
    retry_unknown: bool = False
    is_dry_run: bool = False


class FolderSync:
    """One sync of a folder with the documents table `table`."""

    def __init__(
        self, db: apsw.Connection, table: str, folder: Folder, options: Options, progress: SyncProgress
    ) -> None:
        self._db = db
        self._table = table
        self._folder = folder
        self._options = options
        self._summary = Summary(str(folder.root))
        self._writer = DocumentWriter(db, table, self._summary, progress)

    def run(self) -> Summary:
        """Run the sync. Raises the package's errors and SQLite's. The next run continues after the last commit."""
        options, summary, writer = self._options, self._summary, self._writer
        listing = self._folder.listing(self._db)
        if listing.links:
            summary.notes.append(f"  not synced, because they are symbolic links: {', '.join(sorted(listing.links))}")
        known = {item.key: item for item in self._known()}
        plan = make_plan(listing.paths, known, self._folder.covers)
        plan.refuse_many_deletions(str(self._folder.root), options.max_delete)
        asked_for = {"retry-unknown": options.retry_unknown, "checksum": options.checksum}
        commands = [name for name, is_given in asked_for.items() if is_given]
        for command in [] if options.is_dry_run else commands:
            writer.command(command)
        skipped = {key for key, path in listing.paths.items() if self._folder.is_empty(path)}
        summary.skipped(skipped)
        new = [Item(key, listing.paths[key]) for key in plan.new if key not in skipped]
        kept = [replace(known[key], path=listing.paths[key]) for key in plan.kept if key not in skipped]
        to_write = [*new, *(item for item in kept if not self._is_current(item))]
        # a dry run undoes each of its transactions, so that each must run the commands
        writer.write(to_write, commands if options.is_dry_run else ())
        summary.kept(plan.kept)
        if options.is_dry_run:
            writer.delete(plan.gone)
            return summary
        self._look(listing.paths)
        writer.delete(plan.gone)
        writer.command("sync")
        return summary

    def _known(self) -> Iterator[Item]:
        """The documents of the table, as far as the database knows them. Nothing is sent."""
        # a statement of the table outside of a transaction writes down what a sync that was killed has sent
        self._db.execute(f"SELECT key FROM {quoted(self._table)} LIMIT 0").fetchall()
        documents, files = quoted(f"{self._table}_documents"), quoted(f"{self._table}_files")
        columns = ", ".join(f"d.{name}" for name in Document._fields)
        sql = (
            f"SELECT f.sha256 IS d.sha256, f.state, {columns} FROM {documents} AS d LEFT JOIN {files} AS f "
            f"ON f.id = (SELECT max(id) FROM {files} WHERE document = d.id)"
        )
        kept = KEPT - {State.UNKNOWN} if self._options.retry_unknown else KEPT
        for row in self._db.execute(sql).fetchall():
            has_content, state, *values = cast("list[Any]", row)
            document = Document(*values)
            is_settled, is_again = bool(has_content and state in SETTLED), not (has_content and state in kept)
            yield Item(document.key, "", document, is_settled, is_again)

    def _is_current(self, item: Item) -> bool:
        """Whether the API has the document, and its file was not changed: writing 10,000 documents takes seconds."""
        if item.document is None or not item.is_settled or self._options.checksum:
            return False
        return is_unchanged(item.path, Limits(upload_root=self._folder.root), item.document)

    def _look(self, keys: Collection[str]) -> None:
        """Wait until the documents are processed, and note which failed."""
        sql = (
            f"SELECT key, status, last_error_code, last_error_message FROM {quoted(self._table)} "
            "WHERE wait_seconds = ? AND status <> 'completed'"
        )
        found = {"failed": self._summary.failed, "cancelled": self._summary.failed, "missing": self._summary.failed}
        found["unknown"] = self._summary.unknown
        for key, status, code, message in self._db.execute(sql, (self._options.wait_seconds,)).fetchall():
            if key in keys:
                reason = ": ".join(str(part) for part in (code, message) if part is not None)
                found.get(str(status), self._summary.unfinished).setdefault(str(key), reason or str(status))
