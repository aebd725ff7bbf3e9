"""One row of a ledger: the keys of an object, and its latest response from the API.

>>> row.get("status"), row.get("file_counts")
('completed', {'completed': 2, 'failed': 0, …})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..schema.decode import json_text
from ..schema.table import SpecialSource
from ..schema.values import SQLiteValue, key_text, load_json

QUEUED, UNKNOWN = "queued", "unknown"

Object = dict[str, Any]
# Of the shadow table: seq, the keys, the status, and the text of the response if the query reads columns of it.
ShadowRow = tuple[Any, ...]


class RowShape:
    """The common part of one ledger's rows: the sources of the keys, and what was given to create an object.

    `fetch_sent` takes a rowid and returns the columns' sources and their JSON; `sent_names` are their names.
    `status_place` and `response_place` are the places of the status and the response in a ShadowRow.
    """

    def __init__(
        self, key: tuple[str, ...], sent_names: frozenset[str], fetch_sent: Callable[[int | None], Object]
    ) -> None:
        self.key = key
        self.sent_names = sent_names
        self.fetch_sent = fetch_sent
        self.status_place = len(key) + 1
        self.response_place = len(key) + 2


class LedgerRow:
    """One remembered object. Its JSON is parsed, and what was sent is fetched, when a column of them is read."""

    # Without __slots__: a listing makes a row for each object, and attributes that a class has need not be set.
    _answer: Object | None = None
    _keys: Mapping[str, str | None] | None = None
    _sent: Object | None = None

    def __init__(self, shape: RowShape, columns: ShadowRow, status: str, answer: Object | None = None) -> None:
        self._shape = shape
        self._columns = columns  # with an answer, only the place and the keys are needed
        self.seq: int | None = columns[0]
        self.status = status
        if answer is not None:
            self._answer = answer

    @property
    def keys(self) -> Mapping[str, str | None]:
        """The keys by their sources. A ledger may have been edited by hand: a value that is not text counts as None."""
        if self._keys is None:
            key = self._shape.key
            texts = [value if isinstance(value, str) else None for value in self._columns[1 : self._shape.status_place]]
            self._keys = dict(zip(key, texts, strict=True))
        return self._keys

    def get(self, name: str, /) -> Any:
        """Return a member of the response, else of what was sent; None when neither has it."""
        if name == "status":
            return self.status
        if name in self._shape.key:
            return self.keys[name]
        if name in self._shape.sent_names:
            if self._sent is None:
                self._sent = self._shape.fetch_sent(self.seq)
            return self._sent.get(name)
        if self._answer is None:
            self._answer = parsed(self._columns[self._shape.response_place])
        return {**self._answer, **self.keys} if name == SpecialSource.OBJECT else self._answer.get(name)

    @property
    def askable(self) -> bool:
        """Whether the API can be asked for the object: every key is known, and can be a segment of a path."""
        return all(map(key_text, self.keys.values()))

    def with_response(self, answer: Object) -> LedgerRow:
        """Return the row with a newer response."""
        return LedgerRow(self._shape, self._columns, status_of(answer), answer)

    def with_unknown_status(self) -> LedgerRow:
        """Return the row of an object that the API does not know any more."""
        return LedgerRow(self._shape, self._columns, UNKNOWN, self._answer)


def dumped(value: Object) -> str:
    """Return an object as JSON. Of one that is nested too deeply for SQLite, only the flat members are kept."""
    try:
        return json_text(value)
    except RecursionError:
        return dumped({name: member for name, member in value.items() if not isinstance(member, (dict, list))})


def parsed(text: SQLiteValue) -> Object:
    """Return the object in a JSON text; {} for anything else, which only an edit by hand can have left."""
    try:
        found = load_json(text) if isinstance(text, (str, bytes)) else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def status_of(answer: Object) -> str:
    """Return the status in a response, UNKNOWN when it has none that a ledger can hold."""
    status = answer.get("status")
    return status if isinstance(status, str) and status != QUEUED else UNKNOWN
