"""Local files below `upload_root`: the one place that decides which files of this machine may be read.

>>> place = locate("docs/returns.md", Path("/home/me"))
>>> with place.open() as file: ...
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .values import InvalidValue, SQLiteValue, sql_literal

HAS_DIR_FD = os.open in os.supports_dir_fd and os.scandir in os.supports_fd  # not on Windows
_LOOK = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# without O_NONBLOCK, opening a FIFO would wait for a writer
_NOT_NAMES = frozenset({"", os.curdir, os.pardir})  # an absolute path begins with ""
_READ = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Entry(NamedTuple):
    """A file, folder or symbolic link. mode is st_mode; mtime is in Unix seconds, UTC."""

    name: str
    mode: int
    mtime: int


class Place(NamedTuple):
    """The absolute path of a file, folder or symbolic link at or below `root`. Both are text: a Path is slow.

    Its methods open each folder from the one above (except on Windows), so that they do not follow a symbolic link that
    has taken the place of a folder since the path was checked. They raise OSError.
    """

    root: str
    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)  # noqa: PTH119

    def open(self) -> BinaryIO:
        """Open the file, without a buffer. Raises OSError for anything but a regular file."""
        name, folder = self._descend()
        try:
            number = os.open(name, _READ, dir_fd=folder)
        finally:
            if folder is not None:
                os.close(folder)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise OSError(f"{self.name} is not a file")
        return os.fdopen(number, "rb", 0)

    def is_file(self) -> bool:
        """Whether it exists and is a regular file. Never raises."""
        return os.path.isfile(self.path)  # noqa: PTH113 - Path.is_file() raises OSError for some paths in Python 3.11

    def is_folder(self) -> bool:
        """Whether it is a folder. Never raises."""
        return os.path.isdir(self.path)  # noqa: PTH112 - Path.is_dir() raises OSError for some paths in Python 3.11

    def look(self) -> Entry:
        """The entry itself: a symbolic link is not followed."""
        with self._folder() as (name, folder):
            return _entry(self.name, os.lstat(name, dir_fd=folder))

    def entries(self, tick: Callable[[], None]) -> list[Entry]:
        """All entries of the folder, ordered by name. Symbolic links are not followed.

        tick: called before each entry is looked at. It may raise an exception to stop.
        """
        with self._folder() as (name, folder):
            if folder is None:
                return _entries(name, tick)
            opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=folder)
        try:
            return _entries(opened, tick)
        finally:
            os.close(opened)

    def link_target(self) -> str:
        """The text of the symbolic link."""
        with self._folder() as (name, folder):
            return os.readlink(name, dir_fd=folder)

    def __truediv__(self, name: str) -> Place:
        return Place(self.root, f"{self.path.rstrip(os.sep)}{os.sep}{name}")  # a tenth of what os.path.join takes

    @contextmanager
    def _folder(self) -> Iterator[tuple[str, int | None]]:
        """The name, and a descriptor of the folder that it is in; on Windows the whole path, and None."""
        name, folder = self._descend()
        try:
            yield name, folder
        finally:
            if folder is not None:
                os.close(folder)

    def _descend(self) -> tuple[str, int | None]:
        """The same, for a caller that closes the descriptor."""
        if not HAS_DIR_FD:
            return self.path, None
        *folders, name = self.path[len(self.root) :].lstrip(os.sep).split(os.sep)  # noqa: PTH206
        here = os.open(self.root, _LOOK)
        for folder in folders:
            try:
                inner = os.open(folder, _LOOK | _NO_LINK, dir_fd=here)
            finally:
                os.close(here)
            here = inner
        return name or ".", here


def plain(path: SQLiteValue, upload_root: Path | None) -> Place | None:
    """Return the place of a relative path of names alone; None for any other, which `locate` can check.

    If nothing in the path is a symbolic link, this is what `locate` returns; otherwise, Place.open raises OSError.
    """
    if not HAS_DIR_FD or upload_root is None or not isinstance(path, str) or "\0" in path:
        return None
    if not _NOT_NAMES.isdisjoint(path.split(os.sep)):  # noqa: PTH206
        return None
    root = str(upload_root)
    return Place(root, f"{root.rstrip(os.sep)}{os.sep}{path}")


def locate(path: SQLiteValue, upload_root: Path | None, *, follow: bool = True) -> Place:
    """Check that a path is at or below `upload_root`, which neither `..` nor a symbolic link can leave.

    Without `follow`, a symbolic link at the end of the path is a place of its own, wherever it leads. The file need not
    exist. Raises InvalidValue.
    """
    if upload_root is None:
        raise InvalidValue(
            "local files may not be read, because upload_root is not set",
            "upload_root='/a/folder' in connect() or register()",
        )
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidValue(f"{sql_literal(path)} is not a path", f"the path of a file {relative(upload_root)}")
    root = _resolved(str(upload_root))
    if not _is_folder(root):
        raise InvalidValue(f"upload_root ({upload_root}) is not a folder", "a folder that exists")
    whole = os.path.join(root, path)  # noqa: PTH118
    before, name = os.path.split(whole)
    is_folder = name in {"", ".", ".."}
    try:
        found = _resolved(whole) if follow or is_folder else os.path.join(_resolved(before), name)  # noqa: PTH118
    except OSError as error:  # a part of the path has been exchanged while the links were followed
        raise InvalidValue(
            f"{sql_literal(path)} cannot be followed ({reason(error)})", f"the path of a file {relative(upload_root)}"
        ) from None
    if not _is_within(found, root):
        raise InvalidValue(f"{sql_literal(path)} is outside upload_root ({upload_root})", "a path below it")
    if is_folder and not _is_folder(found):
        raise InvalidValue(f"{sql_literal(path)} is not a folder", f"the path of a folder {relative(upload_root)}")
    return Place(root, found)


def below(upload_root: Path | None) -> str:
    """The words for an error message that say where files may be."""
    return f"below upload_root ({upload_root})"


def relative(upload_root: Path | None) -> str:
    """The words for an error message that say where files may be, and what their names are relative to."""
    return f"{below(upload_root)}, absolute or relative to it"


def reason(error: OSError) -> str:
    """The reason why a file cannot be read, for an error message."""
    return error.strerror or str(error)


def _resolved(path: str) -> str:
    """The absolute path without symbolic links, as far as it exists. Path.resolve() raises for a circle of links."""
    return os.path.realpath(path)


def _is_within(path: str, root: str) -> bool:
    """Whether an absolute path without symbolic links is at or below `root`; Windows ignores case."""
    path, root = os.path.normcase(path), os.path.normcase(root)
    return path == root or path.startswith(os.path.join(root, ""))  # noqa: PTH118


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir() raises OSError for some paths in Python 3.11


def _entries(folder: str | int, tick: Callable[[], None]) -> list[Entry]:
    with os.scandir(folder) as found:
        return sorted((_scanned(item, tick) for item in found), key=_name)


def _scanned(item: os.DirEntry[str], tick: Callable[[], None]) -> Entry:
    tick()
    try:
        return _entry(item.name, item.stat(follow_symlinks=False))
    except OSError as error:  # it has disappeared meanwhile, or its folder may be listed but not entered
        raise OSError(f"{item.name}: {reason(error)}") from None


def _entry(name: str, status: os.stat_result) -> Entry:
    return Entry(name, status.st_mode, status.st_mtime_ns // 10**9)


def _name(entry: Entry) -> str:
    return entry.name
