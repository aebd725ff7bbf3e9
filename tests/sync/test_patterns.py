"""The patterns of --glob: what they match, and which are refused."""

from __future__ import annotations

import pytest

from openai_vtab.errors import ProgrammingError
from openai_vtab.sync.patterns import ALL, matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**/*.md", ["a.md", "b/a.md", "b/c/a.md"], ["a.txt", "a.md/b", ".a.md", ".git/a.md", "b/.git/a.md", "a.MD"]),
        ("*.md", ["a.md"], ["b/a.md"]),
        ("./*.md", ["a.md"], ["b/a.md"]),
        ("guides/**", ["guides/a", "guides/b/c.md"], ["guides", "a", "guides/.hidden"]),
        ("a/**/b.md", ["a/b.md", "a/x/b.md", "a/x/y/b.md"], ["b.md", "x/a/b.md", "a/b.md/c"]),
        ("**/x/**/y", ["x/y", "a/x/y", "a/x/b/y"], ["y", "x"]),
        ("[ab]?.txt", ["a1.txt", "b2.txt"], ["c1.txt", "a.txt", "a/1.txt"]),
        ("[!a].txt", ["b.txt"], ["a.txt", ".txt"]),
        (".well-known/*", [".well-known/a"], [".well-known/.b", "a"]),
        ("**/.env", [".env", "a/.env"], ["env", ".git/.env"]),
        (ALL, ["a", "b/c"], [".a", ".git/config", "b/.c"]),
    ],
)
def test_glob_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    """As in a shell with globstar; a leading dot must be written."""
    matches = matcher([pattern])
    assert [path for path in [*matching, *others] if matches(path)] == matching


def test_glob_several_match_what_one_of_them_matches() -> None:
    """The option can be repeated."""
    matches = matcher(["*.md", "*.txt"])
    assert [matches(path) for path in ("a.md", "a.txt", "a.pdf")] == [True, True, False]


@pytest.mark.parametrize("pattern", ["", "/etc/*", "../*.md", "a//b", "a/./b", "a/"])
def test_glob_outside_of_the_folder_raises(pattern: str) -> None:
    """The message shows a pattern that works."""
    with pytest.raises(ProgrammingError, match=r"is not a pattern below the folder; write .* '\*\*/\*\.md'"):
        matcher([pattern])
