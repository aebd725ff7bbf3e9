"""Python values on their way into SQLite (adapters) and out of it (converters), as sqlite3 has them.

It must not know connections, statements or the API.

>>> register_adapter(Point, lambda point: f"{point.x};{point.y}")
>>> register_converter("point", lambda text: Point(*map(float, text.split(b";"))))

https://docs.python.org/3/library/sqlite3.html#sqlite3-adapters
"""

from __future__ import annotations

import datetime
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ProgrammingError

PARSE_DECLTYPES = 1
PARSE_COLNAMES = 2

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = memoryview


def DateFromTicks(ticks: float) -> datetime.date:
    """PEP 249: the date at so many seconds since the epoch, local time."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """PEP 249: the time of day at so many seconds since the epoch, local time."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """PEP 249: date and time at so many seconds since the epoch, local time."""
    return Timestamp(*time.localtime(ticks)[:6])


class TypeObject:
    """PEP 249's type objects: each equals the declared column types of its kind.

    https://www.sqlite.org/datatype3.html#determination_of_column_affinity
    """

    def __init__(self, *words: str) -> None:
        self.words = words

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return any(word in other.upper() for word in self.words)
        return self is other

    __hash__ = object.__hash__


STRING = TypeObject("CHAR", "CLOB", "TEXT")
BINARY = TypeObject("BLOB")
NUMBER = TypeObject("INT", "REAL", "FLOA", "DOUB", "NUM", "DEC")
DATETIME = TypeObject("DATE", "TIME")
ROWID = TypeObject("ROWID")


class PrepareProtocol:
    """What `__conform__` is asked for when a value is bound."""


Adapter = Callable[[Any], Any]
Converter = Callable[[bytes], Any]
adapters: dict[tuple[type, object], Adapter] = {}
converters: dict[str, Converter] = {}

_MISSING = object()
PACKAGE = str(Path(__file__).parent.parent)
_plain: set[type] = {
    type(None),
    int,
    float,
    str,
    bytes,
    bytearray,
}  # bound as they are, unless an adapter is registered


def register_adapter(type_: type, adapter: Adapter, /) -> None:
    """Bind values of a type as what the adapter makes of them."""
    if not isinstance(type_, type):
        raise TypeError(f"register_adapter() argument 1 must be type, not {type(type_).__name__}")
    adapters[type_, PrepareProtocol] = adapter
    _plain.discard(type_)


def register_converter(typename: str, converter: Converter, /) -> None:
    """Read columns declared as `typename` by what the converter makes of their text, with detect_types."""
    converters[typename.upper()] = converter


def adapt(obj: Any, proto: Any = PrepareProtocol, alt: Any = _MISSING, /) -> Any:
    """What a value is bound as: by its adapter, the protocol's `__adapt__`, or its own `__conform__` (PEP 246)."""
    adapter = adapters.get((type(obj), proto))
    if adapter is not None:
        return adapter(obj)
    for owner, name, argument in ((proto, "__adapt__", obj), (obj, "__conform__", proto)):
        method = getattr(owner, name, None)
        if method is not None:
            try:
                adapted = method(argument)
            except TypeError:  # PEP 246: it does not know the other
                continue
            if adapted is not None:
                return adapted
    if alt is _MISSING:
        raise ProgrammingError("can't adapt")
    return alt


def bound(value: Any, name: object) -> Any:
    """A value as APSW binds it. `name` is the parameter's name or number, for the message."""
    if type(value) in _plain:
        return value
    value = adapt(value, PrepareProtocol, value)
    if value is not None and not isinstance(value, int | float | str | bytes | bytearray):
        try:
            contiguous = memoryview(value).c_contiguous
        except TypeError:
            kind = type(value).__name__
            raise ProgrammingError(f"Error binding parameter {name}: type '{kind}' is not supported") from None
        if not contiguous:
            raise BufferError("underlying buffer is not C-contiguous")
    return value


class _Named(Mapping[str, Any]):
    """Named parameters: APSW asks for those that the statement has."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def __getitem__(self, name: str) -> Any:
        try:
            value = self.given[name]
        except LookupError:
            problem = f"You did not supply a value for binding parameter :{name}."
        else:
            return bound(value, repr(name))
        raise ProgrammingError(problem)

    def __iter__(self) -> Iterator[str]:  # pragma: no cover - a Mapping has it, and APSW asks by name alone
        return iter(self.given)

    def __len__(self) -> int:  # pragma: no cover - as above
        return len(self.given)


def parameters(given: Any) -> tuple[Any, ...] | _Named:
    """What `execute` was given as parameters, as APSW binds it: a sequence, or a mapping of names."""
    if isinstance(given, tuple | list):
        return tuple(bound(given[place], place + 1) for place in range(len(given)))
    if isinstance(given, dict | Mapping):
        return _Named(given)
    if hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        sequence: Sequence[Any] = given
        return tuple(bound(sequence[place], place + 1) for place in range(len(sequence)))
    raise ProgrammingError("parameters are of unsupported type")


def converted(value: Any, converter: Converter) -> Any:
    """A column's value by its converter, which is given text as SQLite would cast it; NULL stays None."""
    if value is None or value == b"":  # sqlite3 takes SQLite's null pointer for an empty blob as NULL
        return None
    if isinstance(value, bytes):
        return converter(value)
    return converter(value.encode() if isinstance(value, str) else repr(value).encode())


def column_converters(
    names: Sequence[str], declared: Sequence[str | None], detect_types: int
) -> list[Converter | None]:
    """The converter of each column, by the "[type]" in its name or by its declared type."""
    found: list[Converter | None] = []
    for name, declaration in zip(names, declared, strict=True):
        converter = None
        if detect_types & PARSE_COLNAMES and "[" in name:
            converter = converters.get(name.partition("[")[2].partition("]")[0].upper())
        if converter is None and detect_types & PARSE_DECLTYPES and declaration:
            converter = converters.get(declaration.partition("(")[0].partition(" ")[0].upper())
        found.append(converter)
    return found


def deprecated(text: str) -> None:
    """Warn as sqlite3 does, of the user's line, where Python is new enough to say so."""
    if sys.version_info >= (3, 12):
        warnings.warn(text, DeprecationWarning, skip_file_prefixes=(PACKAGE,))


def _deprecated(what: str) -> None:
    deprecated(f"The default {what} is deprecated as of Python 3.12; see the sqlite3 documentation for replacements")


def _adapt_date(value: datetime.date) -> str:
    _deprecated("date adapter")
    return value.isoformat()


def _adapt_datetime(value: datetime.datetime) -> str:
    _deprecated("datetime adapter")
    return value.isoformat(" ")


def _convert_date(value: bytes) -> datetime.date:
    _deprecated("date converter")
    return datetime.date(*map(int, value.split(b"-")))


def _convert_timestamp(value: bytes) -> datetime.datetime:
    _deprecated("timestamp converter")
    days, _, clock = value.partition(b" ")
    clock, _, fraction = clock.partition(b".")
    microseconds = int(f"{fraction.decode():0<6.6}") if fraction else 0
    year, month, day = map(int, days.split(b"-"))
    hour, minute, second = map(int, clock.split(b":"))
    return datetime.datetime(year, month, day, hour, minute, second, microseconds)


register_adapter(datetime.date, _adapt_date)
register_adapter(datetime.datetime, _adapt_datetime)
register_converter("date", _convert_date)
register_converter("timestamp", _convert_timestamp)
