"""What SELECT learns of a table's files from the API, kept until it is written between the user's transactions.

Another connection may change a file meanwhile, at the API and in its row. Its transaction may even delete the file at
the API and be rolled back, so that the row is `unsure` and looks as if it had been so all the time. So each change of a
row increases its version, and what was learned counts only for the version that it was learned of.

>>> learned = Learned()
>>> learned.add(file, State.COMPLETED)
>>> learned.current(file).state
State.COMPLETED
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import NamedTuple

from ..schema.values import SQLiteValue
from .canonical import canonical
from .rows import StoredFile
from .statement_texts import CHANGED
from .states import State

LOOKED_AT = frozenset(
    {State.UNSURE, State.IN_PROGRESS, State.COMPLETED, State.FAILED, State.CANCELLED, State.MISSING}
)  # a look at the API tells the state of such a file


class _Learned(NamedTuple):
    """The version of the file's row, and what is new: JSON texts, or None for what is not known."""

    version: int
    state: State
    answer: str | None
    attributes: str | None


class Learned:
    """What is not written yet, by the ids of the files. It is false if there is nothing."""

    def __init__(self) -> None:
        self._files: dict[str, _Learned] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    def add(self, file: StoredFile, state: State, answer: dict[str, object] | None = None) -> None:
        """Keep what the API says of a file in one of the states LOOKED_AT.

        Its attributes count if it was unsure: a request that sets them may have gone out.
        """
        assert file.state in LOOKED_AT, file  # noqa: S101
        # () for no member: null stands for no attributes, no member for attributes that are not known
        attributes = () if answer is None else answer.get("attributes", ())
        self._files[str(file.file_id)] = _Learned(
            file.version,
            state,
            None if answer is None else json.dumps(answer, separators=(",", ":")),
            canonical(attributes or {}) if attributes is None or isinstance(attributes, dict) else None,
        )

    def current(self, file: StoredFile) -> StoredFile:
        """Return the file with what was learned of it since its row was read."""
        if file.file_id not in self._files:
            return file
        version, state, answer, attributes = self._files[file.file_id]
        if version != file.version:
            return file
        if attributes is None or file.state is not State.UNSURE:
            attributes = file.attributes
        return file._replace(state=state, answer=file.answer if answer is None else answer, attributes=attributes)

    def ids_in(self, states: Collection[State]) -> list[str]:
        """Return the ids of the files that have these states, as was learned."""
        return [file_id for file_id, learned in self._files.items() if learned.state in states]

    def update(self, files: str) -> tuple[str, list[SQLiteValue]]:
        """Return the UPDATE that writes it, and its binding. `files` is the quoted name of the shadow table."""
        sql = (
            f"UPDATE {files} AS f SET state = new.value ->> 2, "
            "answer = coalesce(new.value ->> 3, f.answer), attributes = CASE f.state WHEN 'unsure' "
            f"THEN coalesce(new.value ->> 4, f.attributes) ELSE f.attributes END, {CHANGED} "
            "FROM openai.json_each(?) AS new WHERE f.file_id = new.value ->> 0 AND f.version = new.value ->> 1"
        )
        return sql, [json.dumps([[file_id, *learned] for file_id, learned in self._files.items()])]

    def forget(self, file_id: str) -> None:
        """Forget what was learned of a file: a statement sets its state."""
        self._files.pop(file_id, None)

    def clear(self) -> None:
        """Forget everything: it is written, or the API can be asked again."""
        self._files.clear()
