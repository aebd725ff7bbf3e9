"""Errors in the shell's words: shorter than in an exception, and with the shell's options in place of keywords.

>>> in_the_shell(WriteError("2 of 3 rows were not written: …", done=[…], not_done=[…], unknown=[], partial=[]))
'2 of 3 rows were not written: …\\n  done: file-1\\n  not done: 2 rows'
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from ..errors import TITLES, ConfigurationError, Error, WriteError
from ..settings import NO_KEY
from .options import named_options

START_WITH_KEY = (
    "no API key: set OPENAI_API_KEY, and start the shell again.\n"
    "Without a key, openai-vtab --sandbox has demo data, and\n"
    "openai-vtab --dry-run shows what would be sent."
)
NOT_SENT = "not sent"  # the reason of a row whose request was not sent
MAX_IDS = 3  # of a list of a WriteError


def in_the_shell(error: Error) -> str:
    """The text of the error that the shell shows."""
    if isinstance(error, ConfigurationError) and NO_KEY in str(error):
        return START_WITH_KEY
    text = _short(error) if isinstance(error, WriteError) else str(error)
    options = named_options(text)
    return f"{text}\n({options})" if options else text


def shorten_record(record: logging.LogRecord) -> bool:
    """Filter the package's log: after Ctrl-C, it has the WriteError that says what a COMMIT has done."""
    if isinstance(record.args, tuple):
        record.args = tuple(in_the_shell(each) if isinstance(each, WriteError) else each for each in record.args)
    return True


def _short(error: WriteError) -> str:
    """The problem, and one line for each list of the error: ids, or the number of rows and their commonest reason."""
    problem, *lists = str(error).split("\n")
    if not lists:
        return problem
    lines = [problem]
    for title, rows in zip(TITLES, (error.done, error.not_done, error.unknown, error.partial), strict=True):
        if rows:
            said = _ids(rows) if rows is error.done else _reasons(rows, problem)
            lines.append(f"  {title}: {said}")
    lines.append("  .requests shows each request")
    return "\n".join(lines)


def _ids(rows: Sequence[tuple[int, str]]) -> str:
    """The first ids, and how many more there are."""
    more = f" and {len(rows) - MAX_IDS:,} more" if len(rows) > MAX_IDS else ""
    return ", ".join(id for _, id in rows[:MAX_IDS]) + more


def _reasons(rows: Sequence[tuple[int, str]], problem: str) -> str:
    """How many rows there are, how many of them were not sent, and the commonest reason unless `problem` has it."""
    reasons = Counter(reason for _, reason in rows)
    unsent = reasons.pop(NOT_SENT, 0)
    text = f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"
    if unsent:
        text += f", {unsent:,} of them not sent"
    for reason, _ in reasons.most_common(1):
        text += "" if reason in problem else f": {reason}"
    if len(reasons) > 1:
        text += f"; {len(reasons) - 1} other reason{'s' if len(reasons) > 2 else ''}"
    return text
