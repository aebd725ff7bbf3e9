"""The default database, the names of tables, and the beginning of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_vtab.sync.places import default_database, default_prefix, table_name

API = "https://api.openai.com/v1"


def test_database_is_in_the_users_data_directory() -> None:
    """XDG_DATA_HOME comes first; one that is not absolute is ignored, as its specification says."""
    home = {"HOME": "/home/me"}
    by_default = default_database("/srv/docs", "My Handbook!", API, home)
    assert by_default.parent == Path("/home/me/.local/share/openai-vtab")
    assert by_default.name.startswith("my_handbook-")
    for name, value, parent in (
        ("XDG_DATA_HOME", "/data", "/data/openai-vtab"),
        ("XDG_DATA_HOME", "data", "/home/me/.local/share/openai-vtab"),
    ):
        assert default_database("/srv/docs", "x", API, {**home, name: value}).parent == Path(parent)


def test_database_is_another_for_each_folder_store_and_address() -> None:
    """And the same for the same three."""
    places = [
        ("/a", "S", API),
        ("/b", "S", API),
        ("/a", "T", API),
        ("/a", "S", "http://127.0.0.1/v1"),
        ("/a", "S", API),
    ]
    assert len({default_database(*place, {"HOME": "/h"}) for place in places}) == 4


@pytest.mark.parametrize(
    ("store", "taken", "name"),
    [
        ("Handbook", [], "handbook"),
        ("Handbook", ["HANDBOOK", "handbook_2"], "handbook_3"),
        ("Team Handbook (2026)", [], "team_handbook_2026"),
        ("Content", [], "content_store"),
        ("***", [], "documents"),
        ("日本", [], "日本"),
        ("x" * 300, [], "x" * 40),
    ],
)
def test_table_name_comes_from_the_store(store: str, taken: list[str], name: str) -> None:
    """No column's name, and none that is taken."""
    assert table_name(store, taken) == name


@pytest.mark.parametrize(("folder", "prefix"), [("/srv/docs", "docs/"), ("/", "")])
def test_prefix_is_the_folders_name(folder: str, prefix: str) -> None:
    """So that the keys are the names of fsdir('docs')."""
    assert default_prefix(folder) == prefix
