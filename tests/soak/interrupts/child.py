"""The process of one trial: it commits 20 creates, and says what came of it. Its parent sends the signals.

>>> Process(target=child, args=(orders, pipe))
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from typing import Any

import openai_vtab
import openai_vtab.connection
import openai_vtab.transport.pools  # here, where it is imported once for all trials, and not in each of them
from openai_vtab.ledger.intent_file import left_behind
from openai_vtab.writes import delivery

ROWS = 20  # creates in a commit
CONCURRENCY = 6
PATIENCE = 20.0  # seconds that anything may take on a busy machine
KEY = "sk-interrupts-0123456789"
INSERT = (
    "INSERT INTO {table} (vector_store_id, file_ids, attributes) "
    "SELECT 'vs_1', json_array('file-1'), json_object('mark', value) FROM json_each(?)"
)


@dataclass
class Orders:
    """What a trial is to do."""

    number: int
    kind: str
    journal: str
    ledger: bool
    explicit: bool  # BEGIN and COMMIT, or one statement by itself
    often: bool  # whether the waiting thread runs Python code all the time, which more signals meet
    moment: float  # share of an undisturbed commit's time
    pause: float  # seconds between two signals
    recovery: float | None  # share of a recovery's time at which it is killed, too
    file: str = ""
    base_url: str = ""

    @property
    def marks(self) -> list[str]:
        return [f"{self.number}-{place}" for place in range(ROWS)]

    @property
    def table(self) -> str:
        return "mine" if self.ledger else "vector_store_file_batches"


def connected(orders: Orders, **settings: Any) -> openai_vtab.connection.Connection:  # type: ignore[attr-defined]
    """A connection as a trial has it."""
    settings = {"max_concurrency": CONCURRENCY, "attach_requests_per_minute": 0, **settings}
    return openai_vtab.connect(orders.file, base_url=orders.base_url, api_key=KEY, **settings)


def child(orders: Orders, pipe: Any) -> None:
    """The process of a trial: commit, and say what came of it. The parent sends the signals."""
    logging.getLogger("openai_vtab").setLevel(logging.CRITICAL)  # what is said is not what is tried here
    if orders.often:
        delivery.SLICE_SECONDS = 0.0005
        openai_vtab.progress.INTERVAL = 0.0
    raised: BaseException | None = None
    report: dict[str, Any] = {}
    calls = random.Random(orders.number).randrange(40)  # noqa: S311

    def progress(_: Any) -> None:
        nonlocal calls
        calls -= 1
        if calls == 0:
            raise SystemExit(5)

    def leave(*_: Any) -> None:
        raise SystemExit(6)

    faulthandler.enable()  # says where a trial hangs that the parent has to end
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)
    db = connected(orders, progress=progress if orders.kind == "exit by progress" else None)
    db.set_busy_timeout(2000)
    marks = orders.marks
    try:
        try:
            pipe.send("ready")
            if orders.explicit:
                db.execute("BEGIN")
                db.execute("INSERT INTO journal VALUES (1)")
            db.execute(INSERT.format(table=orders.table), (json.dumps(marks),))
            if orders.explicit:
                db.execute("COMMIT")
            report["committed"] = True
            pipe.poll(PATIENCE)  # the parent has sent its signals
        except BaseException as error:
            raised = error
            report["raised"] = time.time()
            pipe.poll(PATIENCE)
    except BaseException as error:  # the second signal
        raised = raised or error.__context__ or error
        report.setdefault("raised", time.time())
    _deaf()
    told = raised
    while told is not None and not isinstance(told, openai_vtab.WriteError):
        told = told.__cause__ or told.__context__
    report["error"] = type(raised).__name__ if raised is not None else None
    if told is not None:
        report["told"] = {"done": told.done, "unknown": told.unknown, "not_done": told.not_done}
    if db.in_transaction:  # interrupted before the COMMIT has begun: as a program would
        db.execute("ROLLBACK")
    end = time.monotonic() + PATIENCE
    while True:
        db.execute("SELECT 1").fetchall()
        if not left_behind(orders.file) or time.monotonic() > end:
            break
        time.sleep(0.005)
    report["left"] = [path.name for path in left_behind(orders.file)]
    db.close()
    while (names := _threads()) and time.monotonic() < end:
        time.sleep(0.005)
    report["threads"] = names
    pipe.send(report)
    os._exit(0)


def _threads() -> list[str]:
    """The names of the threads that run beside this one; a thread whose start was interrupted is listed for ever."""
    return [thread.name for thread in threading.enumerate() if thread.is_alive()][1:]


def _deaf() -> None:
    """No signal has an effect from now on; one that comes while this is arranged is passed over."""
    while True:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: None)
            time.sleep(0.001)
        except BaseException:  # noqa: S112 - once more
            continue
        return


def recovery(orders: Orders, pipe: Any) -> None:
    """The process that opens the ledger of a dead one."""
    logging.getLogger("openai_vtab").setLevel(logging.CRITICAL)
    db = connected(orders)
    pipe.send("ready")
    db.execute("SELECT count(*) FROM mine").fetchall()
    os._exit(0)
