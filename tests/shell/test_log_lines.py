"""The package's log in the shell: warnings always, and why a statement waits on a terminal."""

from __future__ import annotations

import logging

import pytest

from openai_vtab.shell.log_lines import QUIET_SECONDS, LogLines

from ..support.clock import FakeClock


@pytest.fixture
def log() -> logging.Logger:
    """A logger of its own."""
    return logging.Logger("test")


def test_waits_are_lines_that_are_not_repeated_at_once(log: logging.Logger) -> None:
    """Many requests wait for the same thing; one that waits for another has its own line."""
    lines: list[str] = []
    clock = FakeClock()
    log.addHandler(LogLines(lines.append, shows_info=lambda: True, clock=clock))
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
    log.addHandler(LogLines(lines.append, shows_info=lambda: False))
    log.info("retrying")
    log.warning("lost")
    log.warning("lost")
    assert lines == ["warning: lost\n", "warning: lost\n"]
