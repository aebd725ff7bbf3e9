"""Which file of a vector store is which file of a folder, when the ledger is lost: by name and size.

>>> match([Local("docs/a.md", "a.md", 120)], [Remote("file-1", "a.md", 120)]).same
[(Local(key='docs/a.md', …), Remote(file_id='file-1', …))]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Local:
    """A file of the folder, and the key of its document. size is in bytes."""

    key: str
    path: str
    size: int

    @property
    def filename(self) -> str:
        """The name that it has at the API."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of the vector store. filename and size (bytes) are None if the account's list of files lacks it."""

    file_id: str
    filename: str | None
    size: int | None


@dataclass
class Matches:
    """The matched files: same are pairs with equal names and sizes, changed are pairs with other sizes.

    unclear: names that several files have, so that it is not known which is which. foreign: files of the store with
    names that no file of the folder has.
    """

    same: list[tuple[Local, Remote]] = field(default_factory=list)
    changed: list[tuple[Local, Remote]] = field(default_factory=list)
    unclear: list[Remote] = field(default_factory=list)
    foreign: list[Remote] = field(default_factory=list)


def match(locals: Sequence[Local], remotes: Sequence[Remote]) -> Matches:
    """Match files one to one: first those that alone have a name and size, then those that alone have a name."""
    same = _pairs(locals, remotes, lambda item: (item.filename, item.size))
    matched = {id(item) for pair in same for item in pair}
    rest = [item for item in locals if id(item) not in matched]
    others = [item for item in remotes if id(item) not in matched]
    changed = _pairs(rest, others, lambda item: item.filename)
    matched |= {id(item) for pair in changed for item in pair}
    names = {item.filename for item in rest}
    result = Matches(same, changed)
    for remote in others:
        if id(remote) not in matched:
            (result.unclear if remote.filename in names else result.foreign).append(remote)
    return result


def _pairs(
    locals: Iterable[Local], remotes: Iterable[Remote], by: Callable[[Local | Remote], Hashable]
) -> list[tuple[Local, Remote]]:
    """The pairs that have the same value, if no other file has it."""
    left, right = _grouped(locals, by), _grouped(remotes, by)
    return [
        (left[value][0], right[value][0])
        for value in left
        if value in right and len(left[value]) == len(right[value]) == 1
    ]


Item = TypeVar("Item", Local, Remote)


def _grouped(items: Iterable[Item], by: Callable[[Local | Remote], Hashable]) -> dict[Hashable, list[Item]]:
    groups: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        groups[by(item)].append(item)
    return groups
