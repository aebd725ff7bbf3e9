"""Sends the requests of a COMMIT, step by step: each with its intent, and each result goes into the rows.

>>> sender = StepSender(store, queue, is_dry_run=False)
>>> sender.add(Step.DELETE, requests.delete("file-1"), {"files": […]}, 1, "handbook: the file file-1", removed)
>>> sender.send()
"""

from __future__ import annotations

from collections.abc import Callable

from ..ledger.intents import Intent
from ..protocol import Object
from ..writes.queue import WriteQueue
from ..writes.write import Write
from .requests import Change
from .steps import Step
from .store import DocumentStore


class StepSender:
    """The requests of one documents table on their way to the queue of its connection."""

    def __init__(self, store: DocumentStore, queue: WriteQueue, *, is_dry_run: bool) -> None:
        self._store = store
        self._queue = queue
        self.is_dry_run = is_dry_run

    def add(
        self,
        step: Step,
        change: Change,
        sent: Object,
        rowid: int,
        label: str,
        on_done: Callable[[Object], None] | None,
    ) -> Intent | None:
        """Queue a request of a step. Returns its intent, None in a dry run.

        sent: what the intent says beside the step (outcomes.py).
        label: what the request is for, in an error message.
        on_done: called with the object in the response that confirms the request.
        """
        intent = None
        if not self.is_dry_run:
            intents = self._queue.intents.of(self._store.file, self._store.shadow.schema)
            intent = intents.new(self._store.shadow.names, {}, {"step": step, **sent})
        self._queue.add(
            Write(
                change.request,
                rowid,
                change.parse,
                affected=change.affected,
                intent=intent,
                ledger=self._store,
                on_done=on_done,
                label=label,
                reusable=True,
                may_be_empty=change.may_be_empty,
            )
        )
        return intent

    def send(self) -> None:
        """Send what a step has queued, and write the results into the rows. Raises what has failed."""
        self._queue.flush(more=True)
