"""The cases of bulk reading: the statement, and the lists that one would read by hand instead of single objects.

One case is of a connection without bulk reading: a list, and a look-up for each of its objects.

>>> files_in(958).by_hand(db, Aiohttp(base_url))
[('file-account-00000', 'document 0.md'), …]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import apsw

from .cases import AIOHTTP, Case, Row
from .opponents import Aiohttp, Client
from .server import FILES, Counters, file, file_ids, store_file

STORE = "vs_0"
STORE_FILES, ALL_FILES = f"/vector_stores/{STORE}/files", "/files"
JOINED = f"`vector_store_files JOIN files USING (file_id)`, {FILES:,} files"
JOIN = (
    "SELECT s.id, f.filename FROM vector_store_files AS s JOIN files AS f USING (file_id) "
    f"WHERE s.vector_store_id = '{STORE}'"
)


@dataclass(frozen=True, kw_only=True)
class Listing(Case):
    """A case for which one reads lists. lists: their paths and page sizes. expected: the rows."""

    lists: tuple[tuple[str, int], ...]
    expected: Callable[[], list[Row]]

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Read the lists, and make the rows from what came."""
        for path, size in self.lists:
            found = cast(Aiohttp, client).pages(path, size)
            assert len(found) == FILES
        return self.expected()

    def right(self, database: str) -> list[Row]:
        """What the server has."""
        return sorted(self.expected())

    def came_out(self, database: str, rows: list[Row], counters: Counters) -> list[Row]:
        """The rows."""
        return sorted(rows)


@dataclass(frozen=True, kw_only=True)
class LookingUp(Listing):
    """A case that reads a list and looks up each object. By hand, only the look-ups are sent, without the list.

    They take longer than the list alone, and overlap with it here.
    """

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """Look all files up, and make the rows from what came."""
        found = cast(Aiohttp, client).files(file_ids())
        return [(each["id"], each["filename"]) for each in found]


def _wanted(keys: int) -> list[str]:
    """`keys` of the files, evenly spread."""
    return file_ids()[:: max(1, FILES // keys)][:keys]


def files_in(keys: int) -> Listing:
    """Half of the account's files, by an IN list."""
    ids = _wanted(keys)
    return _listing(
        f"`files WHERE file_id IN ({keys:,} ids)` of {FILES:,}",
        keys,
        f"SELECT id, filename FROM files WHERE file_id IN ({_quoted(ids)})",
        lists=((ALL_FILES, 10_000),),
        expected=lambda: [(id, file(id)["filename"]) for id in ids],
        most_requests=3,
    )


def store_files_in(keys: int) -> Listing:
    """Half of a vector store's files, by an IN list."""
    ids = _wanted(keys)
    return _listing(
        f"`vector_store_files` by {keys:,} of a store's {FILES:,} file ids",
        keys,
        f"SELECT id, usage_bytes FROM vector_store_files WHERE vector_store_id = '{STORE}' "
        f"AND file_id IN ({_quoted(ids)})",
        lists=((STORE_FILES, 100),),
        expected=lambda: [(id, store_file(STORE, id)["usage_bytes"]) for id in ids],
        most_requests=25,
    )


def files_joined(keys: int) -> Listing:
    """The names of all files of a vector store."""
    return _listing(
        JOINED, FILES, JOIN, lists=((STORE_FILES, 100), (ALL_FILES, 10_000)), expected=_names, most_requests=30
    )


def files_joined_one_by_one(keys: int) -> Listing:
    """The same without bulk reading."""
    return _listing(
        f"{JOINED}, without bulk reading",
        FILES,
        JOIN,
        LookingUp,
        lists=(),
        expected=_names,
        target=1.15,
        most_requests=FILES + 20,
        bulk_reading=False,
    )


def _listing(
    title: str, keys: int, sql: str, kind: type[Listing] = Listing, target: float = 1.30, **more: Any
) -> Listing:
    return kind(title=title, keys=keys, tables="", sql=sql, target=target, opponents=(AIOHTTP,), **more)


def _names() -> list[Row]:
    return [(id, file(id)["filename"]) for id in file_ids()]


def _quoted(ids: list[str]) -> str:
    return ", ".join(f"'{id}'" for id in ids)


def bulk_cases(keys: int) -> list[tuple[Case, Callable[[int], Case]]]:
    """Every case, as `cases` makes them."""
    half = min(keys, FILES // 2)
    return [(make(half), make) for make in (files_in, store_files_in, files_joined, files_joined_one_by_one)]
