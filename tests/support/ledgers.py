"""Connections with a ledger of batches, which are closed at the end.

>>> with connections_with_ledger("mine", api_key="sk-tests") as connect: connect("http://127.0.0.1:8080/v1")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw

import openai_vtab


@contextmanager
def connections_with_ledger(name: str, **defaults: Any) -> Iterator[Callable[..., apsw.Connection]]:
    """A function that connects to a base_url, with these settings and its own, and makes the ledger."""
    opened: list[apsw.Connection] = []

    def connect(base_url: str, **settings: Any) -> apsw.Connection:
        db = openai_vtab.connect(base_url=base_url, **{**defaults, **settings})
        opened.append(db)
        db.execute(f"CREATE VIRTUAL TABLE {name} USING vector_store_file_batches")
        return db

    yield connect
    for db in opened:
        db.close(True)
