"""The step of a COMMIT that attaches files, in batches.

Theory of operation
-------------------
A batch has one of two forms. With `file_ids`, its attributes and chunking_strategy are those of all its files; with
`files`, each file has its own. Documents that differ in neither are sent in the first form, others in the second.

Some servers know only the first form. They ignore `files`, and respond with a batch that is completed and has no
files; or they refuse it, and name the `file_ids` that they miss. Either response is certain: nothing was attached,
and nothing will be. So the files stay `uploaded`, the table remembers this in NAME_config (`ignores_files`), and the
same COMMIT attaches the files in the first form, with a batch for each set of documents that are alike. No later
COMMIT of the table sends `files` again.

    the response to `files`                       the files are then
    --------------------------------------------  --------------------------------------------------------------
    a batch that counts all of them               in progress
    a batch that is finished, and counts none     uploaded, and attached by `file_ids`
    400 or 422, and names `file_ids`              the same
    a batch that counts some of them, or none yet unsure: COMMIT fails, and the next one asks for each of them
    anything else                                 as for every request (outcomes.py)

If the COMMIT fails afterwards, the intent of the ignored batch keeps the fact for the next one. The only response that
is followed by other requests for the same files is one that has attached none of them, so that nothing is sent twice.

>>> AttachStep(store, vector_store, sender, clock, 2000, label).run()
12
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..clock import Clock
from ..protocol import Object
from . import requests, selections
from .rows import Document
from .selections import Pair
from .sending import StepSender
from .states import State
from .steps import Step
from .store import DocumentStore
from .vector_store import VectorStore

log = logging.getLogger("openai_vtab")


class AttachStep:
    """The files of one table that are uploaded, and their batches of up to `files_per_batch`.

    label: names documents for an error message.
    """

    def __init__(
        self,
        store: DocumentStore,
        vector_store: VectorStore,
        sender: StepSender,
        clock: Clock,
        files_per_batch: int,
        label: Callable[[Sequence[Document]], str],
    ) -> None:
        self._store = store
        self._vector_store = vector_store
        self._sender = sender
        self._clock = clock
        self._files_per_batch = files_per_batch
        self._label = label

    def run(self) -> int:
        """Attach the files. Returns the number of documents. Raises what has failed."""
        only_alike = self._ignores_files()
        count = self._attach(only_alike)
        if self._ignores_files() and not only_alike:
            log.warning(
                "%s: the server ignores `files`, so that one batch cannot have documents with different attributes; it "
                "is sent a batch for each set of documents with the same attributes and chunking_strategy from now on",
                self._store.name,
            )
            self._attach(True)
        return count

    def _ignores_files(self) -> bool:
        return self._store.setting("ignores_files") is not None

    def _attach(self, only_alike: bool) -> int:
        uploaded = selections.newest_in(self._store, State.UPLOADED)
        groups = requests.alike(uploaded) if only_alike else [uploaded]
        for group in groups:
            for first in range(0, len(group), self._files_per_batch):
                self._attach_batch(group[first : first + self._files_per_batch])
        if uploaded:
            self._sender.send()
        return len(uploaded)

    def _attach_batch(self, part: Sequence[Pair]) -> None:
        vector_store_id = self._vector_store.ensure()
        files = [
            {"file_id": file.file_id, "chunking": document.chunking, "intent": file.intent} for document, file in part
        ]

        def attached(answer: Object) -> None:
            if answer:
                self._store.attached(part, str(answer["id"]), int(self._clock.time()))
            else:
                self._store.set("ignores_files", 1)

        new = {str(file.file_id): file.created_at for _, file in part}
        change = requests.attach(vector_store_id, part, requests.visible_by(new, self._clock))
        label = self._label([document for document, _ in part])
        self._sender.add(Step.ATTACH, change, {"files": files}, part[0][0].id, label, attached)
