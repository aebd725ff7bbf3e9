"""Python values on their way into SQLite (adapters) and out of it (converters), as in sqlite3; and PEP 249's types.

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
    """PEP 249: the local date at `ticks`, in Unix seconds."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """PEP 249: the local time of day at `ticks`, in Unix seconds."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """PEP 249: the local date and time at `ticks`, in Unix seconds."""
    return Timestamp(*time.localtime(ticks)[:6])


class TypeObject:
    """A type object of PEP 249: equal to every declared column type of its kind.

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
    """The protocol that `__conform__` receives when a value is bound (PEP 246)."""


Parameters = Sequence[Any] | Mapping[str, Any]
Adapter = Callable[[Any], Any]
Converter = Callable[[bytes], Any]
adapters: dict[tuple[type, object], Adapter] = {}
converters: dict[str, Converter] = {}

_MISSING = object()
_FOLDER = str(Path(__file__).parent)
# Values of these types are bound unchanged; register_adapter() removes a type.
_native: set[type] = {type(None), int, float, str, bytes, bytearray}


def register_adapter(type_: type, adapter: Adapter, /) -> None:
    """Bind values of a type as the value that the adapter returns for them."""
    if not isinstance(type_, type):
        raise TypeError(f"register_adapter() argument 1 must be type, not {type(type_).__name__}")
    adapters[type_, PrepareProtocol] = adapter
    _native.discard(type_)


def register_converter(typename: str, converter: Converter, /) -> None:
    """Convert the values of columns declared as `typename`, on connections with detect_types."""
    converters[typename.upper()] = converter


def adapt(obj: Any, proto: Any = PrepareProtocol, alt: Any = _MISSING, /) -> Any:
    """Adapt a value by its registered adapter, `proto.__adapt__`, or its own `__conform__` (PEP 246).

    Returns `alt` when none of them applies, and raises ProgrammingError when there is no `alt` either.
    """
    adapter = adapters.get((type(obj), proto))
    if adapter is not None:
        return adapter(obj)
    for owner, name, argument in ((proto, "__adapt__", obj), (obj, "__conform__", proto)):
        method = getattr(owner, name, None)
        if method is not None:
            try:
                adapted = method(argument)
            except TypeError:  # PEP 246: the method does not know its argument's type.
                continue
            if adapted is not None:
                return adapted
    if alt is _MISSING:
        raise ProgrammingError("can't adapt")
    return alt


def to_binding(value: Any, name: object) -> Any:
    """Return a value that APSW can bind. `name` is the parameter's name or number, for the error message."""
    if type(value) in _native:
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


class _NamedBindings(Mapping[str, Any]):
    """Named parameters: APSW looks up the names that the statement has."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def __getitem__(self, name: str) -> Any:
        try:
            value = self.given[name]
        except LookupError:
            problem = f"You did not supply a value for binding parameter :{name}."
        else:
            return to_binding(value, repr(name))
        raise ProgrammingError(problem)

    def __iter__(self) -> Iterator[str]:  # pragma: no cover - required of a Mapping; APSW only looks names up
        return iter(self.given)

    def __len__(self) -> int:  # pragma: no cover - as above
        return len(self.given)


def to_bindings(given: Any) -> tuple[Any, ...] | _NamedBindings:
    """Return the parameters of execute(), a sequence or a mapping of names, as bindings for APSW."""
    if isinstance(given, tuple | list):
        return tuple(to_binding(given[place], place + 1) for place in range(len(given)))
    if isinstance(given, dict | Mapping):
        return _NamedBindings(given)
    if hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        sequence: Sequence[Any] = given
        return tuple(to_binding(sequence[place], place + 1) for place in range(len(sequence)))
    raise ProgrammingError("parameters are of unsupported type")


def convert(value: Any, converter: Converter) -> Any:
    """Convert a column's value. The converter receives text as SQLite would cast it; NULL stays None."""
    if value is None or value == b"":  # SQLite returns a null pointer for an empty blob; sqlite3 reads it as NULL.
        return None
    if isinstance(value, bytes):
        return converter(value)
    return converter(value.encode() if isinstance(value, str) else repr(value).encode())


def find_converters(names: Sequence[str], declared: Sequence[str | None], detect_types: int) -> list[Converter | None]:
    """Find each column's converter by the "[type]" in its name or by its declared type; None when it has none."""
    found: list[Converter | None] = []
    for name, declaration in zip(names, declared, strict=True):
        converter = None
        if detect_types & PARSE_COLNAMES and "[" in name:
            converter = converters.get(name.partition("[")[2].partition("]")[0].upper())
        if converter is None and detect_types & PARSE_DECLTYPES and declaration:
            converter = converters.get(declaration.partition("(")[0].partition(" ")[0].upper())
        found.append(converter)
    return found


def warn_deprecated(message: str) -> None:
    """Issue sqlite3's DeprecationWarning for the caller's line, from Python 3.12 on."""
    if sys.version_info >= (3, 12):
        warnings.warn(message, DeprecationWarning, skip_file_prefixes=(_FOLDER,))


def _warn_of_default(what: str) -> None:
    warn_deprecated(
        f"The default {what} is deprecated as of Python 3.12; see the sqlite3 documentation for replacements"
    )


def _adapt_date(value: datetime.date) -> str:
    _warn_of_default("date adapter")
    return value.isoformat()


def _adapt_datetime(value: datetime.datetime) -> str:
    _warn_of_default("datetime adapter")
    return value.isoformat(" ")


def _convert_date(value: bytes) -> datetime.date:
    _warn_of_default("date converter")
    return datetime.date(*map(int, value.split(b"-")))


def _convert_timestamp(value: bytes) -> datetime.datetime:
    _warn_of_default("timestamp converter")
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
