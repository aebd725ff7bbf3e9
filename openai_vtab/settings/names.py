"""Errors for names that no setting has: they name the function, and the setting that was probably meant.

>>> refuse_unknown("connect()", {"max_concurency": 5}, KEYWORDS)
TypeError: connect() has no setting max_concurency; did you mean max_concurrency?
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .keywords import Keywords

KEYWORDS = tuple(Keywords.__annotations__)


def refuse_unknown(function: str, given: Iterable[str], known: Iterable[str] = KEYWORDS) -> None:
    """Raise TypeError if the function takes no keyword of one of these names."""
    taken = list(known)
    for name in given:
        if name not in taken:
            raise TypeError(f"{function} has no setting {name}; {instead(name, taken)}")


def instead(name: str, known: Iterable[str]) -> str:
    """What to write in place of a name that is none of the known ones."""
    names = list(known)
    if close := difflib.get_close_matches(name.lower(), names, 1):
        return f"did you mean {close[0]}?"
    return f"the settings are {', '.join(names)}"
