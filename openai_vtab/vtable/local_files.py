"""The table-valued function fsdir and the function readfile, as the sqlite3 shell has them, below `upload_root` only.

Both are for direct use only: a view or a trigger that is stored in a database file cannot use them. Whoever deletes
what a listing lacks must not lose documents to an unreadable folder, so a listing is complete or raises an error.

>>> SELECT name, mtime FROM fsdir('docs') WHERE name LIKE '%.md'

https://www.sqlite.org/src/file/ext/misc/fileio.c
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from ..errors import OperationalError, ProgrammingError
from ..schema.upload_root import Place, below, locate, reason
from ..schema.values import InvalidValue, SQLiteValue

TABLE, FUNCTION = "fsdir", "readfile"
COLUMNS = {
    "name": "The path that was given; for an entry of a folder, the folder's path and the entry's name.",
    "mode": "The type and the permissions, as st_mode of POSIX.",
    "mtime": "When the content was last changed: Unix seconds, UTC.",
    "data": "The content: a file's bytes, the path in a symbolic link, null for a folder. It is read only if a query "
    "names this column.",
    "level": "1 for the path that was given, 2 for its entries, …. A bound such as level <= 2 skips deeper folders.",
}
INPUTS = {
    "path": "The first argument: a file, or a folder, which is listed with all folders in it.",
    "dir": "The second argument: the folder that path and name are relative to, instead of upload_root.",
}
NAMES = (*COLUMNS, *INPUTS)
DATA, LEVEL, PATH = map(NAMES.index, ("data", "level", "path"))
SCHEMA = f"CREATE TABLE {TABLE}({', '.join((*COLUMNS, *(f'{name} HIDDEN' for name in INPUTS)))})"
LEVELS = {
    apsw.SQLITE_INDEX_CONSTRAINT_EQ: "level<=",
    apsw.SQLITE_INDEX_CONSTRAINT_LE: "level<=",
    apsw.SQLITE_INDEX_CONSTRAINT_LT: "level<",
}


def create(connection: apsw.Connection, upload_root: Path | None) -> set[str]:
    """Register the function and the table, and return the table's name."""
    largest = connection.limit(apsw.SQLITE_LIMIT_LENGTH)
    connection.create_module(
        TABLE,
        cast(Any, FolderModule(weakref.ref(connection), upload_root, largest)),
        use_bestindex_object=True,
        eponymous=True,
        eponymous_only=True,
        read_only=True,
    )
    connection.create_scalar_function(
        FUNCTION, partial(_readfile, upload_root, largest), 1, flags=apsw.SQLITE_DIRECTONLY
    )
    return {TABLE}


class Listed(NamedTuple):
    """A row of fsdir: the values of COLUMNS, and in place of data where to read it."""

    name: str
    mode: int
    mtime: int
    place: Place
    level: int


