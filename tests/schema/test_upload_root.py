"""Which paths may be opened without a look at symbolic links, and what is opened for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_vtab.schema.upload_root import HAS_DIR_FD, locate, plain
from openai_vtab.schema.validators import open_path
from openai_vtab.schema.values import Limits

pytestmark = pytest.mark.skipif(not HAS_DIR_FD, reason="a folder cannot be opened from the one above")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, and links to the file and to its folder."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("a")
    (tmp_path / "latest.md").symlink_to("docs/a.md")
    (tmp_path / "linked").symlink_to("docs")
    return tmp_path


def test_path_of_names_alone_is_what_locate_finds(root: Path) -> None:
    """Nothing in it is a link."""
    assert plain("docs/a.md", root) == locate("docs/a.md", root)


@pytest.mark.parametrize(
    "path", ["/docs/a.md", "docs//a.md", "./docs/a.md", "docs/../docs/a.md", "docs/", "", "a\0", 1]
)
def test_path_of_more_than_names_is_not_plain(root: Path, path: str | int) -> None:
    """`locate` checks it."""
    assert plain(path, root) is None


@pytest.mark.parametrize("path", ["latest.md", "linked/a.md"])
def test_path_with_a_link_is_followed_by_locate(root: Path, path: str) -> None:
    """It cannot be opened as if it were plain; the file has the name of what the link leads to."""
    place = plain(path, root)
    assert place is not None
    with pytest.raises(OSError):
        place.open()
    file, opened = open_path(path, Limits(upload_root=root))
    with opened:
        assert (file.filename, file.content, opened.read()) == ("a.md", locate("docs/a.md", root), b"a")
