"""A folder of small documents to synchronize.

>>> write_files(Path("/tmp/folder"), 1000)
>>> (Path("/tmp/folder") / FOLDER / "0.md").stat().st_size
2000
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "docs"
BYTES = 2000
OLD = 1_600_000_000  # seconds: the files were changed long ago, as most files of a folder


def write_files(below: Path, count: int) -> None:
    """Write so many documents, each with its own content."""
    (below / FOLDER).mkdir()
    for number in range(count):
        write_file(below / FOLDER / f"{number}.md", f"document {number}")
        os.utime(below / FOLDER / f"{number}.md", (OLD, OLD))


def write_file(path: Path, text: str) -> None:
    """Write a document that begins with a text."""
    path.write_text(f"{text}\n".ljust(BYTES, "."))
