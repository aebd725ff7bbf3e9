"""The kinds of values that settings take: what each accepts, and how it is read from a URL.

>>> Number(0, is_whole=True).parse("4")
4
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .secret import fits_header

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
