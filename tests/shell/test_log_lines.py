"""The package's log in the shell: warnings always, and why a statement waits on a terminal."""

from __future__ import annotations

import logging
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from openai_vtab.shell.log_lines import QUIET_SECONDS, LogLines
from openai_vtab.shell.sync_command import run
from openai_vtab.sync.summary import STOPPED

from ..support.clock import FakeClock
from .terminal import Console


@pytest.fixture
def log() -> logging.Logger:
    """A logger of its own."""
    return logging.Logger("test")


def test_waits_are_lines_that_are_not_repeated_at_once(log: logging.Logger) -> None:
    """Many requests wait for the same thing; one that waits for another has its own line."""
    lines: list[str] = []
    clock = FakeClock()
    with LogLines(lines.append, shows_info=lambda: True, clock=clock).attached(log):
        for key in range(30):
            log.info("retrying %d", key)
            log.info("waiting %d", key)
        assert lines == ["* retrying 0\n", "* waiting 0\n"]
        clock.advance(QUIET_SECONDS)
        log.info("retrying %d", 31)
    assert lines[2:] == ["* retrying 31\n"]


def test_waits_are_not_shown_where_there_is_no_bar(log: logging.Logger) -> None:
    """A warning is, each time."""
    lines: list[str] = []
    with LogLines(lines.append, shows_info=lambda: False).attached(log):
        log.info("retrying")
        log.warning("lost")
        log.warning("lost")
    assert lines == ["warning: lost\n", "warning: lost\n"]


def test_log_is_as_before_after_the_block(log: logging.Logger) -> None:
    """A program that has set a level of its own keeps it."""
    log.setLevel(logging.ERROR)
    with LogLines(print, shows_info=lambda: True).attached(log):
        assert log.level == logging.INFO
    assert (log.level, log.handlers) == (logging.ERROR, [])
    log.setLevel(logging.DEBUG)
    with LogLines(print, shows_info=lambda: True).attached(log):
        assert log.level == logging.DEBUG


def test_sync_says_why_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of its progress bar."""
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    written = Console()
    with redirect_stderr(written):
        status = run([str(tmp_path), ":memory:", "--store", "S", "--base-url", "http://127.0.0.1:9/v1"])
    assert status == STOPPED
    assert "/vector_stores?limit=100&order=asc: Connection refused; retrying up to 4 times" in written.getvalue()
