"""The file of a transaction's intents beside the database: lines of JSON that a rollback does not touch.

my.db-openai-intents-5f0c…
    {"format": 1, "boot": "1c6f…"}                                               once
    {"intent": "5f0c…-0", "ledgers": ["my_batches"], "keys": {…}, "sent": {…}}   for each row, then one fsync
    {"begun": "5f0c…-0", "at": 1760000000}                                       its request is about to leave
    {"created": "5f0c…-0", "answer": {…}}                                        the API has confirmed it
    {"refused": "5f0c…-0"}                                                       certainly not carried out
    {"unknown": "5f0c…-0"}                                                       the outcome is unknown
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FORMAT = 1
MARK = "-openai-intents-"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # on Linux; elsewhere no boot is known to be the same

Line = dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps() would make one for each line


class IntentFile:
    """A file beside the database `database`, created with its first lines. Every method may raise OSError."""

    def __init__(self, database: str, token: str, path: Path | None = None) -> None:
        self._database = Path(database)
        self._token = token
        self.path = path
        self._descriptor = -1
        self._torn = False  # the last line was cut off, by a full disk perhaps
        self._is_new = False

    @property
    def is_open(self) -> bool:
        """Whether lines can be appended."""
        return self._descriptor >= 0

    def create(self) -> None:
        """Create the file, with a line that tells its format and the boot of the machine."""
        path = Path(f"{self._database}{MARK}{self._token}")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.path = path
        self._is_new = True
        # Whoever may write the database must be able to recover the file, whatever this process's umask: SQLite gives
        # its journals the same permissions.
        path.chmod(self._database.stat().st_mode & 0o666)
        self.append([{"format": FORMAT, "boot": boot_id()}])

    def append(self, lines: Iterable[Line]) -> None:
        """Append lines, without waiting for the disk."""
        data = "".join(_dumped(line) + "\n" for line in lines).encode()
        if self._torn:  # otherwise the first line would be a part of the torn one, and lost with it
            data = b"\n" + data
        self._torn = True
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._torn = False

    def sync(self) -> None:
        """Wait until all lines are on the disk, and with the first ones the folder's entry of the file."""
        os.fsync(self._descriptor)
        if self._is_new:
            _sync_folder(self._database.parent)
            self._is_new = False

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):  # another connection has removed it
                self.path.unlink()
            self.path = None


def boot_id() -> str | None:
    """Return what tells this boot of the machine from another; None when the system does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def left_behind(database: str) -> list[Path]:
    """Return the files of intents beside a database, those of running transactions included."""
    beside = Path(database)
    return sorted(beside.parent.glob(f"{glob.escape(beside.name)}{MARK}*")) if database else []


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file. One that is torn, or is no JSON object, is passed over. Raises OSError."""
    for text in path.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _dumped(line: Line) -> str:
    try:
        return _encode(line)
    except RecursionError:  # a response as deep as can be read is too deep to be written; its id is flat
        answer = {k: v for k, v in line.get("answer", {}).items() if not isinstance(v, (dict, list))}
        return _encode({**line, "answer": answer})


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a new file is in it after a power cut. Windows has no such call."""
    if os.name == "nt":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
