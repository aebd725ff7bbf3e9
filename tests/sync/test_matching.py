"""A lost ledger: which file of the vector store is which file of the folder."""

from __future__ import annotations

from openai_vtab.sync.matching import Local, Remote, match


def test_match_is_by_name_and_size() -> None:
    """A name alone is enough if no other file has it; the content has then changed."""
    same, changed = Local("d/a.md", "a.md", 1), Local("d/b.md", "b.md", 2)
    new = Local("d/c.md", "c.md", 3)
    found = match([same, changed, new], [one := Remote("1", "a.md", 1), two := Remote("2", "b.md", 9)])
    assert (found.same, found.changed, found.unclear, found.foreign) == ([(same, one)], [(changed, two)], [], [])


def test_match_leaves_alone_what_is_not_certain() -> None:
    """The same name and size twice, on either side; a file of another folder; one that the API does not list."""
    twice = [Local("d/x/a.md", "x/a.md", 1), Local("d/y/a.md", "y/a.md", 1)]
    remote = Remote("1", "a.md", 1)
    other, lost = Remote("2", "z.md", 1), Remote("3", None, None)
    found = match(twice, [remote, other, lost])
    assert (found.same, found.changed, found.unclear, found.foreign) == ([], [], [remote], [other, lost])
    copies = [Remote("1", "a.md", 1), Remote("2", "a.md", 1)]
    assert match(twice[:1], copies).unclear == copies


def test_match_tells_equal_names_apart_by_their_sizes() -> None:
    """Each README.md has its own size, as a rule."""
    x, y = Local("d/x/README.md", "x/README.md", 1), Local("d/y/README.md", "y/README.md", 2)
    one, two = Remote("1", "README.md", 2), Remote("2", "README.md", 1)
    assert match([x, y], [one, two]).same == [(x, two), (y, one)]
