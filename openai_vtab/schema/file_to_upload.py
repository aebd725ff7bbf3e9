"""A file to upload: its name for the API, and its bytes or its path.

>>> len(File("a.md", b"some text"))
9
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class FileToUpload:
    """A file to upload.

    filename: its name for the API.
    content: its bytes, or its path.
    root: the folder that the path must be below, if any.
    size: the number of bytes that it must have, if known.
    """

    filename: str
    content: bytes | Path
    root: Path | None = None
    size: int | None = None

    def __len__(self) -> int:
        if self.size is not None:
            return self.size
        if isinstance(self.content, bytes):
            return len(self.content)
        with self.open() as file:
            return os.fstat(file.fileno()).st_size

    def open(self) -> BinaryIO:
        """Open the file on disk. Raises OSError when it is not a file, or not below `root` any more."""
        assert isinstance(self.content, Path)  # noqa: S101 - content in memory is not opened
        if self.root is None or os.open not in os.supports_dir_fd:
            return self.content.open("rb")
        return _open_below(self.root, self.content)


def _open_below(root: Path, path: Path) -> BinaryIO:
    """Open each folder from the one above, so that a symbolic link that appears meanwhile is not followed."""
    *folders, name = path.relative_to(root).parts
    looking = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)
    here = os.open(root, looking)
    try:
        for folder in folders:
            inner = os.open(folder, looking | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        # without O_NONBLOCK, opening a FIFO would wait for a writer
        number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise OSError(f"{name} is not a file")
    return file
