"""The cases at a distance: over TLS, with 25 ms each way, where opening a connection takes two round trips.

>>> distant(created, target=1.20)(200).title
'`INSERT … SELECT` that creates 200 batches in 20 stores, TLS at a distance'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import apsw

from .cases import AIOHTTP, Case, Row, created, joined, listed
from .document_cases import Uploading
from .document_cases import listed as local_files
from .folder import FOLDER
from .opponents import Client


@dataclass(frozen=True, kw_only=True)
class Sending(Uploading):
    """A case that uploads the local files, and attaches none."""

    def by_hand(self, db: apsw.Connection, client: Client) -> list[Row]:
        """List the folder and upload."""
        client.upload("", [(path, {}) for path in local_files(db.filename)])
        return []

    def right(self, database: str) -> list[Row]:
        """What the server must have received."""
        return super().right(database)[:-1]  # without the batch


def sent(keys: int) -> Sending:
    """One statement that uploads many small files."""
    return Sending(
        title=f"`INSERT INTO files` of {keys:,} files of 2 KB",
        keys=keys,
        tables="",
        sql=f"INSERT INTO files (path, purpose) SELECT name, 'assistants' FROM fsdir('{FOLDER}') WHERE name LIKE '%.md'",
        files=keys,
        target=1.20,
        most_requests=keys,
    )


def distant(make: Callable[[int], Case], target: float) -> Callable[[int], Case]:
    """The same case at a distance."""

    def made(keys: int) -> Case:
        case = make(keys)
        title = f"{case.title}, TLS at a distance"
        return replace(case, title=title, latency=0.0, distant=True, target=target, opponents=(AIOHTTP,))

    return made


def distant_cases(keys: int) -> list[tuple[Case, Callable[[int], Case]]]:
    """Every case for so many keys, and how to make it for fewer."""
    made = [
        (distant(created, 1.20), max(1, keys // 5)),
        (distant(sent, 1.20), keys),
        (distant(listed, 1.05), keys),
        (distant(joined, 1.10), keys),
    ]
    return [(make(number), make) for make, number in made]
