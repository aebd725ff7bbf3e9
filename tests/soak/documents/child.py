"""A process that writes one transaction; its parent may kill it at a request.

>>> Process(target=child, args=(Orders("/data/my.db", url, key, time=0, statements=[…], dies=False), pipe))
"""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from typing import Any

import openai_vtab.transport.pools
from openai_vtab import connection
from openai_vtab.settings import Settings

from ...support.clock import FakeClock
from .weather import TIMEOUT

Statement = tuple[str, list[Any]]


@dataclass
class Orders:
    """What the child is to do. `time` is what the parent's clock says; `dies` between its last response and the end of
    its COMMIT."""

    file: str
    base_url: str
    api_key: str
    time: float
    statements: list[Statement]
    dies: bool


def connected(file: str, base_url: str, api_key: str, clock: FakeClock, timeout: float) -> connection.Connection:
    """A connection as all have it: its pauses take no time."""
    db = connection.Connection(file)
    settings = Settings(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=1, max_concurrency=3)
    connection.register_tables(db, settings, clock=clock)
    return db


def child(orders: Orders, pipe: Any) -> None:
    """Write the transaction, and say whether it was committed."""
    logging.getLogger("openai_vtab").setLevel(logging.CRITICAL)
    clock = FakeClock()
    clock.advance(orders.time - clock.time())
    db = connected(orders.file, orders.base_url, orders.api_key, clock, TIMEOUT)
    pipe.send("ready")
    if orders.dies:
        db.set_commit_hook(lambda: os.kill(os.getpid(), signal.SIGKILL))
    try:
        for sql, bindings in orders.statements:
            db.execute(sql, bindings)
        pipe.send("committed")
    except openai_vtab.Error:
        pipe.send("failed")
    pipe.poll(60)  # until it is killed
