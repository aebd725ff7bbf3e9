"""What must be true when all is over: the sandbox's own record against the ledgers and what errors have said.

It must not know how the statements ran. Each batch is known by its mark, an attribute that one INSERT gave to it.

>>> findings = list(Judge(truth, ledgers, journals, lines).findings())
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw

# What was said of a row: how often it may have been created, and whether a row "unknown" may stand for it.
CREATED = {
    "committed": {1},
    "done": {1},
    "not done": {0},
    "dropped": {0},
    "unknown": {0, 1},
    "perhaps": {0, 1},
}
MAY_BE_UNKNOWN = {"unknown", "perhaps"}


class Judge:
    """`truth`: mark → the keys of the batches that have it."""

    def __init__(
        self, truth: dict[str, list[tuple[str, str]]], databases: Iterable[Path], lines: Iterable[Any]
    ) -> None:
        self.truth = truth
        self.said: dict[str, str] = {}
        self.stories: dict[str, list[str]] = {}
        self.known: dict[str, list[tuple[str, str]]] = {}  # by the ledgers, or forgotten there
        self.unknown: Counter[str] = Counter()
        self.journal: set[str] = set()
        self.problems: list[str] = []
        for what, *values in lines:
            if what == "said":
                self.said |= values[0]
                self.stories |= dict.fromkeys(values[0], values[1])
            elif what == "forgotten":
                mark, *keys = values
                self.known.setdefault(mark, []).append((keys[0], keys[1]))
        self.marks = {keys: mark for mark, found in truth.items() for keys in found}
        for path in databases:
            self._read(path)

    def _read(self, path: Path) -> None:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        (checked,) = db.execute("PRAGMA integrity_check").fetchall()
        if checked != ("ok",):
            self.problems.append(f"{path}: integrity_check says {checked}")
        self.journal |= {mark for (mark,) in db.execute("SELECT mark FROM journal")}
        for store, id, status, sent in db.execute("SELECT vector_store_id, id, status, sent FROM batches_ledger"):
            mark = json.loads(sent)["attributes"]["mark"] if sent is not None else None
            if status == "queued" or (id is None) != (status == "unknown" and mark is not None):
                self.problems.append(f"{path}: {id} with the mark {mark} is {status}")
            elif id is None:
                self.unknown[mark] += 1
            elif mark is not None:
                self.known.setdefault(mark, []).append((store, id))
        db.close()

    def findings(self) -> Iterator[str]:
        """What is wrong."""
        yield from self.problems
        for mark in sorted(self.truth.keys() | self.said.keys() | self.known.keys() | self.unknown.keys()):
            said = self.said.get(mark)
            created, known = self.truth.get(mark, []), self.known.get(mark, [])
            told = f"{mark}: said to be {said}, created as {created}, listed as {known}, unknown {self.unknown[mark]}"
            told += f", after {self.stories.get(mark)}"
            if said is None or len(created) not in CREATED[said]:
                yield f"created wrongly: {told}"
            if known not in ([], created):
                yield f"another batch's: {told}"
            if created and not known and not self.unknown[mark]:
                yield f"lost: {told}"
            if self.unknown[mark] > (said in MAY_BE_UNKNOWN) or (known and self.unknown[mark]):
                yield f"unknown without a reason: {told}"
        for mark in sorted(self.journal - {mark for mark, said in self.said.items() if said == "committed"}):
            yield f"the journal has {mark}, of which was said that it is {self.said.get(mark)}"


def uploads(truth: Counter[str], lines: Iterable[Any]) -> Iterator[str]:
    """The same of files, which no ledger lists."""
    said = {values[0]: values[1] for what, *values in lines if what == "uploaded"}
    for name in sorted(truth.keys() | said.keys()):
        if truth[name] not in CREATED.get(said.get(name, ""), set()):
            yield f"{name}: said to be {said.get(name)}, uploaded {truth[name]} times"
