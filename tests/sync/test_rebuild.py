"""--rebuild: the ledger is lost, and made again from the vector store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai_vtab

from .conftest import Done

Sync = Callable[..., Done]
Stored = Callable[[], list[tuple[str, str]]]
Ledger = Callable[[str], list[tuple[Any, ...]]]


def lose(database: Path) -> None:
    """Delete the database and what is beside it."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()


def test_rebuild_uploads_nothing_again(
    sync: Sync, stored: Stored, database: Path, ledger: Ledger, sandbox: Any
) -> None:
    """Attributes are kept, and the next sync sends nothing but a look for the store's name."""
    sync()
    with openai_vtab.connect(database, base_url=sandbox.base_url, api_key=sandbox.api_key) as db:
        db.execute("UPDATE handbook SET attributes = json_object('author', 'Ann') WHERE key = 'docs/a.md'")
    db.close()
    lose(database)
    done = sync("--rebuild")
    assert (done.status, done.err) == (0, "")
    assert "3 files have the name and size of one in the folder, 0 only the name" in done.out
    assert "not recovered: the SHA-256" in done.out
    assert done.summary == "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed"
    assert [request for request in done.requests if not request.startswith("GET ")] == []
    assert done.requests.count("GET /files") == 1
    assert ledger("SELECT attributes FROM handbook_documents ORDER BY key")[0] == ('{"author":"Ann"}',)
    done = sync()
    assert (done.status, done.requests) == (0, ["GET /vector_stores"])
    assert done.summary == "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed"


def test_rebuild_is_asked_for_when_the_store_has_files(sync: Sync, database: Path, stored: Stored) -> None:
    """Otherwise every document would be there twice. By the store's name, and by its id."""
    sync()
    lose(database)
    done = sync()
    assert done.status == 1
    assert "a vector store with the name 'Handbook' exists (vs_" in done.err
    assert "write --rebuild" in done.err
    id = done.err.partition("exists (")[2].partition(")")[0]
    done = sync("--vector-store-id", id)
    assert done.status == 1
    assert f"the vector store {id} has 3 files" in done.err
    done = sync("--vector-store-id", id, "--rebuild")
    assert (done.status, done.summary) == (0, "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed")
    assert len(stored()) == 3


def test_rebuild_says_what_it_does_not_know(
    sync: Sync, database: Path, folder: Path, stored: Stored, sandbox: Any
) -> None:
    """A changed file is uploaded and its old one detached; a file that the folder lacks stays."""
    (folder / "twin").mkdir()
    (folder / "twin" / "b.md").write_text("second")
    sync()
    lose(database)
    (folder / "a.md").write_text("much longer")
    (folder / "guides" / "c.md").unlink()
    done = sync("--rebuild")
    assert "0 files have the name and size of one in the folder, 1 only the name" in done.out
    assert done.out.count("(b.md): several files have this name and size\n") == 2
    assert done.out.count("(c.md): the folder has no file of this name\n") == 1
    assert done.summary == "2 added, 1 changed, 0 unchanged, 0 deleted, 0 failed"
    with sandbox._state.lock:
        (store,) = sandbox._state.stores.values()
        names = sorted(sandbox._state.files[id].filename for id in store.files)
    assert names == ["a.md", "b.md", "b.md", "b.md", "b.md", "c.md"]


def test_rebuild_keeps_what_the_table_knows(sync: Sync, stored: Stored) -> None:
    """Without a loss, it changes nothing."""
    sync()
    done = sync("--rebuild")
    assert (done.status, done.summary) == (0, "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed")
    assert len(stored()) == 3


def test_rebuild_of_a_store_that_does_not_exist_raises(sync: Sync) -> None:
    """Nothing can be read from it."""
    done = sync("--rebuild")
    assert (done.status, done.err) == (
        1,
        "--store 'Handbook': no vector store has the name; give --vector-store-id\n",
    )
