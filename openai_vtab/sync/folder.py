"""The folder of a sync: its files by the keys of their documents, and which keys the sync covers.

>>> folder = Folder("/srv/docs", "docs/", ["**/*.md"])
>>> folder.listing(db).paths
{'docs/guides/a.md': 'guides/a.md'}
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from .patterns import matcher

LIST = "SELECT substr(name, 3), mode FROM fsdir('.') WHERE level > 1"  # names are './…'


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder. paths: the path below the folder of each key. links: paths of symbolic links."""

    paths: dict[str, str]
    links: list[str]


class Folder:
    """A folder, and the patterns of its files. `root` is absolute, and the connection's upload_root.

    database: the sync's own database, which is no document, and neither are the files that SQLite makes beside it.
    """

    def __init__(self, root: str, prefix: str, patterns: Sequence[str], database: Path | None = None) -> None:
        self.root = Path(root)
        self.prefix = prefix
        self._is_match = matcher(patterns)
        self._database: str | None = None  # below the folder
        if database is not None and database.resolve().is_relative_to(self.root.resolve()):
            self._database = database.resolve().relative_to(self.root.resolve()).as_posix()

    def listing(self, db: apsw.Connection) -> Listing:
        """List the files that match. Raises OperationalError if a folder cannot be read: a listing is never partial.

        Symbolic links are listed apart, because fsdir does not follow them.
        """
        paths: dict[str, str] = {}
        links: list[str] = []
        for path, mode in db.execute(LIST):
            kind = stat.S_IFMT(int(str(mode)))
            if kind not in (stat.S_IFREG, stat.S_IFLNK) or not self._matches(str(path)):
                continue
            if kind == stat.S_IFLNK:
                links.append(str(path))
            else:
                paths[self.prefix + str(path)] = str(path)
        return Listing(paths, links)

    def covers(self, key: str) -> bool:
        """Whether a key is that of a file below the folder that the patterns match, so that the sync may delete it."""
        return key.startswith(self.prefix) and self._matches(key[len(self.prefix) :])

    def _matches(self, path: str) -> bool:
        if self._database is not None and (path == self._database or path.startswith(f"{self._database}-")):
            return False
        return self._is_match(path)

    def is_empty(self, path: str) -> bool:
        """Whether a file has no content. Not if it cannot be looked at: its document then says why."""
        try:
            return self.size(path) == 0
        except OSError:
            return False

    def size(self, path: str) -> int:
        """The size of a file in bytes. Raises OSError."""
        return (self.root / path).lstat().st_size
