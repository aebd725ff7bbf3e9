"""A lost ledger, made again from the vector store: files of the folder that are in it are not uploaded again.

>>> rebuild(db, StoreTable(db, name="Handbook"), folder).lines()
['rebuilt from vs_…: 28 files have the name and size of one in the folder, 1 has only the name']
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from ..ledger.shadow_table import quoted
from .folder import Folder
from .matching import Local, Matches, Remote, match
from .store_table import StoreTable
from .summary import MAX_LISTED

# names that no table of the database can hide
STORED = 'SELECT file_id FROM "openai.vector_stores.vector_store_files" WHERE vector_store_id = ?'
UPLOADED = "SELECT id, filename, bytes FROM \"openai.files.files\" WHERE purpose = 'assistants'"
NOT_RECOVERED = (
    "  not recovered: which of these files an earlier sync uploaded. They are detached when they are superseded, and "
    "not deleted",
    "  not recovered: the SHA-256 of their contents. A file of the same name and size counts as the same",
)


@dataclass(frozen=True)
class Rebuilt:
    """A table that was made again, and the files that were found."""

    table: str
    vector_store_id: str
    matches: Matches

    def lines(self) -> list[str]:
        """A report for the user: which files were found, and which were not."""
        same, changed = len(self.matches.same), len(self.matches.changed)
        lines = [
            f"rebuilt from {self.vector_store_id}: {same} files have the name and size of one in the folder, "
            f"{changed} only the name"
        ]
        if same or changed:
            lines += NOT_RECOVERED
        for title, remotes in (
            ("several files have this name and size", self.matches.unclear),
            ("the folder has no file of this name", self.matches.foreign),
        ):
            lines += [f"  not adopted: {found.file_id} ({found.filename}): {title}" for found in remotes[:MAX_LISTED]]
            if len(remotes) > MAX_LISTED:
                lines.append(f"  not adopted: … and {len(remotes) - MAX_LISTED} more: {title}")
        return lines


def rebuild(db: apsw.Connection, store: StoreTable, folder: Folder) -> Rebuilt:
    """Have the table adopt the files of the vector store that it does not know, and that are in the folder.

    The table is created unless the database has it. Raises the package's errors and SQLite's.
    """
    vector_store_id = store.existing_id()
    table = StoreTable(db, vector_store_id=vector_store_id).find() or store.create(vector_store_id)
    name, files = quoted(table), quoted(f"{table}_files")
    known = {str(key) for (key,) in db.execute(f"SELECT key FROM {quoted(table + '_documents')}")}
    local = [Local(key, path, folder.size(path)) for key, path in folder.listing(db).paths.items() if key not in known]
    taken = {str(id) for (id,) in db.execute(f"SELECT file_id FROM {files} WHERE file_id IS NOT NULL")}
    matches = match(local, [remote for remote in _remotes(db, vector_store_id) if remote.file_id not in taken])
    db.execute("BEGIN IMMEDIATE")
    try:
        for found, remote in matches.same:
            sql = f"INSERT INTO {name} (key, file_id, path) VALUES (?, ?, ?)"
            db.execute(sql, (found.key, remote.file_id, found.path))
        for found, remote in matches.changed:
            db.execute(f"INSERT INTO {name} (key, file_id) VALUES (?, ?)", (found.key, remote.file_id))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return Rebuilt(table, vector_store_id, matches)


def _remotes(db: apsw.Connection, vector_store_id: str) -> Iterator[Remote]:
    """The files of the vector store, with the names and sizes of the account's list of files."""
    names = {id: (filename, size) for id, filename, size in db.execute(UPLOADED)}
    for (file_id,) in db.execute(STORED, (vector_store_id,)).fetchall():
        filename, size = names.get(file_id, (None, None))
        yield Remote(str(file_id), filename, size)
