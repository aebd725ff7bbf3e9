"""Whether the value in a response is the value that was sent: servers write the same value in several ways.

    sent                              in the response                   the same
    --------------------------------  --------------------------------  -----------------------------------------
    5                                 5.0                               yes
    5                                 "5"                               no: a filter would not find the number
    null, {}, [] or an empty text     another of these                  yes
    {"a": 1, "b": 2}                  {"b": 2, "a": 1}                  yes
    {"a": 1}                          {"a": 1, "b": 2}                  for a create: servers add their defaults;
                                                                        not for an UPDATE, which replaces the value
    a filename with folders           its last part                     yes
    the chunking strategy "auto"      any                               yes: the server chooses

>>> same({"year": 2026}, {"year": 2026.0}, replaced=True)
True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# what was sent, what the response shows, and whether the request was to replace the whole value
Comparison = Callable[[Any, Any, bool], bool]


def same(sent: Any, shown: Any, replaced: bool) -> bool:
    """Whether two JSON values are the same."""
    if _is_empty(sent):
        return _is_empty(shown) or (isinstance(shown, dict) and not replaced)
    if isinstance(sent, dict):
        if not isinstance(shown, dict):
            return False
        added = (value for name, value in shown.items() if name not in sent)
        return all(same(value, shown.get(name), replaced) for name, value in sent.items()) and (
            not replaced or all(map(_is_empty, added))
        )
    if isinstance(sent, list):
        return (
            isinstance(shown, list) and len(sent) == len(shown) and all(map(same, sent, shown, [replaced] * len(sent)))
        )
    if isinstance(sent, bool) or isinstance(shown, bool):  # True == 1 in Python
        return sent is shown
    return bool(sent == shown)


def same_filename(sent: Any, shown: Any, replaced: bool) -> bool:
    """Whether two names of a file are the same: servers cut the folders off."""
    return same(sent, shown, replaced) or (isinstance(sent, str) and re.split(r"[/\\]", sent)[-1] == shown)


def same_chunking(sent: Any, shown: Any, replaced: bool) -> bool:
    """Whether two chunking strategies are the same: "auto" leaves the choice to the server."""
    return same(sent, shown, replaced) or (isinstance(sent, dict) and sent.get("type") == "auto")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | dict | list) and not value)
