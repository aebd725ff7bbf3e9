"""The step of a COMMIT that attaches files, in batches.

Theory of operation
-------------------
A batch has one of two forms. With `file_ids`, its attributes and chunking_strategy are those of all its files; with
`files`, each file has its own. If all documents have the same attributes and chunking_strategy, COMMIT sends
`file_ids`; otherwise `files`.

Some servers know only `file_ids`. They ignore `files`, and create an empty batch, which is completed at once or a
moment later; or they refuse the request, and name the `file_ids` that it lacks. Both are certain: nothing was attached,
and nothing will be. So the files stay `uploaded`, the table remembers this in NAME_config (`ignores_files`), and the
same COMMIT sends `file_ids`, in a batch for each set of documents with the same attributes and chunking_strategy. No
later COMMIT of the table sends `files` again.

    the response to `files`           the files are then
    --------------------------------  -----------------------------------------------------------------------------
    a batch that counts all of them,  in progress
    or has no file_counts
    a completed batch that counts     uploaded, and attached by `file_ids`
    none
    400 or 422, and names `file_ids`  the same
    any other batch that counts none  COMMIT asks for it for up to 10 s, until it is finished or counts all of them.
                                      As above if it counts all, or is completed with none; otherwise unsure.
    a batch that counts a part        unsure: COMMIT fails, and the next one asks for each file
    anything else                     as for every request (outcomes.py)

The same COMMIT sends files again only if the server has said that they were not attached, and will not be. A batch that
has failed or was cancelled does not say this, because files may have been attached before. A later COMMIT also attaches
an unsure file again that the vector store does not have, READ_AFTER_WRITE_SECONDS after it was sent. Its batch, if it
is still unfinished, may attach it later once more, with the attributes that it had then.

If the COMMIT fails afterwards, the intent of the batch says that it was ignored, and the next COMMIT knows it.

>>> AttachStep(store, vector_store, sender, workers, 2000, label).run()
12
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing

from .. import protocol
from ..errors import RowError
from ..execution.polling import poll_until
from ..execution.statement import NOT_READ, StatementSession
from ..execution.workers import WorkerPool
from ..ledger.intents import Intent
from ..protocol import NOTHING_CREATED, READ_AFTER_WRITE_SECONDS, Object, Request, Response
from . import requests, selections
from .api_reader import APIReader
from .batches import is_finished, is_store, is_without_files
from .rows import Document, Pair
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
        workers: WorkerPool,
        files_per_batch: int,
        label: Callable[[Sequence[Document]], str],
    ) -> None:
        self._store = store
        self._vector_store = vector_store
        self._sender = sender
        self._workers = workers
        self._files_per_batch = files_per_batch
        self._label = label
        self._empty: dict[str, Sequence[Pair]] = {}  # batches that count no files, and are not completed
        self._intents: dict[int, Intent | None] = {}  # of the batches, by the row of the first file

    def run(self) -> int:
        """Attach the files. Returns the number of documents. Raises what has failed."""
        uploaded = selections.newest_in(self._store, State.UPLOADED)
        if not uploaded:
            return 0
        if self._store.ignores_files():
            self._attach(requests.alike(uploaded))
            return len(uploaded)
        self._attach([uploaded])
        if self._empty:
            self._ask_for_empty_batches()
        if self._store.ignores_files():
            log.warning(
                "%s: the server ignores `files`, so that one batch cannot have documents with different attributes; it "
                "is sent a batch for each set of documents with the same attributes and chunking_strategy from now on",
                self._store.name,
            )
            self._attach(requests.alike(selections.newest_in(self._store, State.UPLOADED)))
        return len(uploaded)

    def _attach(self, groups: Sequence[Sequence[Pair]]) -> None:
        for group in groups:
            for first in range(0, len(group), self._files_per_batch):
                self._attach_batch(group[first : first + self._files_per_batch])
        self._sender.send()

    def _attach_batch(self, part: Sequence[Pair]) -> None:
        vector_store_id = self._vector_store.ensure()
        files = [
            {"file_id": file.file_id, "chunking": document.chunking, "intent": file.intent} for document, file in part
        ]
        new = {str(file.file_id): file.created_at for _, file in part}
        change = requests.attach(vector_store_id, part, requests.visible_by(new, self._workers.clock))
        document, file = part[0]
        self._intents[file.id] = self._sender.add(
            Step.ATTACH,
            change,
            {"files": files},
            document.id,
            self._name(part),
            lambda answer: self._created(part, answer),
        )

    def _created(self, part: Sequence[Pair], answer: Object) -> None:
        if answer == NOTHING_CREATED or is_without_files(answer):
            self._ignored(part)
        elif protocol.counted_files(answer) == 0:
            self._empty[str(answer["id"])] = part
        else:
            self._attached(part, str(answer["id"]))

    def _attached(self, part: Sequence[Pair], batch_id: str) -> None:
        self._store.attached(part, batch_id, int(self._workers.clock.time()))

    def _ignored(self, part: Sequence[Pair]) -> None:
        self._store.learn_ignores_files()
        intent = self._intents[part[0][1].id]
        if intent is not None:
            intent.created(NOTHING_CREATED)

    def _ask_for_empty_batches(self) -> None:
        """Ask for batches until they are finished, or count all files. Raises RowError if files are in doubt then."""
        deadline = self._workers.clock.monotonic() + READ_AFTER_WRITE_SECONDS
        doubts: list[str] = []
        cause: Exception | None = None
        with closing(StatementSession(self._workers, skip_unreadable=True)) as session:
            api = APIReader(session, self._vector_store.ensure())
            questions = {id: api.batch(id) for id in self._empty}
            sizes = {questions[id].request.identity: len(part) for id, part in self._empty.items()}
            poll_until(
                session,
                lambda request, response: _is_decided(request, response, sizes[request.identity]),
                [question.request for question in questions.values()],
                deadline,
            )
            for id, part in self._empty.items():
                try:
                    doubt = self._told(part, id, api.get(questions[id]))
                except NOT_READ as error:
                    doubt, cause = f"it cannot be read: {error}", cause or error
                if doubt:
                    doubts.append(f"{self._name(part)}: {id} was created, but {doubt}")
        if doubts:  # only now: each intent must say that its batch was ignored
            others = f"; {len(doubts):,} batches of this COMMIT are in doubt" if len(doubts) > 1 else ""
            raise RowError(doubts[0] + others) from cause

    def _told(self, part: Sequence[Pair], batch_id: str, answer: Object | None) -> str:
        """Record what a batch says of its files. Returns why it leaves them in doubt, "" if it does not."""
        if answer is None:
            return "the API does not find it"
        if is_store(answer):
            return "the response to its GET is the vector store"
        count = protocol.counted_files(answer)
        if is_without_files(answer):
            self._ignored(part)
        elif count is not None and count >= len(part):
            self._attached(part, batch_id)
        else:
            counted = "does not count its files" if count is None else f"counts {count:,} of the {len(part):,} files"
            return f"its status is {answer.get('status')}, and it {counted}"
        return ""

    def _name(self, part: Sequence[Pair]) -> str:
        return self._label([document for document, _ in part])


def _is_decided(request: Request, response: Response, size: int) -> bool:
    """Whether a batch of `size` files has told what becomes of them, or asking again is of no use."""
    if protocol.is_undecided(request, response):
        return True
    answer = protocol.parse_object(request, response)
    if answer is None or is_store(answer) or is_finished(answer):
        return True
    return (protocol.counted_files(answer) or 0) >= size
