"""The callbacks of a program that opens connections, such as the shell: it is told of events, and asked.

>>> register_tables(connection, settings, callbacks=Callbacks(on_created=print))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..protocol import Request


def _ignore(_: object) -> None:
    """Take no notice."""


def _allow(_: int) -> bool:
    return True


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Callbacks:
    """The functions that a connection calls.

    on_created: called in a worker thread with the key of each object that got its id from the API.
    on_cached: called at the end of a statement with how often it has used a response again.
    on_done: called after the requests of a COMMIT, with each one that the API has carried out.
    may_delete: called before a COMMIT deletes or detaches objects, with their number: those of rows that a statement
        has deleted. If it returns False, nothing is sent, and the transaction fails.
    is_abandoned: tells whether the program no longer waits for the running call, and will not see its exception.
    """

    on_created: Callable[[tuple[str, ...]], None] = _ignore
    on_cached: Callable[[int], None] = _ignore
    on_done: Callable[[Request], None] = _ignore
    may_delete: Callable[[int], bool] = _allow
    is_abandoned: Callable[[], bool] = _never


NO_CALLBACKS = Callbacks()
