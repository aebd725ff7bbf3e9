"""The states of one file of a documents table.

Theory of operation
-------------------
A statement writes what the user wants into the shadow tables, and COMMIT takes each file one step further until the
API has what is wanted. The states say how far a file has got. All of them are in the shadow table, so that SQLite
undoes them with the user's transaction, and the next COMMIT continues where an earlier one, or a process that was
killed, has stopped.

    state        event                                      next state
    -----------  -----------------------------------------  -----------
    wanted       its upload, or a file like it, is there    uploaded
    wanted       a file like it is attached already         in_progress, completed
    wanted       the upload of one like it is unknown       unknown
    unknown      exactly one file can be the upload's       uploaded
    uploaded     a batch attaches it                        in_progress
    uploaded     it had failed, and does not exist now      missing
    in_progress  the API says so                            completed, failed, cancelled, missing
    completed    the API says so                            in_progress, failed, cancelled, missing
    failed       the API says so                            in_progress, completed, cancelled, missing
    cancelled    the API says so                            in_progress, completed, failed, missing
    missing      the API says so                            in_progress, completed, failed, cancelled
    failed       its document is written again              uploaded
    cancelled    its document is written again              uploaded
    missing      its document is written again              unsure
    missing      the file does not exist any more           wanted
    unsure       a look at the vector store and the file    in_progress, completed, failed, cancelled, uploaded, missing
    any          a failed COMMIT may have sent its request  unsure
    any          its document does not need it any more     leaving
    leaving      it is detached and deleted                 (no row)

The API can say anything of a file that another program has detached or attached again. `wanted` lasts only as long as
the transaction that wrote it. A document shows its newest file; an older one stays until the newest is completed.

>>> State("completed").is_attached
True
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How far a file has got."""

    WANTED = "wanted"
    UNKNOWN = "unknown"
    UPLOADED = "uploaded"
    UNSURE = "unsure"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSING = "missing"
    LEAVING = "leaving"

    @property
    def is_attached(self) -> bool:
        """Whether the vector store has it, as far as is known."""
        return self in _ATTACHED

    @property
    def is_unfinished(self) -> bool:
        """Whether the API must be asked for its status."""
        return self in _UNFINISHED


_ATTACHED = frozenset({State.IN_PROGRESS, State.COMPLETED, State.FAILED, State.CANCELLED})
_UNFINISHED = frozenset({State.IN_PROGRESS, State.UNSURE})
_TOLD = _ATTACHED | {State.MISSING}
_ALWAYS = frozenset({State.UNSURE, State.LEAVING})

NEXT_STATES: dict[State, frozenset[State]] = {
    State.WANTED: frozenset({State.UPLOADED, State.IN_PROGRESS, State.COMPLETED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.UPLOADED, State.LEAVING}),
    State.UPLOADED: frozenset({State.IN_PROGRESS, State.MISSING, State.UNSURE, State.LEAVING}),
    State.IN_PROGRESS: (_TOLD | _ALWAYS) - {State.IN_PROGRESS},
    State.COMPLETED: (_TOLD | _ALWAYS) - {State.COMPLETED},
    State.FAILED: (_TOLD | _ALWAYS | {State.UPLOADED}) - {State.FAILED},
    State.CANCELLED: (_TOLD | _ALWAYS | {State.UPLOADED}) - {State.CANCELLED},
    State.MISSING: (_TOLD | _ALWAYS | {State.WANTED}) - {State.MISSING},
    State.UNSURE: _TOLD | {State.UPLOADED, State.LEAVING},
    State.LEAVING: frozenset(),
}


def state_of(answer: dict[str, object]) -> State:
    """Return the state that a vector_store.file object tells; one with a status of its own counts as in progress."""
    status = answer.get("status")
    return State(str(status)) if status in _ATTACHED else State.IN_PROGRESS
