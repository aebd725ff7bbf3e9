"""The kinds of values that settings take: what each accepts, and how it is read from a URL.

>>> Number(0, is_whole=True).parse("4")
4
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .secret import Secret, fits_header

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# headers that say how a request is written; openai_vtab writes it
OWN_HEADERS = frozenset({"accept", "connection", "content-length", "content-type", "host", "transfer-encoding"})
# Parameters that choose what a list has: with one of them in every request, a list would be short without a sign.
OF_LISTS = frozenset({"after", "before", "filter", "purpose"})

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

    def with_environment(self, given: object, text: str) -> object:
        """The value that is `given`, or that of the environment variable, `text`; "" if the variable is unset."""
        return text or None if given is None else given

    def problem(self, value: object) -> str:
        """What is wrong with a refused value, for a ConfigurationError; "" if an InterfaceError shows the value."""
        return ""

    def accepts(self, value: object) -> bool:
        """Whether the setting may have the value."""
        return True

    def parse(self, text: str) -> object:
        """Convert the text in a URL. Raises ValueError for one that is not of this kind."""
        return text


@dataclass(frozen=True)
class Number(Kind):
    """A number from `minimum` to `maximum`; if it `is_optional`, also None."""

    minimum: float
    maximum: float = math.inf
    is_whole: bool = False
    is_optional: bool = False

    @property
    def in_url(self) -> str:  # type: ignore[override]
        """The form of a value in a URL, for an error."""
        return "a whole number" if self.is_whole else "a number"

    @property
    def expected(self) -> str:  # type: ignore[override]
        """The form of a value in Python, for an error."""
        bound = f" and at most {self.maximum:,}" if self.maximum < sys.maxsize else ""
        return f"{self.in_url} of at least {self.minimum}{bound}{', or None' if self.is_optional else ''}"

    def accepts(self, value: object) -> bool:
        """Whether the value is a number within the bounds."""
        if value is None:
            return self.is_optional
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


class Folder(FilePath):
    """The path of a folder that exists, or None; an empty text is the same."""

    @property
    def expected(self) -> str:  # type: ignore[override]
        """What to write. A name is relative to a directory that the program may not know of."""
        folder = f"a folder that exists, absolute or below the current directory, {_current()}"
        return f"a str or a pathlib.Path, or None: {folder}"

    def accepts(self, value: object) -> bool:
        """Whether the value is the path of a folder, or names none."""
        if not super().accepts(value):
            return False
        return value is None or value == "" or Path(str(value)).is_dir()


def _current() -> str:
    """The current directory, for an error message."""
    try:
        return str(Path.cwd())
    except OSError:
        return "which does not exist any more"


class Header(Kind):
    """The value of an HTTP header, or None."""

    expected = "printable ASCII characters, without a space or a line break at the ends"

    def problem(self, value: object) -> str:
        """What is wrong with the value, which an error message may show."""
        return f"is {value!r}, which no HTTP header can carry"

    def accepts(self, value: object) -> bool:
        """Whether HTTP can carry the value. An empty text is not sent."""
        return value is None or value == "" or fits_header(value)


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few texts."""

    values: tuple[str, ...]

    @property
    def expected(self) -> str:  # type: ignore[override]
        """The form of a value in Python, for an error."""
        return " or ".join(map(repr, self.values))

    def accepts(self, value: object) -> bool:
        """Whether the value is one of the texts."""
        return value in self.values


class Parameters(Kind):
    """Texts by their names, or None. The values may be secret, and are in no error message."""

    expected = "a dict of str to str, or None"

    def accepts(self, value: object) -> bool:
        """Whether the value is a mapping of texts."""
        return value is None or (isinstance(value, Mapping) and not self.problem(value))

    def problem(self, value: object) -> str:
        """What is wrong with the type, with a name or with the value under a name, without the value."""
        if not isinstance(value, Mapping):
            return f"is of type {value.kind if isinstance(value, Secret) else type(value).__name__}"
        for name, part in value.items():
            if not isinstance(name, str) or not name:
                return f"has the name {name!r}"
            if not isinstance(part, Secret) or not part.is_text:
                return f"has a value that is no str for {name!r}"
            if problem := self.problem_of_item(name, part):
                return problem
        return ""

    def problem_of_item(self, name: str, part: Secret) -> str:
        """What is wrong with one name and its text."""
        return f"has {name!r}, which would make lists incomplete" if name.lower() in OF_LISTS else ""


class Headers(Parameters):
    """HTTP headers by their names, or None."""

    expected = "a dict of str to str, such as {'X-Team': 'docs'}, or None"

    def with_environment(self, given: object, text: str) -> object:
        """The headers with those of the variable: lines with a colon. What is given wins, whatever the case."""
        pairs = (line.partition(":") for line in text.split("\n"))
        found = {name.strip(): value.strip() for name, colon, value in pairs if colon}
        if not found or not isinstance(given, Mapping | None):
            return given
        names = {str(name).lower() for name in given or ()}
        return {**{n: Secret(v) for n, v in found.items() if n.lower() not in names}, **(given or {})}

    def problem_of_item(self, name: str, part: Secret) -> str:
        """What HTTP cannot carry, or a name that the user cannot give; "" if there is no problem."""
        if not HEADER_NAME.fullmatch(name):
            return f"has the name {name!r}, which no HTTP header can have"
        if name.lower() in OWN_HEADERS:
            return f"has {name!r}, which openai_vtab sets itself"
        return "" if fits_header(part()) else f"has a value for {name!r} that no HTTP header can carry"


class ProgressFunction(Kind):
    """A function that takes a Progress, or None."""

    expected = "a function that takes a Progress"

    def accepts(self, value: object) -> bool:
        """Whether the value can be called."""
        return value is None or callable(value)
