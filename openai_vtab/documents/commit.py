"""COMMIT: takes every file one step after the other towards what its document needs.

Theory of operation
-------------------
Each step selects the rows that are in a state, makes a request of each, and sends all of them concurrently; what a
response says is written into the rows before the next step begins. Nothing else is remembered between two steps, so
that a later COMMIT goes on where one has stopped, whatever has stopped it.

    step          rows                                          requests
    ------------  --------------------------------------------  --------------------------------------------------
    look          files of which the API knows more             GET …/files/F …, GET /files for unknown uploads
    store         (a document is about to be sent)              GET /vector_stores, POST /vector_stores
    upload        wanted, and no file of that content is spare  POST /files
    attach        uploaded                                      POST …/file_batches, with many files each
    attributes    attached with other attributes                POST …/files/F
    supersede     older than one that is completed              (none)
    remove        leaving                                       DELETE …/files/F, DELETE /files/F

Whatever fails rolls all of it back, and ends the COMMIT. The intents then tell what the API has carried out
(outcomes.py), and a spare file is taken up by its content: nothing is uploaded twice.

>>> DocumentCommit(store, contents, arguments, queue, workers, files_per_batch=2000, …).run()
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ..errors import Error, OperationalError, RowError
from ..execution.statement import StatementSession
from ..execution.workers import WorkerPool
from ..ledger.intents import Intent
from ..protocol import Object
from ..schema.file_to_upload import FileToUpload
from ..writes.queue import WriteQueue
from ..writes.write import Write
from . import requests, spares, unknown
from .arguments import Arguments
from .outcomes import DocumentOutcomes
from .reading import look
from .requests import Change
from .states import State
from .steps import Step
from .store import Document, DocumentStore, StoredFile
from .vector_store import VISIBLE_SECONDS, take_or_refuse

Keys = Sequence[tuple[str, int]]


class Contents(Protocol):
    """The bytes of the documents that the open transaction has written."""

    def of(self, file_row_id: int, /) -> FileToUpload | None:
        """Return what is to be uploaded for a file in the state `wanted`."""


class DocumentCommit:
    """One COMMIT of one documents table.

    waiting: returns what earlier transactions have carried out, and no row has yet.
    is_known: whether another table of the connection has a file of this id.
    """

    def __init__(
        self,
        store: DocumentStore,
        contents: Contents,
        arguments: Arguments,
        queue: WriteQueue,
        workers: WorkerPool,
        *,
        files_per_batch: int,
        waiting: Callable[[], Sequence[Intent]],
        is_known: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._contents = contents
        self._arguments = arguments
        self._queue = queue
        self._workers = workers
        self._files_per_batch = files_per_batch
        self._waiting = waiting
        self._is_known = is_known

    def run(self) -> None:
        """Send what the rows need. Raises what has failed, and lists what was carried out before."""
        with self._queue.one_commit():
            DocumentOutcomes(self._store).write_outcomes(self._waiting())
            self._store.write_learned()
            self._look()
            self._upload()
            self._attach()
            self._set_attributes()
            self._supersede()
            self._remove()