class FolderModule:
    """The module of fsdir, which is its own table."""

    def __init__(self, weak: weakref.ref[apsw.Connection], upload_root: Path | None, largest: int) -> None:
        self._weak = weak
        self._root = upload_root
        self._largest = largest

    def Connect(self, connection: apsw.Connection, *_: Any) -> tuple[str, FolderModule]:
        """SQLite opens the table."""
        connection.vtab_config(apsw.SQLITE_VTAB_DIRECTONLY)
        return SCHEMA, self

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Take the arguments, and a bound of the levels. idxStr names them: "path,dir,level<="."""
        taken: list[str] = []
        unusable: set[str] = set()
        for number in range(info.nConstraint):
            column, operator = info.get_aConstraint_iColumn(number), info.get_aConstraint_op(number)
            is_input = column >= PATH and operator == apsw.SQLITE_INDEX_CONSTRAINT_EQ
            name = NAMES[column] if is_input else LEVELS.get(operator, "") if column == LEVEL else ""
            if not name or name in taken:
                continue  # SQLite checks it
            if not info.get_aConstraint_usable(number):
                unusable.add(name)
                continue
            taken.append(name)
            info.set_aConstraintUsage_argvIndex(number, len(taken))
            info.set_aConstraintUsage_omit(number, is_input)  # otherwise SQLite would return no row for dir = NULL
        if not INPUTS.keys().isdisjoint(unusable - set(taken)):
            return False
        info.idxNum, info.idxStr = int("path" in taken), ",".join(taken)
        info.estimatedCost, info.estimatedRows = (1e5 if info.idxNum else 1e99), 1000
        return True

    def Open(self) -> FolderCursor:
        """SQLite opens a cursor."""
        return FolderCursor(self._raise_if_interrupted, self._root, self._largest)

    def _raise_if_interrupted(self) -> None:
        """SQLite looks for an interrupt only between two rows, and before a row its whole folder is listed."""
        connection = self._weak()
        if connection is None or connection.is_interrupted:
            raise apsw.InterruptError("interrupted")

    def Disconnect(self) -> None:
        """SQLite closes the table."""


class FolderCursor:
    """One scan of fsdir. It keeps the content of one file at most."""

    def __init__(self, tick: Callable[[], None], upload_root: Path | None, largest: int) -> None:
        self._tick = tick
        self._root = upload_root
        self._largest = largest
        self._inputs: tuple[SQLiteValue, ...] = ()
        self._rows: Iterator[Listed] = iter(())
        self._row: Listed | None = None
        self._rowid = 0
        self._data: list[SQLiteValue] = []  # of the row, once it has been read

    def Filter(self, idxNum: int, idxStr: str, arguments: Sequence[SQLiteValue]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan. Raises OperationalError, or ProgrammingError without a path."""
        if not idxNum:
            raise ProgrammingError("fsdir lists nothing without a path; write fsdir('docs'), or fsdir('.') for all")
        given = dict(zip(idxStr.split(","), arguments, strict=True))
        self._inputs = path, folder = given.pop("path"), given.pop("dir", None)
        whole = _joined(path, folder)
        with _explained(TABLE, whole, self._root):
            place = locate(whole, self._root, follow=False)
            entry = place.look()
        top = Listed(str(path), entry.mode, entry.mtime, place, 1)
        self._rows, self._rowid = self._listed(top, given), 0
        self.Next()

    def Eof(self) -> bool:
        """Whether the scan is over."""
        return self._row is None

    def Next(self) -> None:
        """Go to the next row."""
        self._row = next(self._rows, None)
        self._rowid += 1
        self._data.clear()

    def Rowid(self) -> int:
        """The row's number."""
        return self._rowid

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column."""
        if number < 0:
            return self._rowid
        if number >= PATH:
            return self._inputs[number - PATH]
        row = cast(Listed, self._row)
        if number != DATA:
            return cast(SQLiteValue, row[number])
        if not self._data:
            with _explained(TABLE, row.name, self._root):
                self._data.append(_content(row, self._largest))
        return self._data[0]

    def Close(self) -> None:
        """The scan is over."""

    def _listed(self, top: Listed, bounds: dict[str, SQLiteValue]) -> Iterator[Listed]:
        """Yield a row, and those below it: each folder before what is in it."""
        waiting = [top]
        while waiting:
            row = waiting.pop()
            yield row
            if stat.S_ISDIR(row.mode) and _is_within(row.level + 1, bounds):
                with _explained(TABLE, row.name, self._root):
                    waiting += reversed(list(_children(row, self._tick)))


def _readfile(upload_root: Path | None, largest: int, path: SQLiteValue) -> bytes | None:
    """The content of a file; None if there is no such file. Raises OperationalError."""
    if path is None:
        return None
    with _explained(FUNCTION, path, upload_root):
        try:
            return _read(locate(path, upload_root), largest)
        except (FileNotFoundError, NotADirectoryError):
            return None


def _joined(path: SQLiteValue, folder: SQLiteValue) -> SQLiteValue:
    """The path below a folder, as SQLite joins both; if one of them is no path, that one."""
    if folder is None or not isinstance(path, str) or not path:
        return path
    return f"{folder}/{path}" if isinstance(folder, str) else folder


def _is_within(level: int, bounds: dict[str, SQLiteValue]) -> bool:
    """Whether the bounds of the levels allow the level. SQLite compares again, and knows what text and NULL mean."""
    return all(
        not isinstance(bound, (int, float)) or (level <= bound if name == "level<=" else level < bound)
        for name, bound in bounds.items()
    )


def _children(folder: Listed, tick: Callable[[], None]) -> Iterator[Listed]:
    """The rows of what is in a folder, ordered by name. Raises OSError."""
    for entry in folder.place.entries(tick):
        if not _is_utf8(entry.name):
            raise OSError(f"the name {os.fsencode(entry.name)!r} in it is not UTF-8; rename that file")
        name = f"{folder.name}/{entry.name}"
        yield Listed(name, entry.mode, entry.mtime, folder.place / entry.name, folder.level + 1)


def _content(row: Listed, largest: int) -> SQLiteValue:
    """The value of the column data. Raises OSError."""
    if stat.S_ISDIR(row.mode):
        return None
    if not stat.S_ISLNK(row.mode):
        return _read(row.place, largest)
    target = row.place.link_target()
    if not _is_utf8(target):
        raise OSError(f"the symbolic link leads to {os.fsencode(target)!r}, which is not UTF-8")
    return target


def _read(place: Place, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes. Raises OSError."""
    with place.open() as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise OSError(f"it has {size} bytes, and an SQL value can have {largest}; upload it by its path")
        return file.read()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _explained(function: str, path: SQLiteValue, upload_root: Path | None) -> Iterator[None]:
    """Raise OperationalError, with the path and the reason, for a file that must not or cannot be read."""
    try:
        yield
    except InvalidValue as error:
        raise OperationalError(f"{function}: {error}") from None
    except OSError as error:
        problem = f"{path!r} {below(upload_root)} cannot be read: {reason(error)}"
        raise OperationalError(f"{function}: {problem}") from None
