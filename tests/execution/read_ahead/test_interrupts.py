"""Interrupts: interrupt() and Ctrl-C during a replay and during the requests of a join."""

from __future__ import annotations

import time
from typing import Any

import apsw
import apsw.ext
import pytest

from openai_vtab.sandbox import Slow

from ...support.waiting import when
from .joins import JOIN, ROWS, Requests, python


def test_interrupt_during_a_replay(db: apsw.Connection, requests: Requests) -> None:
    """It is the statement that stops."""
    seen: list[int] = []

    def f(n: int) -> int:
        if n == 9 and n not in seen:
            db.interrupt()
        seen.append(n)
        return n

    db.create_scalar_function("f", f, 1, deterministic=True)
    with pytest.raises(apsw.InterruptError):
        db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall()
    assert seen[:3] == [0, 1, 0]
    assert len(requests()) <= 4
    assert db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall() == ROWS


def test_interrupt_during_the_requests_of_a_join(db: apsw.Connection, sandbox: Any) -> None:
    """At once, and nothing more is begun."""
    sandbox.inject(Slow(30), times=None, path="vsfb_01")
    begin = time.monotonic()
    interrupted = when(lambda: any("vsfb_010" in request.path for request in sandbox.requests), db.interrupt)
    with interrupted, pytest.raises(apsw.InterruptError):
        db.execute(JOIN).fetchall()
    assert time.monotonic() - begin < 20
    sandbox.clear_faults()
    assert db.execute(f"{JOIN} WHERE d.n < 5").fetchall() == ROWS[:5]


def test_interrupt_by_ctrl_c_during_a_replay(db: apsw.Connection) -> None:
    """It comes through, and the connection works on as before."""
    seen: list[int] = []

    def f(n: int) -> int:
        seen.append(n)
        if n == 9 and seen.count(9) == 1:
            raise KeyboardInterrupt
        return n

    db.create_scalar_function("f", f, 1, deterministic=True)
    with pytest.raises(KeyboardInterrupt):
        db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall()
    assert seen == [0, 1, *range(10)]
    assert db.execute(f"{JOIN} WHERE f(d.n) >= 0").fetchall() == ROWS


def test_interrupt_by_ctrl_c_during_the_requests_of_a_join(connect: Any, sandbox: Any, fill: Any) -> None:
    """A program that catches it goes on."""
    fill(apsw.Connection(":memory:"))
    sandbox.inject(Slow(30), times=None, path="vsfb_005")
    code = (
        "import _thread, threading, time, openai_vtab\n"
        "db = openai_vtab.connect()\n"
        f"db.execute('CREATE TABLE d (n, s, b)'); db.executemany(\"INSERT INTO d VALUES (?, 'vs_demo', ?)\", {ROWS!r})\n"
        "threading.Timer(0.4, _thread.interrupt_main).start()\n"
        f"try: db.execute({JOIN!r}).fetchall()\n"
        "except KeyboardInterrupt: print('stopped')\n"
        f"print(len(db.execute({JOIN + ' WHERE d.n < 5'!r}).fetchall()))\n"
    )
    begin = time.monotonic()
    assert python(["-c", code], sandbox) == "stopped\n5\n"
    assert time.monotonic() - begin < 20
