"""The kinds of values that a request may have: declared as tables, checked as the API does.

A kind's read() returns the valid value, or raises an ErrorResponse with status 400 and the path of the member.

>>> Object({"days": Integer(1, 365)}).read({"days": 400}, "expires_after")
Traceback (most recent call last):
openai_vtab.sandbox.errors.ErrorResponse: Invalid 'expires_after.days': integer above maximum value. Expected …
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import choices, invalid, missing, out_of_bounds, too_long, unknown, unsupported, wrong_type
from .objects import JSON


class Kind(Protocol):
    """A kind of JSON value."""

    @property
    def name(self) -> str:
        """Its name in error messages, such as "a string"."""

    def accepts(self, value: object) -> bool:
        """Whether the value has the JSON type of this kind."""

    def read(self, value: Any, param: str) -> Any:
        """The valid value. `param` is its path in the request."""


@dataclass(frozen=True)
class Text:
    """A string: one of the `values` if there are any, up to `max_length` characters, an id with this `prefix`."""

    values: tuple[str, ...] = ()
    max_length: int | None = None
    prefix: str = ""
    name: str = "a string"

    def accepts(self, value: object) -> bool:
        """Whether it is a string."""
        return isinstance(value, str)

    def read(self, value: Any, param: str) -> str:
        """The string."""
        if not isinstance(value, str):
            raise wrong_type(param, self.name, value)
        if self.values and value not in self.values:
            raise unsupported(param, value, self.values)
        if self.max_length is not None and len(value) > self.max_length:
            raise too_long(param, self.max_length, len(value))
        if not value.startswith(self.prefix):
            raise invalid(param, f"'{value}'. Expected an ID that begins with '{self.prefix}'.")
        return value


@dataclass(frozen=True)
class Decimal:
    """A number within bounds, which are included."""

    minimum: float | None = None
    maximum: float | None = None
    name: str = "a decimal"
    noun: str = "decimal"

    def accepts(self, value: object) -> bool:
        """Whether it is a number. JSON's true is none."""
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def read(self, value: Any, param: str) -> float:
        """The number."""
        if not self.accepts(value):
            raise wrong_type(param, self.name, value)
        if self.minimum is not None and value < self.minimum:
            raise out_of_bounds(param, self.noun, "below minimum", f">= {self.minimum}", value)
        if self.maximum is not None and value > self.maximum:
            raise out_of_bounds(param, self.noun, "above maximum", f"<= {self.maximum}", value)
        number: float = value
        return number


@dataclass(frozen=True)
class Integer(Decimal):
    """A number without a fraction: 5.0 is one, as in JSON Schema."""

    name: str = "an integer"
    noun: str = "integer"

    def accepts(self, value: object) -> bool:
        """Whether it is a whole number."""
        return super().accepts(value) and value == int(value)  # type: ignore[call-overload]

    def read(self, value: Any, param: str) -> int:
        """The number as an int."""
        super().read(value, param)
        return int(value)


@dataclass(frozen=True)
class Boolean:
    """True or false."""

    name: str = "a boolean"

    def accepts(self, value: object) -> bool:
        """Whether it is true or false."""
        return isinstance(value, bool)

    def read(self, value: Any, param: str) -> bool:
        """The value."""
        if not isinstance(value, bool):
            raise wrong_type(param, self.name, value)
        return value


@dataclass(frozen=True)
class Array:
    """An array of values of one kind."""

    item: Kind
    min_length: int = 0
    max_length: int | None = None
    name: str = "an array"

    def accepts(self, value: object) -> bool:
        """Whether it is an array. Its items are checked by read()."""
        return isinstance(value, list)

    def read(self, value: Any, param: str) -> list[Any]:
        """The array, with valid items."""
        if not isinstance(value, list):
            raise wrong_type(param, self.name, value)
        if len(value) < self.min_length:
            problem = f"empty array. Expected an array with minimum length {self.min_length}"
            raise invalid(param, f"{problem}, but got an empty array instead.", "empty_array")
        if self.max_length is not None and len(value) > self.max_length:
            raise too_long(param, self.max_length, len(value), "array", "an array")
        return [self.item.read(item, f"{param}[{index}]") for index, item in enumerate(value)]


