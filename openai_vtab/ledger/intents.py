"""Intents: what a transaction is about to create, written down durably before the first request leaves.

Theory of operation
-------------------
Between the first byte of a request and SQLite's commit, the process may be killed, or SQLite may fail to commit.
The row in the ledger is then gone with the transaction, although the API has created the object, and the API cannot
list what it has created. So each transaction that creates something through a ledger keeps a file of its own beside
the database, which a rollback does not touch:

    my.db-openai-intents-5f0c…
        {"format": 1, "boot": "1c6f…"}                                           once
        {"intent": "5f0c…-0", "ledgers": ["my_batches"], "keys": {…}, "sent": {…}}   for each row, then one fsync
        {"begun": "5f0c…-0", "at": 1760000000}                                   its request is about to leave
        {"created": "5f0c…-0", "answer": {…}}                                    the API has confirmed it
        {"refused": "5f0c…-0"}                                                   certainly not carried out
        {"unknown": "5f0c…-0"}                                                   nobody can say

The file is removed once SQLite has committed, or once the ledger has a row for everything that may exist. Whoever
finds such a file while holding the database's write lock knows that its writer is no longer sending: a sender holds
that lock, in both journal modes, because the rows of the ledger belong to its transaction. The row in the ledger has
the intent's id, so that settling an intent twice adds nothing. The exception are requests that an interrupt has left
under way: their transaction is gone, so that another connection may list them as unknown, until the response comes
and completes the row.

Only the intents are synced to the disk, once for each flush of a transaction. After a power cut the later lines may
be missing, so that the absence of a line proves nothing: an intent of another boot counts as begun. After a mere kill
of the process every line is there, and an intent without "begun" certainly was not sent.

>>> intent_log = IntentLog("my.db")
>>> intent = intent_log.new(["my_batches"], {"vector_store_id": "vs_1"}, {"file_ids": ["file-1"]})
>>> intent_log.write([intent])
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ..errors import OperationalError

log = logging.getLogger("openai_vtab")

FORMAT = 1
SLICE = 500  # intents written between two looks for an interrupt
MARK = "-openai-intents-"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # on Linux; elsewhere no boot is known to be the same

Object = dict[str, Any]


class Outcome(Enum):
    """What is known of a create."""

    PLANNED = "planned"  # nothing has left
    BEGUN = "begun"
    CREATED = "created"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(eq=False)
class Intent:
    """One create. `sent` is what it was given.

    `ledgers` are the names that its ledger has had, of which a rollback may bring back an older one: the ledger's own
    list, which grows when it is renamed.
    """

    id: str
    ledgers: Sequence[str]
    keys: Mapping[str, str]
    sent: Object
    intent_log: IntentLog
    at: int = 0  # when it began, Unix seconds
    outcome: Outcome = Outcome.PLANNED
    answer: Object | None = None
    undone: bool = False  # SQLite has rolled the ledger's row back, and the transaction goes on

    def begin(self) -> None:
        """The request is about to leave. Raises OperationalError when that cannot be written down."""
        self.at = int(time.time())
        self.intent_log.begin(self)

    def created(self, answer: Object) -> None:
        """The API has created the object `answer`, which has its keys."""
        self.answer = answer
        self._end(Outcome.CREATED, answer=answer)

    def refused(self) -> None:
        """The API has certainly not created it."""
        self._end(Outcome.REFUSED)

    def unknown(self) -> None:
        """The API may have created it."""
        self._end(Outcome.UNKNOWN)

    def _end(self, outcome: Outcome, **more: Any) -> None:
        self.outcome = outcome
        try:
            self.intent_log.append({outcome.value: self.id, **more})
        except OperationalError as error:  # it stays begun in the file: a later reader calls it unknown
            log.debug("%s", error)
        self.intent_log.close_if_left()

    @property
    def description(self) -> str:
        """What is known of it, for a log line."""
        keys = " ".join(f"{name} = {value!r}" for name, value in self.keys.items())
        if self.outcome is Outcome.CREATED and self.answer is not None:
            return f"created: id = {self.answer.get('id')!r} {keys}"
        return f"perhaps created: {keys} {_dumped(self.sent)[:200]}"

    @property
    def may_exist(self) -> bool:
        """Whether the API has created it, or may have."""
        return self.outcome in (Outcome.BEGUN, Outcome.CREATED, Outcome.UNKNOWN)


@dataclass(eq=False)
class IntentLog:
    """The intents of one transaction in one database file; with file "" they are in memory alone."""

    file: str
    intents: list[Intent] = field(default_factory=list)
    path: Path | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._settled: dict[str, Outcome] = {}  # what the ledgers have rows for
        self._descriptor = -1
        self._left = False
        self._torn = False  # the last line was cut off, by a full disk perhaps
        self._over = False
        self._lock = threading.Lock()

    def new(self, ledgers: Sequence[str], keys: Mapping[str, str], sent: Object) -> Intent:
        """An intent for one row; nothing is written yet."""
        intent = Intent(f"{self._token}-{next(self._numbers)}", ledgers, keys, sent, self)
        self.intents.append(intent)
        return intent

    def write(self, intents: Sequence[Intent], tick: Callable[[], None] = lambda: None) -> None:
        """Write these intents durably. Raises OperationalError when the file cannot be written, and what `tick` raises.

        `tick` is called between slices: of 10,000 rows the writing takes a part of a second.
        """
        if not self.file or not intents:
            return
        is_new = self.path is None
        try:
            if is_new:
                self._create()
                self._write([{"format": FORMAT, "boot": boot_id()}])
            for first in range(0, len(intents), SLICE):
                tick()
                self._write(
                    [
                        {"intent": i.id, "ledgers": list(i.ledgers), "keys": dict(i.keys), "sent": i.sent}
                        for i in intents[first : first + SLICE]
                    ]
                )
            os.fsync(self._descriptor)
            if is_new:
                _sync_folder(Path(self.file).parent)
        except OSError as error:
            problem = self._problem(error)
        else:
            return
        raise OperationalError(f"the rows were not sent: {problem}")

    def _create(self) -> None:
        path = Path(f"{self.file}{MARK}{self._token}")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.path = path
        # who may write the database must be able to recover it, whatever this process's umask: SQLite's journals, too
        path.chmod(Path(self.file).stat().st_mode & 0o666)

    def begin(self, intent: Intent) -> None:
        """Write down that a request is about to leave. Raises OperationalError when that is impossible, or too late."""
        try:
            with self._lock:
                if self._over:
                    problem = "the transaction is over"
                else:
                    if self._descriptor >= 0:
                        self._write_all([{"begun": intent.id, "at": intent.at}])
                    intent.outcome = Outcome.BEGUN
                    return
        except OSError as error:
            problem = self._problem(error)
        raise OperationalError(problem)

    def finish(self) -> bool:
        """Let nothing more begin, if the ledgers have rows for all and no request is under way. Whether that is so."""
        with self._lock:
            self._over = self._over or (self.is_final and not self.unsettled())
            return self._over

    def append(self, line: Object) -> None:
        """Add one line, without waiting for the disk. Called from many threads. Raises OperationalError."""
        if self.path is None:
            return
        try:
            self._write([line])
        except OSError as error:
            problem = self._problem(error)
        else:
            return
        raise OperationalError(problem)

    def _write(self, lines: Sequence[Object]) -> None:
        with self._lock:
            if self._descriptor >= 0:  # or removed: a response that comes later reaches the ledger from memory
                self._write_all(lines)

    def _write_all(self, lines: Sequence[Object]) -> None:
        data = "".join(_dumped(line) + "\n" for line in lines).encode()
        if self._torn:  # or the first line would be a part of the torn one, and lost with it
            data = b"\n" + data
        self._torn = True
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._torn = False

    def _problem(self, error: OSError) -> str:
        return (
            f"{self.file}{MARK}…: {error.strerror or error}; a ledger writes down here what is about to be created, "
            "so its folder must be writable and not full"
        )

    @property
    def is_final(self) -> bool:
        """Whether no request of it is under way."""
        return all(intent.outcome is not Outcome.BEGUN for intent in self.intents)

    def unsettled(self) -> list[Intent]:
        """Snapshots of what may exist, and has no row in its ledger yet, or only one with an older outcome.

        Snapshots, because a worker may record the response while a row is written.
        """
        found = [replace(intent) for intent in self.intents if intent.may_exist]
        return [i for i in found if self._settled.get(i.id) is not i.outcome]

    def settle(self, snapshots: Sequence[Intent]) -> None:
        """The ledgers have rows for these now."""
        self._settled.update((intent.id, intent.outcome) for intent in snapshots)

    def leave(self) -> None:
        """Leave the file to whoever opens the ledger next; what is under way is still written down."""
        self._left = True
        self.close_if_left()

    def close_if_left(self) -> None:
        """Close the file when nothing more will be written to it."""
        if self._left and self.is_final:
            self._close()

    def _close(self) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file: the ledger has a row for everything that may exist."""
        self._close()
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):  # another connection has removed it
                self.path.unlink()
            self.path = None


