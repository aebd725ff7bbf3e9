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

from ..errors import APIConnectionError, APIError, Error, WriteError
from ..protocol import Request, certainly_refused
from .write import State, Write

REPEATING = "do not repeat the statement or the transaction as it is: writing them again would do it again"
REUSING = "repeat the statement or the transaction: what was carried out is used then, and nothing is done twice"
LIKELY_REASON = (
    "perhaps another connection was reading the database: write PRAGMA journal_mode = WAL, or set a busy timeout"
)
NOTHING_DONE = frozenset({State.QUEUED, State.NOT_DONE, State.SHOWN})
UNFINISHED = "the transaction cannot be committed: rows of it were not written when a SELECT had to see them"


def outcome_unknown(request: Request, error: BaseException) -> bool:
    """Whether a request that has begun, and failed with `error`, may have been carried out and must not be repeated."""
    if request.idempotent or isinstance(error, CancelledError):
        return False
    if isinstance(error, APIError):
        # a 2xx that confirms nothing, 3xx, 408, 5xx
        return not certainly_refused(error.status or 0, error.code or error.type)
    return getattr(error, "sent", True) is not False


def report(problem: str, writes: Sequence[Write]) -> WriteError:
    """A WriteError that lists each of the writes that does, or may do, something, by what has become of it."""
    done: list[tuple[Write, str]] = []
    not_done: list[tuple[Write, str]] = []
    unknown: list[tuple[Write, str]] = []
    partial: list[tuple[Write, str]] = []
    for write in writes:
        # each state is read once: the workers may continue while the report is written, of thousands perhaps
        state, error = write.state, write.error
        if state is State.QUEUED or isinstance(error, CancelledError):
            not_done.append((write, "not sent"))
        elif state is State.DONE:
            if write.changes_something:
                done.append((write, str((write.result or {}).get("id", "no id"))))
        elif state is State.PARTIAL:
            partial.append((write, str(error)))
        elif state is not State.SHOWN:
            reason = str(error or _interrupted(write.request))
            if state is State.UNKNOWN or (state is State.BEGUN and not write.request.idempotent):
                unknown.append((write, f"{reason}; {_look(write)}"))
            else:
                not_done.append((write, reason))
    lists = (done, not_done, unknown, partial)
    rows = [[(write.rowid, text) for write, text in found] for found in lists]
    names = [[write.label for write, _ in found] if any(write.label for write in writes) else [] for found in lists]
    return WriteError(problem, done=rows[0], not_done=rows[1], unknown=rows[2], partial=rows[3], names=names)


def _interrupted(request: Request) -> APIConnectionError:
    """The error of a request whose response did not come before its statement was interrupted."""
    named = f"{request.method} {request.target}"
    return APIConnectionError("interrupted before the response came", request=named, sent=True)


def failure(writes: Sequence[Write], stop: BaseException | None) -> BaseException:
    """The exception of a flush that has failed, or that `stop` has interrupted.

    The only write's own error, a WriteError for several, or `stop` itself with the WriteError as its cause: nothing
    may turn a KeyboardInterrupt or SystemExit into something that a program catches.
    """
    failed = [write for write in writes if write.state is not State.DONE and write.state is not State.SHOWN]
    errors = [write.error for write in failed if write.error is not None]
    if stop is None:  # sys.exit in a function that gives the key, which a worker calls
        stop = next((error for error in errors if not isinstance(error, Exception)), None)
    if stop is not None:
        problem = "interrupted while writing"
        told = report(f"{problem}; {REUSING}" if _are_reusable(writes) else problem, writes)
        if isinstance(stop, apsw.InterruptError):
            told.__cause__ = stop
            return told
        stop.__cause__ = told
        stop.add_note(str(told))
        return stop
    error = failed[0].error
    if len(failed) == 1 and isinstance(error, Exception) and not report("", writes).done:
        text = _labelled(failed[0], str(error))
        is_partial = failed[0].state is State.PARTIAL
        if is_partial:
            text = f"{text}; {_repeating(failed)}"
        elif failed[0].state is State.UNKNOWN:
            text = f"{text}; {_look(failed[0])}"
        elif not failed[0].label:
            return error
        if isinstance(error, APIError | APIConnectionError) and not is_partial:
            error.args = (text, *error.args[1:])
            return error
        told = report(text, writes)
        told.__cause__ = error
        return told
    first = next((error for error in errors if not isinstance(error, CancelledError)), None)
    what = "requests were not carried out" if _are_reusable(writes) else "rows were not written"
    problem = f"{len(failed)} of {len(writes)} {what}: {first}"
    if _are_reusable(writes):
        problem += f"; {REUSING}"
    elif any(write.state is State.PARTIAL for write in failed):
        problem += f"; {REPEATING}"
    told = report(problem, writes)
    told.__cause__ = first
    return told


def between_steps(error: BaseException, sent: Sequence[Write], writes: Sequence[Write]) -> BaseException:
    """The exception of a COMMIT that has failed after one of its steps: it lists what the steps have carried out."""
    if isinstance(error, Error):
        return not_begun(error, writes)
    return recording_failed(error, sent, writes)


def lost_commit(writes: Sequence[Write], asked_for: bool) -> WriteError:
    """The exception of a transaction that SQLite has rolled back although the API has carried out some of it.

    If the user has not asked for the rollback, it names the likely reason: SQLite does not tell a table its own error.
    """
    why = "" if asked_for else f"{LIKELY_REASON}; "
    return report(
        f"SQLite has rolled the transaction back after the API had carried out rows of it; {why}{_repeating(writes)}",
        writes,
    )


def recording_failed(error: BaseException, sent: Sequence[Write], writes: Sequence[Write]) -> BaseException:
    """The exception of a transaction whose results could not be written into the ledger, for whatever reason.

    A WriteError with SQLite's exception as its cause; for an interrupt, the exception of `failure`.
    """
    if isinstance(error, apsw.InterruptError) or not isinstance(error, apsw.Error | Error):
        return failure(sent, error)
    told = report(
        f"the API has carried out what cannot be written here: {error}; {_repeating(writes)}",
        writes,
    )
    told.__cause__ = error
    return told


def not_begun(error: Error, writes: Sequence[Write]) -> Error:
    """The exception of a flush that could not begin; it lists what the transaction has sent before."""
    told = report(f"{error}; {REUSING}" if _are_reusable(writes) else str(error), writes)
    if not (told.done or told.partial or told.unknown):
        return error
    told.__cause__ = error
    return told


def _are_reusable(writes: Sequence[Write]) -> bool:
    """Return whether everything that the API has carried out, or may have, is used when it is written again."""
    sent = [write for write in writes if write.changes_something and write.state not in NOTHING_DONE]
    return bool(sent) and all(write.reusable for write in sent)


def _repeating(writes: Sequence[Write]) -> str:
    return REUSING if _are_reusable(writes) else REPEATING


def _labelled(write: Write, problem: str) -> str:
    return f"{write.label}: {problem}" if write.label else problem


def _look(write: Write) -> str:
    """Advice for a create with an unknown outcome: which list shows whether the object exists."""
    if write.reusable:
        return "it may have been carried out all the same: write it again, and it is looked for first"
    path = write.request.verify_path
    where = f" (GET {path})" if path else ""
    return f"it may have been carried out all the same: before you write it again, look at what is there{where}"