@dataclass(frozen=True)
class Object:
    """An object with known members. Those that are not `required` may be null, which says the same as their absence.

    An `open` object may have other members: they are ignored. `check` is for what concerns several members.
    """

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    open: bool = False
    check: Callable[[JSON, str], None] = lambda found, param: None
    name: str = "an object"

    def accepts(self, value: object) -> bool:
        """Whether it is an object."""
        return isinstance(value, dict)

    def read(self, value: Any, param: str = "") -> JSON:
        """The known members of the object. Those that are null are None."""
        if not isinstance(value, dict):
            raise wrong_type(param, self.name, value)
        path = f"{param}." if param else ""
        if not self.open:
            for name in value:
                if name not in self.members:
                    raise unknown(path + name)
        for name in self.required:
            if name not in value:
                raise missing(path + name)
        found: JSON = {}
        for name, kind in self.members.items():
            if name in value:
                absent = value[name] is None and name not in self.required
                found[name] = None if absent else kind.read(value[name], path + name)
        self.check(found, param)
        return found


@dataclass(frozen=True)
class Pairs:
    """An object whose names are the client's: up to 16, each of up to 64 characters."""

    item: Kind
    name: str = "an object"
    max_pairs: int = 16
    max_name_length: int = 64

    def accepts(self, value: object) -> bool:
        """Whether it is an object."""
        return isinstance(value, dict)

    def read(self, value: Any, param: str) -> JSON:
        """The object, with valid values."""
        if not isinstance(value, dict):
            raise wrong_type(param, self.name, value)
        if len(value) > self.max_pairs:
            expected = f"an object with at most {self.max_pairs} properties"
            problem = (
                f"too many properties. Expected {expected}, but got an object with {len(value)} properties instead."
            )
            raise invalid(param, problem, "object_above_max_properties")
        for name in value:
            if len(name) > self.max_name_length:
                expected = f"a string with maximum length {self.max_name_length}"
                problem = (
                    f"property name too long. Expected {expected}, but got a string with length {len(name)} instead."
                )
                raise invalid(param, problem, "property_name_above_max_length")
        return {name: self.item.read(item, f"{param}.{name}") for name, item in value.items()}


@dataclass(frozen=True)
class OneOf:
    """A value of the first kind that has its JSON type."""

    kinds: tuple[Kind, ...]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", "one of " + choices([kind.name for kind in self.kinds], "or"))

    def accepts(self, value: object) -> bool:
        """Whether it has the JSON type of any kind."""
        return any(kind.accepts(value) for kind in self.kinds)

    def read(self, value: Any, param: str) -> Any:
        """The value, as its kind reads it."""
        for kind in self.kinds:
            if kind.accepts(value):
                return kind.read(value, param)
        raise wrong_type(param, self.name, value)


@dataclass(frozen=True)
class ByType:
    """An object whose member `type` says which kind it is of."""

    kinds: Callable[[], Mapping[str, Kind]]  # a function, because a filter contains filters
    name: str = "an object"

    def accepts(self, value: object) -> bool:
        """Whether it is an object."""
        return isinstance(value, dict)

    def read(self, value: Any, param: str) -> JSON:
        """The object, as its kind reads it."""
        kinds = self.kinds()
        found = Object({"type": Text(tuple(kinds))}, ("type",), open=True).read(value, param)
        read: JSON = kinds[found["type"]].read(value, param)
        return read


@dataclass(frozen=True)
class Nullable:
    """A value that may be null although it is required."""

    kind: Kind

    @property
    def name(self) -> str:
        """The name of the kind."""
        return self.kind.name

    def accepts(self, value: object) -> bool:
        """Whether it is null, or has the JSON type of the kind."""
        return value is None or self.kind.accepts(value)

    def read(self, value: Any, param: str) -> Any:
        """The value, None for null."""
        return None if value is None else self.kind.read(value, param)
