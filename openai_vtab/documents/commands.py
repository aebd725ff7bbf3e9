"""Commands, which are written as those of FTS5: INSERT INTO handbook (handbook) VALUES ('sync').

    sync            COMMIT does what is still to be done, and deletes files that failed transactions have left
    retry-unknown   documents with the status unknown are uploaded again when they are written again; unknown uploads
                    that no document needs are not looked for any more
    checksum        files are read when they are written again, whatever their sizes and times say

>>> Commands(store, shared_files).run("sync", {})
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ProgrammingError
from ..schema.values import SQLiteValue, sql_literal
from .shared_files import SharedFiles
from .states import State
from .store import DocumentStore


class Commands:
    """The commands of one table."""

    def __init__(self, store: DocumentStore, shared_files: SharedFiles) -> None:
        self._store = store
        self._shared_files = shared_files
        self._commands = {"sync": self._sync, "retry-unknown": self._retry_unknown, "checksum": store.forget_stamps}

    def run(self, command: SQLiteValue, others: Mapping[str, SQLiteValue]) -> None:
        """Carry out a command. `others` are further columns of the row. Raises ProgrammingError."""
        name = self._store.name
        carry_out = self._commands.get(command) if isinstance(command, str) else None
        if carry_out is None:
            raise ProgrammingError(
                f"{name}.{name}: {sql_literal(command)} is not a command; the commands are "
                f"{', '.join(map(sql_literal, self._commands))}"
            )
        if others:
            raise ProgrammingError(f"{name}.{name}: a command stands alone; leave out {', '.join(others)}")
        carry_out()

    def _sync(self) -> None:
        """Have the files deleted that no document needs, unless another table knows them."""
        held = self._shared_files.holders()
        for file in self._store.files("f.document IS NULL AND f.state <> ?", [State.LEAVING]):
            if file.file_id not in held:
                self._store.move(file, State.LEAVING)

    def _retry_unknown(self) -> None:
        """Forget what was uploaded with an unknown outcome: content that is written again is not the same."""
        for file in self._store.files("f.document IS NULL AND f.file_id IS NULL"):
            self._store.remove_file(file.id)
        for file in self._store.files("f.state = ?", [State.UNKNOWN]):
            self._store.change_file(file.id, sha256=None)
