"""The rows of a scan: objects asked for by their keys, by their rowids, or listed by a ledger.

It decides what need not be asked for and what is remembered. It must not know SQLite's callbacks or idxNum.

>>> for rowid, batch in rows.by_key(Scan(statement), method, [{"vector_store_id": "vs_1", "id": "vsfb_1"}]): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import api
from .api import Request, Response
from .columns import Fields
from .errors import RowError
from .fetch import Asking
from .ledger import Entry, Ledger
from .rowids import Key, Rowids
from .spec import REFRESH, WAIT_SECONDS, Method, Table

Row = tuple[int, Fields]

# seconds after its creation for which 404 does not mean that an object does not exist: reads lag behind writes,
# https://github.com/mkdev-me/terraform-provider-openai/issues/35
VISIBLE_WITHIN = 10.0
# Above every rowid of a ledger: those of objects that are not in it
NOT_IN_LEDGER = 1 << 60


@dataclass
class Scan:
    """What one Filter has been given beside the keys.

    `asking` is the statement, `steering` the values that say how to read. `single` tells that it is one key, of a row
    of a join perhaps. With `note`, only the requests are wanted that it would send.
    """

    asking: Asking
    steering: Mapping[str, Any] = field(default_factory=dict)
    single: bool = False
    note: Callable[[Request], None] | None = None


@dataclass
class _Item:
    """An object that a scan names: its keys, what a ledger knows of it, and the rowid it is asked for by."""

    keys: Mapping[str, Any]
    entry: Entry | None = None
    rowid: int | None = None


class Rows:
    """The objects of one table, as one schema sees it; `ledger` when it remembers."""

    def __init__(self, table: Table, rowids: Rowids, created: dict[Key, float], ledger: Ledger | None = None) -> None:
        self.table = table
        self.rowids = ledger.rowids if ledger else rowids
        self.created = created  # what this connection has made itself, and when (time.monotonic)
        self.ledger = ledger

    def by_key(self, scan: Scan, method: Method, keys: Iterable[dict[str, str]]) -> Iterator[Row]:
        """The objects with these keys, in their order; those that do not exist are left out."""
        ledger = self.ledger
        return self._rows(scan, method, (_Item(key, ledger.find(key) if ledger else None) for key in keys))

    def by_rowid(self, scan: Scan, rowids: Iterable[int]) -> Iterator[Row]:
        """The objects with these rowids."""
        return self._rows(scan, self.table.of("SELECT")[0], self._at(rowids))

    def listed(self, scan: Scan, wanted: Mapping[str, Sequence[str]], ask: bool) -> Iterator[Row]:
        """What the ledger knows; unless told not to ask, as it is now."""
        assert self.ledger is not None  # noqa: S101 - plan.choose lists only with one
        items = (_Item(entry.keys, entry) for entry in self.ledger.entries(wanted))
        if ask and scan.note is None:
            return self._rows(scan, self.table.of("SELECT")[0], items)
        return ((self._rowid(item), item.entry) for item in items if item.entry)

    def keys_of(self, rowid: int) -> dict[str, str]:
        """The keys of a row that SQLite has just read. Raises RowError when nobody knows them."""
        for item in self._at([rowid]):
            if item.entry is None or item.entry.askable:
                return dict(item.keys)
        raise RowError(
            f"{self.table.name}: the {self.table.key[-1]} of the row is not known, so that nothing can be done to it; "
            "look whether it was created, INSERT it then by its keys, and DELETE this row"
        )

    def forget(self, rowid: int) -> None:
        """The ledger does not list this row any more."""
        assert self.ledger is not None  # noqa: S101 - the caller has looked
        for item in self._at([rowid]):
            self.ledger.forget(item.entry.seq if item.entry else None, item.keys)

    def is_finished(self, request: Request, response: Response) -> bool:
        """Whether waiting for it is over. By its status alone: counts are all zero at first, a store's says nothing."""
        answer = api.decipher(request, response)
        return answer is None or answer.get("status") in self.table.finished

    def _rows(self, scan: Scan, method: Method, items: Iterable[_Item]) -> Iterator[Row]:
        asking = scan.asking
        refresh = bool(scan.steering.get(REFRESH.name))

        def request_of(item: _Item) -> Request | None:
            entry = item.entry
            known = self.ledger is not None and entry is not None and self.ledger.is_final(entry)
            if known and not (refresh and entry and entry.askable):
                return None
            return api.build(self.table, method, item.keys)

        if scan.note is not None:
            for item in items:
                if (request := request_of(item)) is not None:
                    scan.note(request)
                elif item.entry is not None:
                    yield self._rowid(item), item.entry
            return
        if WAIT_SECONDS.name in scan.steering:
            items = list(items)
            deadline = asking.deadline(scan.steering[WAIT_SECONDS.name])
            asked = [(item, request) for item in items if (request := request_of(item)) is not None]
            for item, request in asked:
                self._until_visible(asking, item, request)
            asking.until(self.is_finished, (request for _, request in asked), deadline)
        for item, request in asking.ahead(items, request_of):
            found: Fields | None = item.entry
            if request is not None:
                if scan.single and WAIT_SECONDS.name not in scan.steering:
                    asking.look_up(request)
                found = self._asked(asking, item, request)
            if found is not None:
                yield self._rowid(item), found

    def _asked(self, asking: Asking, item: _Item, request: Request) -> Fields | None:
        self._until_visible(asking, item, request)
        response = asking.answer(request)
        answer = api.decipher(request, response)
        if answer is None:
            return item.entry and item.entry.lost()
        row = api.keyed(self.table, request, response, answer, item.keys)
        if self.ledger is None:
            return row
        entry = item.entry or Entry(self.ledger, None, item.keys, "", None)
        found = entry.answered(row)
        if item.entry is None or self.ledger.is_final(found):
            self.ledger.remember(item.keys, row)
        return found

    def _until_visible(self, asking: Asking, item: _Item, request: Request) -> None:
        """Have an object that this connection has just made asked for until the API knows it."""
        created = self.created.get(tuple(item.keys[source] for source in self.table.key))
        if created is not None:
            deadline = created + VISIBLE_WITHIN
            asking.until(lambda r, response: api.decipher(r, response) is not None, [request], deadline)

    def _at(self, rowids: Iterable[int]) -> Iterator[_Item]:
        for rowid in rowids:
            if self.ledger is not None and rowid < NOT_IN_LEDGER:
                entry = self.ledger.at(rowid)
                if entry is not None:
                    yield _Item(entry.keys, entry, rowid)
                continue
            key = self.rowids.key(rowid - NOT_IN_LEDGER if self.ledger is not None else rowid)
            if key is not None:
                keys = dict(zip(self.table.key, key, strict=True))
                yield _Item(keys, self.ledger.find(keys) if self.ledger else None, rowid)

    def _rowid(self, item: _Item) -> int:
        if item.rowid is not None:
            return item.rowid
        key = tuple(item.keys[source] for source in self.table.key)
        if self.ledger is None:
            return self.rowids.of(key)
        # one that was looked up before the ledger knew it keeps its rowid as long as the statement may run
        if item.entry is not None and item.entry.seq is not None and self.rowids.known(key) is None:
            return item.entry.seq
        return NOT_IN_LEDGER + self.rowids.of(key)
