"""Whether a failed request may have been carried out, and the exception that tells a transaction's user.

The default is "unknown": once the first byte may have left, only a response that denies it, or an exception that
knows better (`sent` is False), makes a create count as not done.

>>> outcome_unknown(create, RuntimeError("anything"))
True
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError

import apsw

from ..api import Request
from ..errors import APIConnectionError, APIError, WriteError
from ..http import NOT_CARRIED_OUT
from .write import State, Write

REPEATING = "writing them again would do it again"


def outcome_unknown(request: Request, error: BaseException) -> bool:
    """Whether a request that has begun, and failed with `error`, may have been carried out and must not be repeated."""
    if request.repeatable or isinstance(error, CancelledError):
        return False
    if isinstance(error, APIError):
        status = error.status or 0
        # a response that confirms nothing, a redirect from what is done, or one that stopped waiting for another server
        unknown = status < 400 or status == 408 or status >= 500
        return unknown and (error.code or error.type) not in NOT_CARRIED_OUT
    return getattr(error, "sent", True) is not False


def interrupted(write: Write) -> APIConnectionError:
    """The error of a write whose response did not come before its statement was interrupted."""
    request = f"{write.request.method} {write.request.target}"
    return APIConnectionError("interrupted before the response came", request=request, sent=True)


def done(writes: Sequence[Write]) -> list[tuple[int, str]]:
    """(rowid, id) of the writes that the API has carried out."""
    return [
        (write.rowid, str((write.result or {}).get("id")))
        for write in writes
        if write.state is State.DONE and write.changes_something
    ]


def unknown(writes: Sequence[Write]) -> list[tuple[int, str]]:
    """(rowid, reason) of the writes that the API may have carried out."""
    return [
        (write.rowid, f"{error}; {_look(write.request)}")
        for write, error in ((write, write.error or interrupted(write)) for write in writes)
        if write.state is State.UNKNOWN or (write.state is State.BEGUN and not write.request.repeatable)
    ]


def not_done(writes: Sequence[Write]) -> list[tuple[int, str]]:
    """(rowid, reason) of the writes that the API has not carried out, or that may be repeated."""
    return [
        (write.rowid, "not sent" if _not_sent(write) else str(write.error or interrupted(write)))
        for write in writes
        if write.state in (State.QUEUED, State.NOT_DONE) or (write.state is State.BEGUN and write.request.repeatable)
    ]


def _not_sent(write: Write) -> bool:
    return write.state is State.QUEUED or isinstance(write.error, CancelledError)


def report(problem: str, writes: Sequence[Write]) -> WriteError:
    """A WriteError that lists every one of the writes."""
    return WriteError(problem, done=done(writes), not_done=not_done(writes), unknown=unknown(writes))


def failure(writes: Sequence[Write], stop: BaseException | None) -> BaseException:
    """The exception of a flush that has failed, or that `stop` has interrupted.

    The only write's own error, a WriteError for several, or `stop` itself with the WriteError as its cause: nothing
    may turn a KeyboardInterrupt or SystemExit into something that a program catches.
    """
    failed = [write for write in writes if write.state is not State.DONE and write.state is not State.SHOWN]
    if stop is not None:
        told = report("interrupted while writing", writes)
        if isinstance(stop, apsw.InterruptError):
            told.__cause__ = stop
            return told
        stop.__cause__ = told
        stop.add_note(str(told))
        return stop
    if len(failed) == 1 and not done(writes) and isinstance(error := failed[0].error, Exception):
        if failed[0].state is State.UNKNOWN:
            text = f"{error}; {_look(failed[0].request)}"
            if not isinstance(error, APIError | APIConnectionError):
                told = report(text, writes)
                told.__cause__ = error
                return told
            error.args = (text, *error.args[1:])
        return error
    first = next((w.error for w in failed if w.error is not None and not isinstance(w.error, CancelledError)), None)
    return report(f"{len(failed)} of {len(writes)} rows were not written: {first}", writes)


def lost_commit(writes: Sequence[Write]) -> WriteError:
    """The exception of a transaction that SQLite has rolled back although the API has carried out some of it."""
    return report(
        "SQLite has rolled the transaction back after the API had carried out rows of it; do not repeat the statement "
        f"or the transaction as it is: {REPEATING}",
        writes,
    )


def refused_landing(error: BaseException, writes: Sequence[Write]) -> WriteError:
    """The exception of a transaction whose results SQLite does not let into the ledger, with SQLite's as its cause."""
    told = report(
        f"the API has carried out what cannot be written here: {error}; do not repeat the statement or the transaction "
        f"as it is: {REPEATING}",
        writes,
    )
    told.__cause__ = error
    return told


def _look(request: Request) -> str:
    """What to do about a create with an unknown outcome: the list of what is there tells."""
    where = f" (GET {request.look})" if request.look else ""
    return f"it may have been carried out all the same: before you write it again, look at what is there{where}"
