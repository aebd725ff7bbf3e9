"""Comparisons of a time with a text: one warning, in the log and in the shell, with what to write instead."""

from __future__ import annotations

import logging
from collections.abc import Callable

import apsw
import pytest

from openai_vtab.vtable import time_comparisons

from ..shell.command import run_process

WARNING = "%s compares Unix seconds with a text, and every number is less than any text; write %s"
HANDBOOK = "CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("files WHERE created_at > '2026-01-31'", [("files.created_at > '2026-01-31'", "created_at > unixepoch('2026-01-31')")]),
        (
            "vector_stores WHERE last_active_at BETWEEN '2026-01-31' AND '2026-02-28T12:00:00Z'",
            [
                ("vector_stores.last_active_at >= '2026-01-31'", "last_active_at >= unixepoch('2026-01-31')"),
                ("vector_stores.last_active_at <= '2026-02-28T12:00:00Z'", "last_active_at <= unixepoch('2026-02-28T12:00:00Z')"),
            ],
        ),
        ("files WHERE 'May' = created_at", [("files.created_at = 'May'", "created_at >= unixepoch('2026-01-31')")]),
        ("files WHERE created_at LIKE '2026%'", [("files.created_at LIKE '2026%'", "created_at >= unixepoch('2026-01-31')")]),
        ("handbook WHERE created_at < '2026-01-31'", [("handbook.created_at < '2026-01-31'", "created_at < unixepoch('2026-01-31')")]),
        ("files WHERE created_at > 1767225600", []),
        ("files WHERE created_at > '1767225600'", []),
        ("files WHERE created_at > unixepoch('2026-01-31')", []),
        ("files WHERE filename > '2026-01-31'", []),
    ],
)  # fmt: skip
def test_time_comparisons_are_warned_of(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture, sql: str, expected: list[tuple[str, str]]
) -> None:
    """With a text that is no number; once for each comparison of a connection."""
    db.execute(HANDBOOK)
    caplog.set_level(logging.WARNING, "openai_vtab")
    for end in ("", " AND true"):
        db.execute(f"SELECT count(*) FROM {sql}{end}").fetchall()
    assert caplog.messages == [WARNING % pair for pair in expected]


def test_time_comparisons_are_remembered_up_to_a_number(
    connect: Callable[..., apsw.Connection], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that writes values into its SQL does not fill the memory, or the log."""
    monkeypatch.setattr(time_comparisons, "MOST", 2)
    db = connect()
    for day in range(10, 15):
        db.execute(f"SELECT count(*) FROM files WHERE created_at > '2026-01-{day}'").fetchall()
    assert len(caplog.messages) == 2


@pytest.mark.slow
def test_time_comparisons_are_warned_of_in_the_shell() -> None:
    """On standard error."""
    done = run_process("--sandbox", ":memory:", "SELECT id FROM files WHERE created_at > '2026-01-31'")
    warning = WARNING % ("files.created_at > '2026-01-31'", "created_at > unixepoch('2026-01-31')")
    assert (done.stdout, done.stderr, done.returncode) == ("", f"{warning}\n", 0)
