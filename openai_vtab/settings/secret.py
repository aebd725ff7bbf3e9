"""The API key, and other values that may be secret, in objects whose repr does not show them.

>>> Secret("sk-…")
'[key]'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

VALUES = ("default_headers", "default_query")  # settings with values that may be secret


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
    def is_text(self) -> bool:
        """Whether it is a text."""
        return isinstance(self._given, str)

    @property
    def kind(self) -> str:
        """The name of its type."""
        return type(self._given).__name__

    @property
    def problem(self) -> str:
        """The problem with the type of the key, without the key; "" if there is none."""
        if isinstance(self._given, str) or callable(self._given):
            return ""
        return f"api_key is of type {self.kind}; write a str, or a function that returns one"

    def __repr__(self) -> str:
        return "'[key]'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)


def revealed(values: Mapping[str, object] | None) -> dict[str, str]:
    """The texts of a setting whose values are kept as secrets."""
    return {name: str(value() if isinstance(value, Secret) else value) for name, value in (values or {}).items()}


def hide_secrets(keywords: Any) -> None:
    """Replace what is secret among the keywords of a function: the function's frame may be in a traceback.

    A header for a gateway may be a key as well, and so may a parameter in the query of a base URL: this becomes one of
    the default parameters.
    """
    key = keywords.get("api_key")
    if key is not None and key != "" and not isinstance(key, Secret):
        keywords["api_key"] = Secret(key)
    base_url, given = keywords.get("base_url"), keywords.get("default_query")
    if isinstance(base_url, str) and (pairs := _query_of(base_url)) and isinstance(given, Mapping | None):
        keywords["base_url"] = base_url.partition("?")[0]
        keywords["default_query"] = {**pairs, **(given or {})}
    for name in VALUES:
        given = keywords.get(name)
        if isinstance(given, Mapping):
            items = given.items()
            keywords[name] = {part: value if isinstance(value, Secret) else Secret(value) for part, value in items}
        elif given is not None and not isinstance(given, Secret):  # a mistake, such as the text of a header
            keywords[name] = Secret(given)


def _query_of(url: str) -> dict[str, str]:
    """The parameters in the query of an address; none if it cannot be a query of pairs."""
    try:
        return (
            {}
            if "#" in url or url.startswith("?")
            else dict(parse_qsl(url.partition("?")[2], keep_blank_values=True, strict_parsing=True))
        )
    except ValueError:
        return {}


def fits_header(text: object) -> bool:
    """Whether the text can be the value of an HTTP header: printable ASCII without spaces at its ends."""
    return isinstance(text, str) and text.isascii() and text.isprintable() and text == text.strip()