def boot_id() -> str | None:
    """What tells this boot of the machine from another; None when the system does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def left_behind(file: str) -> list[Path]:
    """The files of intents beside a database, the live ones included."""
    beside = Path(file)
    return sorted(beside.parent.glob(f"{glob.escape(beside.name)}{MARK}*")) if file else []


def read(path: Path, file: str) -> IntentLog:
    """The intents in a file whose writer is gone, as a log that knows its path and is not open for writing.

    A line that is torn, or is none of ours, is passed over: the last one may have been cut off. Raises OSError, and
    ValueError when the file has a format that this version does not know.
    """
    found = IntentLog(file)
    by_id: dict[str, Intent] = {}
    same_boot = False
    for line in _lines(path):
        if "format" in line:
            if line["format"] != FORMAT:
                raise ValueError(f"{path.name} has format {line['format']!r}; a newer version of openai_vtab wrote it")
            same_boot = line.get("boot") is not None and line["boot"] == boot_id()
        elif isinstance(line.get("intent"), str):
            intent = _intent(line, found)
            intent.outcome = Outcome.PLANNED if same_boot else Outcome.UNKNOWN
            intent.at = int(path.stat().st_mtime)
            by_id[intent.id] = intent
        else:
            _note(line, by_id)
    found.intents = list(by_id.values())
    found.path = path
    return found


def _lines(path: Path) -> Iterator[Object]:
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _intent(line: Object, intent_log: IntentLog) -> Intent:
    keys, sent, ledgers = line.get("keys"), line.get("sent"), line.get("ledgers")
    return Intent(
        line["intent"],
        [str(name) for name in ledgers] if isinstance(ledgers, list) else [],
        {str(name): str(value) for name, value in keys.items()} if isinstance(keys, dict) else {},
        sent if isinstance(sent, dict) else {},
        intent_log,
    )


def _note(line: Object, by_id: Mapping[str, Intent]) -> None:
    """Apply what a line says of an intent that an earlier line has named."""
    for name, outcome in (
        ("begun", Outcome.UNKNOWN),
        ("created", Outcome.CREATED),
        ("refused", Outcome.REFUSED),
        ("unknown", Outcome.UNKNOWN),
    ):
        intent = by_id.get(str(line.get(name)))
        if intent is None:
            continue
        intent.outcome = outcome
        if name == "begun" and isinstance(line.get("at"), int):
            intent.at = line["at"]
        if name == "created":
            answer = line.get("answer")
            intent.answer = answer if isinstance(answer, dict) else None
            intent.outcome = Outcome.CREATED if intent.answer is not None else Outcome.UNKNOWN


def _dumped(line: Object) -> str:
    try:
        return json.dumps(line, separators=(",", ":"))
    except RecursionError:  # an answer as deep as can be read is too deep to be written; its id is flat
        answer = {k: v for k, v in line.get("answer", {}).items() if not isinstance(v, (dict, list))}
        return json.dumps({**line, "answer": answer}, separators=(",", ":"))


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the new file is in it after a power cut. Windows has no such call."""
    if os.name == "nt":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
