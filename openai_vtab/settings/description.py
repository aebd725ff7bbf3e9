"""How a setting is described: from its description it is checked, documented, and read from a URL.

>>> setting(4, Number(0, is_whole=True), "Retries of a request where a retry is safe.")
"""

from __future__ import annotations

import math
import os
import sys
import textwrap
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ..errors import ConfigurationError, InterfaceError
from .secret import fits_header

T = TypeVar("T")
C = TypeVar("C", bound=type)
MAX_SHOWN = 200  # characters of a wrong value in an error message
BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}


class Kind:
    """The values that a setting takes; this one takes any.

    expected: what to write, for an error message.
    in_url: the same for the text in a URL.
    """

    expected = in_url = "a value"

    def accepts(self, value: object) -> bool:
        """Whether the setting may have the value."""
        return True

    def parse(self, text: str) -> object:
        """Convert the text in a URL. Raises ValueError for one that is not of this kind."""
        return text


@dataclass(frozen=True)
class Number(Kind):
    """A number from `minimum` to `maximum`."""

    minimum: float
    maximum: float = math.inf
    is_whole: bool = False

    @property
    def in_url(self) -> str:  # type: ignore[override]
        """What to write in a URL."""
        return "a whole number" if self.is_whole else "a number"

    @property
    def expected(self) -> str:  # type: ignore[override]
        """What to write in Python."""
        bound = f" and at most {self.maximum:,}" if self.maximum < sys.maxsize else ""
        return f"{self.in_url} of at least {self.minimum}{bound}"

    def accepts(self, value: object) -> bool:
        """Whether the value is a number within the bounds."""
        types = int if self.is_whole else (int, float)
        return isinstance(value, types) and not isinstance(value, bool) and self.minimum <= value <= self.maximum

    def parse(self, text: str) -> float:
        """Convert the digits."""
        return int(text) if self.is_whole else float(text)


class Flag(Kind):
    """True or False; the text "false" would count as true."""

    expected = "True or False"
    in_url = "true or false"

    def accepts(self, value: object) -> bool:
        """Whether the value is a bool."""
        return isinstance(value, bool)

    def parse(self, text: str) -> bool:
        """Convert one of the words of SQLAlchemy's own parameters."""
        if text.strip().lower() not in BOOLEANS:
            raise ValueError(text)
        return BOOLEANS[text.strip().lower()]


class Text(Kind):
    """A text, or None."""

    expected = "a str, or None"

    def accepts(self, value: object) -> bool:
        """Whether the value is text or None."""
        return value is None or isinstance(value, str)


class FilePath(Kind):
    """The path of a file or folder, or None."""

    expected = "a str or a pathlib.Path, or None"

    def accepts(self, value: object) -> bool:
        """Whether the value is a path or None."""
        return value is None or isinstance(os.fspath(value) if isinstance(value, os.PathLike) else value, str)


class Header(Kind):
    """The value of an HTTP header, or None."""

    def accepts(self, value: object) -> bool:
        """Whether HTTP can carry the value. An empty text is not sent."""
        return value is None or value == "" or fits_header(value)


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few texts."""

    values: tuple[str, ...]

    @property
    def expected(self) -> str:  # type: ignore[override]
        """What to write in Python."""
        return " or ".join(map(repr, self.values))

    def accepts(self, value: object) -> bool:
        """Whether the value is one of the texts."""
        return value in self.values


class ProgressFunction(Kind):
    """A function that takes a Progress, or None."""

    expected = "a function that takes a Progress"

    def accepts(self, value: object) -> bool:
        """Whether the value can be called."""
        return value is None or callable(value)


@dataclass(frozen=True)
class Setting:
    """The description of a setting.

    kind: the values that it takes.
    doc: one or more sentences, Markdown.
    environment: the environment variable that is read when the setting is None, else "".
    url_name: its name in the query of SQLAlchemy's URL and in the DB-API; "" when a URL cannot hold it.
    """

    name: str
    default: object
    kind: Kind
    doc: str
    environment: str = ""
    url_name: str = ""

    def check(self, value: object) -> None:
        """Raise InterfaceError, or ConfigurationError for a header, when the setting cannot have the value."""
        if self.kind.accepts(value):
            return
        if isinstance(self.kind, Header):
            name = f"{self.name} (or {self.environment})" if self.environment else self.name
            raise ConfigurationError(
                f"{name} is {value!r}, which no HTTP header can carry; write printable ASCII characters, without "
                "a space or a line break at the ends"
            )
        raise InterfaceError(f"{self.name} is {_shown(value)}; write {self.kind.expected}")


def setting(
    default: T, kind: Kind, doc: str, *, environment: str = "", url_name: str | None = None, repr: bool = True
) -> T:
    """A field of a dataclass with the description of a setting. Without a `url_name` it has its own name in URLs."""
    metadata = {"kind": kind, "doc": doc, "environment": environment, "url_name": url_name}
    return field(default=default, repr=repr, metadata=metadata)


def described(settings: Any) -> dict[str, Setting]:
    """The descriptions of a dataclass of settings, by their names."""
    found = {}
    for item in fields(settings):
        url_name = item.metadata["url_name"]
        metadata = {**item.metadata, "url_name": item.name if url_name is None else url_name}
        found[item.name] = Setting(item.name, item.default, **metadata)
    return found


def documented(settings: C) -> C:
    """Decorate a dataclass of settings: its docstring lists them."""
    lines = [
        textwrap.fill(f"{name}: {found.doc}", 116, initial_indent="    ", subsequent_indent="        ")
        for name, found in described(settings).items()
    ]
    settings.__doc__ = f"{settings.__doc__}\n\n" + "\n".join(lines) + "\n"
    return settings


def table(settings: Any) -> str:
    """The README's table of the settings, Markdown."""
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, found in described(settings).items():
        default = (
            f"`{found.environment}`"
            if found.environment
            else f"{found.default:g}"
            if isinstance(found.default, float)
            else str(found.default)
        )
        lines.append(f"| `{name}` | {default} | {found.doc} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    """A value for an error message, shortened. Of bytes only the type: an address may hold a password."""
    text = f"of type {type(value).__name__}" if isinstance(value, bytes | bytearray) else repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
