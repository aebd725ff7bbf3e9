"""The job of a sync: one folder becomes the documents of one table, in transactions of up to 500 documents.

    1. list the folder, and compare it with the table; nothing is deleted if either looks wrong
    2. write what is new or may have changed; COMMIT sends it
    3. wait until the API has processed the documents
    4. delete what is gone, and the files that were superseded

Documents are deleted last, so that every search finds a file that was renamed.

>>> FolderSync(db, "handbook", Folder("/srv/docs", "docs/", ["**/*"]), Options(), progress).run().lines()
['/srv/docs: 3 added, 0 changed, 27 unchanged, 0 deleted, 0 failed']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from ..errors import Error, RowError
from ..ledger.shadow_table import quoted
from .folder import Folder, Listing
from .plan import Plan, make_plan
from .progress import SyncProgress
from .refused import refused_rows
from .summary import Summary

DOCUMENTS_PER_COMMIT = 500  # no other program can write to the database while their uploads wait for the API's limits
AGAIN = "'failed', 'cancelled', 'missing'"  # the states of files that are attached again when they are written


@dataclass(frozen=True, slots=True)
class Options:
    """How a sync runs.

    max_delete: the maximum number of documents to delete; None stands for half of them.
    wait_seconds: how long to wait for the documents to be processed; None does not wait.
    checksum: read all files, whatever their sizes and times say.
    retry_unknown: upload documents again whose upload has an unknown outcome.
    is_dry_run: only make the plan; the connection shows the requests.
    """

    max_delete: int | None = None
    wait_seconds: float | None = 3600.0
    checksum: bool = False
    retry_unknown: bool = False
    is_dry_run: bool = False


@dataclass(slots=True)
class Item:
    """A file to write. rowid and sha256 are those of its document, None if the document is new."""

    key: str
    path: str
    rowid: int | None = None
    sha256: str | None = None
    is_again: bool = False


class FolderSync:
    """One sync of a folder with the documents table `table`."""

    def __init__(
        self, db: apsw.Connection, table: str, folder: Folder, options: Options, progress: SyncProgress
    ) -> None:
        self._db = db
        self._table = quoted(table)
        self._documents, self._files = quoted(f"{table}_documents"), quoted(f"{table}_files")
        self._folder = folder
        self._options = options
        self._progress = progress
        self._summary = Summary(str(folder.root))

    def run(self) -> Summary:
        """Run the sync. Raises the package's errors and SQLite's: what is committed stays, and the next run goes on."""
        options, summary = self._options, self._summary
        listing = self._folder.listing(self._db)
        if listing.links:
            summary.notes.append(f"  not synced, because they are symbolic links: {', '.join(sorted(listing.links))}")
        known = {item.key: item for item in self._known()}
        plan = make_plan(listing.paths, known, self._folder.covers)
        plan.refuse_many_deletions(str(self._folder.root), options.max_delete)
        for command in ("retry-unknown",) * options.retry_unknown + ("checksum",) * options.checksum:
            self._command(command)
        items = [known.get(key) or Item(key, "") for key in (*plan.new, *plan.kept)]
        ...
