"""The worker threads by themselves: what a wait for one of them raises."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from openai_vtab.execution.workers import WorkerPool
from openai_vtab.settings import Settings
from openai_vtab.transport.client import Client


class InterruptedLock:
    """A lock that a Condition takes again after its wait when a KeyboardInterrupt comes."""

    def __init__(self) -> None:
        lock: Any = threading.RLock()
        self.acquire, self.release, self._is_owned = lock.acquire, lock.release, lock._is_owned
        self._release_save = lock._release_save

    def __enter__(self) -> bool:
        return bool(self.acquire())

    def __exit__(self, *_: object) -> None:
        self.release()

    def _acquire_restore(self, _: object) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["wait", "is_done_by"])
def test_interrupt_of_a_wait_that_has_lost_its_lock(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Python raises "cannot release un-acquired lock" instead: the program must see its KeyboardInterrupt."""
    pool = WorkerPool(Client(Settings(base_url="http://127.0.0.1:9/v1", api_key="no-key")), lambda: False)
    future: Future[int] = Future()
    lock: Any = InterruptedLock()
    with pytest.raises(KeyboardInterrupt):
        if how == "wait":
            monkeypatch.setattr(future, "_condition", threading.Condition(lock))
            pool.wait(future)
        else:
            made = threading.Condition
            monkeypatch.setattr("threading.Condition", lambda _=None: made(lock))  # within the Event of wait()
            pool.is_done_by(math.inf, future)
