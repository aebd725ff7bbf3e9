"""The exceptions: the drawing is the tree, and every one can be caught by its public name."""

from __future__ import annotations

import inspect
import pickle
import re

import apsw
import pytest

import openai_vtab
from openai_vtab import errors


def drawn() -> dict[str, str]:
    """Class → base, read from the drawing in the module's docstring."""
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([ │├└─]*)([A-Z]\w+)(?:$|\s{2,})", line)
        if not match or not line.startswith("    "):
            continue
        depth = len(match[1])
        while stack and stack[-1][0] >= depth:
            stack.pop()
        if stack:
            parents[match[2]] = stack[-1][1]
        stack.append((depth, match[2]))
    return parents


def test_exceptions_drawing_is_the_tree() -> None:
    """Name for name."""
    classes = {
        name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and cls.__module__ == errors.__name__
    }
    assert drawn() == {name: cls.__base__.__name__ for name, cls in classes.items()}


def test_exceptions_are_all_public() -> None:
    """openai_vtab.NAME."""
    assert set(drawn()) <= set(openai_vtab.__all__)


def test_api_error_says_all_it_knows() -> None:
    """In the message, and as attributes."""
    error = errors.APIError(
        "answered 429: slow", request="GET https://x/v1/y", status=429, code="c", request_id="req_1"
    )
    assert str(error) == "GET https://x/v1/y: answered 429: slow (code c, request id req_1)"
    assert (error.status, error.code, error.request_id, error.type) == (429, "c", "req_1", None)


def test_write_error_lists_rows() -> None:
    """Each under what became of it."""
    error = errors.WriteError(
        "2 of 3 rows", done=[(1, "vsfb_1")], not_done=[(2, "not sent")], unknown=[(3, "time-out")], partial=[]
    )
    assert str(error).splitlines() == [
        "2 of 3 rows",
        "  done: row 1: vsfb_1",
        "  not done: row 2: not sent",
        "  unknown: row 3: time-out",
        "  in all: 1 done, 1 not done, 1 unknown",
    ]


def test_exceptions_can_be_pickled() -> None:
    """multiprocessing pickles them."""
    error = errors.APIError("answered 404: none", request="GET https://x", status=404, message="none")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(copy), copy.status, copy.message) == (str(error), 404, "none")
    error2 = errors.WriteError("p", done=[(1, "a")], not_done=[], unknown=[], partial=[])
    copy2 = pickle.loads(pickle.dumps(error2))  # noqa: S301
    assert (str(copy2), copy2.done) == (str(error2), [(1, "a")])
    error3 = errors.APITimeoutError("late", request="GET https://x", sent=True)
    copy3 = pickle.loads(pickle.dumps(error3))  # noqa: S301
    assert (str(copy3), copy3.sent) == (str(error3), True)


def test_sqlite_error_at_the_end_of_with_is_its_own() -> None:
    """A savepoint that cannot be released: no exception of ours is put in its place."""
    db = openai_vtab.connect(":memory:")
    db.execute("PRAGMA foreign_keys = ON; CREATE TABLE p (k PRIMARY KEY)")
    db.execute("CREATE TABLE c (k REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(apsw.ConstraintError, match="FOREIGN KEY constraint failed"), db:
        db.execute("INSERT INTO c VALUES (1)")
    assert not db.in_transaction
    db.close()


def test_control_characters_in_errors_are_escaped() -> None:
    """Its words may be a server's, and Python prints them to the terminal; what it holds stays as it came."""
    nasty = "a\x1b[2J\x9b31m\u202e\r b\r\nc\td"
    shown = "a\\x1b[2J\\x9b31m\\u202e\\r b\r\nc\td"
    error = errors.APIError(nasty, request="GET https://x/v1/y", message=nasty, code=nasty)
    assert str(error) == f"GET https://x/v1/y: {shown} (code {shown})"
    assert (error.message, error.code) == (nasty, nasty)
    assert f"{pickle.loads(pickle.dumps(error))}" == str(error)  # noqa: S301 - our own
    assert "\x1b" not in repr(error)
    written = errors.WriteError(nasty, done=[(1, nasty)], not_done=[], unknown=[(2, str(error))], partial=[])
    assert (
        str(written)
        == f"{shown}\n  done: row 1: {shown}\n  unknown: row 2: {error}\n  in all: 1 done, 0 not done, 1 unknown"
    )
    assert written.done == [(1, nasty)]
    assert str(errors.ConfigurationError("ключ \u05d0\u200f 日本語")) == "ключ \u05d0\u200f 日本語"


def test_write_error_text_of_one_row_has_its_reason_once() -> None:
    """A list of one row would repeat the first line."""
    reason = "no API key"
    error = openai_vtab.WriteError(reason, done=[], not_done=[(7, reason)], unknown=[], partial=[])
    assert (str(error), error.not_done) == (reason, [(7, reason)])


def test_write_error_text_groups_rows_and_stays_short() -> None:
    """300 rows for the same reason are a line; the lists are complete, and the totals come last."""
    error = openai_vtab.WriteError(
        "interrupted while writing",
        done=[(n, f"vsfb_{n}") for n in range(1, 31)],
        not_done=[(n, "not sent") for n in range(31, 331)],
        unknown=[],
        partial=[],
    )
    lines = str(error).splitlines()
    assert lines[0] == "interrupted while writing"
    assert lines[1:3] == ["  done: row 1: vsfb_1", "  done: row 2: vsfb_2"]
    assert lines[21] == "  done: … and 10 more"
    assert lines[22].startswith("  not done: rows 31, 32, ")
    assert lines[22].endswith(", 50 and 280 more: not sent")
    assert lines[23:] == ["  in all: 30 done, 300 not done, 0 unknown"]
    assert (len(error.done), len(error.not_done)) == (30, 300)
