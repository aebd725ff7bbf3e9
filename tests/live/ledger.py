"""The ledger of what a run creates: a file with a line for each create, written before the request is sent.

A run that is killed leaves its ledger, which `--clean-up` reads. A ledger without open lines is deleted. Everything that
a run creates carries the run's token: vector stores in their metadata, files at the beginning of their names.

    {"run": "4f0c…", "base_url": "https://api.openai.com/v1", "key": "1b2f3a4c"}
    {"creating": "vector_stores", "number": 1}
    {"created": 1, "id": "vs_…"}
    {"gone": "vs_…"}

>>> ledger = Ledger.begin(Path("live-records"), "https://api.openai.com/v1", "sk-…")
>>> number = ledger.creating("files"); ledger.created(number, "file-…")
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

MARK = "openai_vtab_live"  # the member of a vector store's metadata
KINDS = ("vector_stores", "files")  # in the order in which they are deleted: a file is detached with its store


class Ledger:
    """One run's ledger. It is locked as long as it is open, so that no other process takes the run for a dead one.

    Raises BlockingIOError if another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise
        self._open: dict[int, str] = {}  # creates whose outcome is unknown: number → kind
        self._ids: dict[str, str] = {}  # what exists: id → kind
        self._kinds: list[str] = []
        self.token = self.base_url = self.key = ""
        for line in self._lines():
            self._apply(line)

    @classmethod
    def begin(cls, folder: Path, base_url: str, key: str) -> Ledger:
        """Create the ledger of a new run."""
        folder.mkdir(parents=True, exist_ok=True)
        token = secrets.token_hex(16)
        ledger = cls(folder / f"{token}.ledger")
        ledger._write({"run": token, "base_url": base_url, "key": fingerprint(key)})
        return ledger

    @property
    def file_prefix(self) -> str:
        """How the name of each file of this run begins."""
        return f"openai-vtab-live-{self.token}-"

    @property
    def ids(self) -> list[tuple[str, str]]:
        """What the run has created and not deleted: (kind, id), in the order in which it must be deleted."""
        with self._lock:
            return sorted(((kind, id) for id, kind in self._ids.items()), key=lambda item: KINDS.index(item[0]))

    @property
    def unknown(self) -> list[str]:
        """The kinds of the creates whose outcome is unknown."""
        with self._lock:
            return list(self._open.values())

    def creating(self, kind: str) -> int:
        """Write that an object will be created, and return the number of this line."""
        with self._lock:
            number = len(self._kinds) + 1
            self._write({"creating": kind, "number": number})
            return number

    def created(self, number: int, id: str) -> None:
        """Write the id of what was created."""
        with self._lock:
            self._write({"created": number, "id": id})

    def not_created(self, number: int) -> None:
        """Write that nothing was created."""
        with self._lock:
            self._write({"refused": number})

    def found(self, kind: str, id: str) -> None:
        """Write the id of an object that a create of unknown outcome has left."""
        with self._lock:
            number = next(number for number, open_kind in self._open.items() if open_kind == kind)
            self._write({"created": number, "id": id})

    def none_left_unknown(self) -> None:
        """Write that the creates of unknown outcome have left nothing."""
        with self._lock:
            for number in list(self._open):
                self._write({"refused": number})

    def gone(self, id: str) -> None:
        """Write that an object no longer exists."""
        with self._lock:
            self._write({"gone": id})

    def close(self) -> None:
        """Close the file, and delete it if nothing is left."""
        if not self._ids and not self._open:
            with suppress(FileNotFoundError):
                self.path.unlink()
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._apply(line)

    def _lines(self) -> Iterator[dict[str, Any]]:
        """The lines that are whole. The last line of a killed process may be a part of one, which is ended here."""
        self._file.seek(0)
        text = "\n"
        for text in self._file:
            with suppress(ValueError):
                yield json.loads(text)
        if not text.endswith("\n"):
            self._file.write("\n")  # what is appended next must not become a part of this line

    def _apply(self, line: dict[str, Any]) -> None:
        match line:
            case {"run": token, "base_url": base_url, "key": key}:
                self.token, self.base_url, self.key = token, base_url, key
            case {"creating": kind, "number": number}:
                self._kinds.append(kind)
                self._open[number] = kind
            case {"created": number, "id": id}:
                self._ids[id] = self._open.pop(number)
            case {"refused": number}:
                del self._open[number]
            case {"gone": id}:
                self._ids.pop(id, None)


def fingerprint(key: str) -> str:
    """A few digits that tell one key from another, and from which the key cannot be found."""
    return hashlib.sha256(f"{MARK} {key}".encode()).hexdigest()[:8]
