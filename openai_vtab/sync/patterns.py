"""Glob patterns of the files to sync, as in a POSIX shell: relative to the folder, with `**` for folders at any depth.

>>> matches = matcher(["**/*.md"])
>>> matches("a.md"), matches("guides/b.md"), matches(".git/c.md")
(True, True, False)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from ..errors import ProgrammingError

ALL = "**/*"


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a path matches one of the patterns. Raises ProgrammingError.

    A name that begins with a dot matches only a pattern that writes the dot, so that folders such as .git are left out.
    """
    divided = [_parts(pattern) for pattern in patterns]
    return lambda path: any(_match(path.split("/"), parts) for parts in divided)


def _parts(pattern: str) -> list[str]:
    parts = pattern.removeprefix("./").split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise ProgrammingError(
            f"--glob: {pattern!r} is not a pattern below the folder; write one relative to it, such as '**/*.md'"
        )
    return [*parts, "*"] if parts[-1] == "**" else parts


def _match(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the names of a path match the parts of a pattern."""
    if not names or not parts:
        return not names and not parts
    if parts[0] == "**":
        return _match(names, parts[1:]) or (not _is_hidden(names[0]) and _match(names[1:], parts))
    is_shown = _is_hidden(parts[0]) or not _is_hidden(names[0])
    return is_shown and fnmatchcase(names[0], parts[0]) and _match(names[1:], parts[1:])


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
