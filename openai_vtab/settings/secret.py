"""The API key, in an object that no repr shows.

>>> Secret("sk-…")
'[key]'
"""

from __future__ import annotations

from typing import Any


class Secret:
    """An api_key, text or a function: calling it returns the key, and no repr shows it.

    Tools that print the local variables of a traceback print their reprs, and those of the values in containers and
    dataclasses. The repr of a bound method, a functools.partial or a callable object may show the key, too.
    """

    __slots__ = ("_given",)

    def __init__(self, given: object) -> None:
        self._given = given

    def __call__(self) -> object:
        """Return the key, which need not be text when a function returned it."""
        return self._given() if callable(self._given) else self._given

    @property
    def is_function(self) -> bool:
        """Whether a function returns the key, which may change from call to call."""
        return callable(self._given)

    @property
    def problem(self) -> str:
        """The problem with the type of the key, without the key; "" if there is none."""
        if isinstance(self._given, str) or callable(self._given):
            return ""
        kind = type(self._given).__name__
        return f"api_key is of type {kind}; write a str, or a function that returns one"

    def __repr__(self) -> str:
        return "'[key]'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)


def hide_key(keywords: Any) -> None:
    """Replace the key among the keywords of a function by a Secret: the function's frame may be in a traceback."""
    key = keywords.get("api_key")
    if key is not None and key != "" and not isinstance(key, Secret):
        keywords["api_key"] = Secret(key)


def fits_header(text: object) -> bool:
    """Whether the text can be the value of an HTTP header: printable ASCII without spaces at its ends."""
    return isinstance(text, str) and text.isascii() and text.isprintable() and text == text.strip()
