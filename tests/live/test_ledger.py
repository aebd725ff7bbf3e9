"""The ledger of what a run creates."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ledger import Ledger, fingerprint

URL, KEY = "http://127.0.0.1:9/v1", "sk-0123456789abcdef"


def closed_by_kill(ledger: Ledger) -> Path:
    """The file of a run that was killed: nothing is deleted."""
    ledger._file.close()
    return ledger.path


def test_ledger_is_read_again_after_a_kill(tmp_path: Path) -> None:
    """It has what exists, stores first, and the creates of unknown outcome. The key is not in it."""
    ledger = Ledger.begin(tmp_path / "new", URL, KEY)
    for kind, id in (("files", "file-1"), ("vector_stores", "vs_1"), ("files", "file-2")):
        ledger.created(ledger.creating(kind), id)
    ledger.not_created(ledger.creating("files"))
    ledger.creating("vector_stores")
    ledger.gone("file-2")
    path = closed_by_kill(ledger)
    assert KEY not in path.read_text(encoding="utf-8")
    again = Ledger(path)
    assert (again.token, again.base_url, again.key) == (ledger.token, URL, fingerprint(KEY))
    assert again.ids == [("vector_stores", "vs_1"), ("files", "file-1")]
    assert again.unknown == ["vector_stores"]
    again.close()


def test_ledger_may_end_with_a_part_of_a_line(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves one; the request was not sent. Later lines are lines of their own."""
    ledger = Ledger.begin(tmp_path, URL, KEY)
    ledger.created(ledger.creating("files"), "file-1")
    path = closed_by_kill(ledger)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"creating": "fi')
    again = Ledger(path)
    assert (again.ids, again.unknown) == ([("files", "file-1")], [])
    again.created(again.creating("files"), "file-2")
    closed_by_kill(again)
    last = Ledger(path)
    assert (last.ids, last.unknown) == ([("files", "file-1"), ("files", "file-2")], [])
    last.close()


def test_ledger_of_a_run_that_left_nothing_is_deleted(tmp_path: Path) -> None:
    """It stays while something exists, or while an outcome is unknown."""
    ledger = Ledger.begin(tmp_path, URL, KEY)
    number = ledger.creating("files")
    ledger.close()
    assert ledger.path.exists()
    again = Ledger(ledger.path)
    again.created(number, "file-1")
    again.gone("file-1")
    again.close()
    assert not again.path.exists()


def test_ledger_is_locked_while_its_run_lasts(tmp_path: Path) -> None:
    """A clean-up must not take the run for a dead one."""
    ledger = Ledger.begin(tmp_path, URL, KEY)
    with pytest.raises(BlockingIOError):
        Ledger(ledger.path)
    ledger.close()
