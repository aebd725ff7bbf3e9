"""COMMIT: takes every file one step after the other towards what its document needs.

Theory of operation
-------------------
Each step selects the rows that are in a state, makes a request of each, and sends all of them concurrently; what a
response says is written into the rows before the next step begins. Nothing else is remembered between two steps, so
that a later COMMIT continues where one has stopped, whatever has stopped it.

    step          rows                                          requests
    ------------  --------------------------------------------  --------------------------------------------------
    look          files of which the API knows more             GET …/files/F …, GET /files for unknown uploads
    store         (a document is about to be sent)              GET /vector_stores, POST /vector_stores
    upload        wanted, and no file of that content is spare  POST /files
    attach        uploaded                                      POST …/file_batches, with many files each
    attributes    attached with other attributes                POST …/files/F
    supersede     older than a completed one, or not findable   (none)
    remove        leaving                                       DELETE …/files/F, DELETE /files/F

Whatever fails rolls all of it back, and ends the COMMIT. The intents then tell what the API has carried out
(outcomes.py), and a spare file is taken up by its content: nothing is uploaded twice.

>>> commit = DocumentCommit(store, arguments, queue, workers, 2000, others=[], holders=dict, on_created=print,
...                         on_documents=print)
>>> commit.run(); commit.remove()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence

from ..errors import RowError
from ..execution.workers import WorkerPool
from ..protocol import Object
from ..writes.queue import WriteQueue
from . import requests, selections, spares, unknown
from .arguments import Arguments
from .attach_step import AttachStep
from .commit_look import look_before_commit
from .rows import Document, StoredFile
from .sending import StepSender
from .states import State
from .steps import Step
from .store import DocumentStore
from .vector_store import VectorStore


class DocumentCommit:
    """One COMMIT of one documents table.

    others: the other documents tables of the connection.
    holders: returns the ids of the table's files that another table knows (SharedFiles.holders).
    on_created: called with the key of the vector store when a response has confirmed it.
    on_documents: called after a step with what it has done (sent, updated, deleted, replaced) to how many documents.
    """

    def __init__(
        self,
        store: DocumentStore,
        arguments: Arguments,
        queue: WriteQueue,
        workers: WorkerPool,
        files_per_batch: int,
        others: Sequence[DocumentStore],
        holders: Callable[[], Collection[str]],
        on_created: Callable[[tuple[str, ...]], None],
        on_documents: Callable[[str, int], None],
    ) -> None:
        self._store = store
        self._workers = workers
        self._files_per_batch = files_per_batch
        self._others = others
        self._holders = holders
        self._on_documents = on_documents
        self._sender = StepSender(store, queue, is_dry_run=workers.client.settings.dry_run)
        self._vector_store = VectorStore(store, arguments, workers, self._sender, on_created)

    def run(self) -> None:
        """Take every step but the last. Raises what has failed."""
        if not self._sender.is_dry_run:
            look_before_commit(self._store, self._workers, self._others)
        self._upload()
        self._attach()
        self._set_attributes()
        self._supersede()

    # upload

    def _upload(self) -> None:
        wanted = selections.newest_in(self._store, State.WANTED)
        if not wanted:
            return
        self._vector_store.ensure()  # before anything is uploaded, because its name may be taken
        answers: dict[int, Object] = {}
        spare = spares.contents(self._store)
        for document, file in wanted:
            if (file.sha256, file.filename) not in spare or not spares.take_up(self._store, document, file):
                self._upload_one(document, file, answers)
        self._sender.send()
        self._store.uploaded(answers)
        changed = [d.key for d, file in wanted if answers.get(file.id, {}).get("sha256", file.sha256) != file.sha256]
        if changed:
            key = f"{changed[0]!r}{_more(len(changed) - 1)}"
            raise RowError(
                f"{self._store.name}.path of the key {key}: the file has changed between the statement and COMMIT; "
                "repeat the statement: what was sent is used if it is still the content"
            )
        if self._sender.is_dry_run:
            for document, file in selections.newest_in(self._store, State.WANTED):
                self._store.move(file, State.UPLOADED, file_id=f"the id of {document.key}")

    def _upload_one(self, document: Document, file: StoredFile, answers: dict[int, Object]) -> None:
        content = self._store.contents.of(file)
        if content is None:
            raise RowError(
                f"{self._store.name}: the file of the key {document.key!r} does not exist at the API any more; write "
                "the document again, with content or path"
            )
        sent = {
            "key": document.key,
            "attributes": document.attributes,
            "chunking": document.chunking,
            "sha256": file.sha256,
            "bytes": file.bytes,
            "filename": file.filename,
        }

        def uploaded(answer: Object) -> None:
            answers[file.id] = answer

        self._sender.add(Step.UPLOAD, requests.upload(content), sent, document.id, self._label([document]), uploaded)

    def _attach(self) -> None:
        step = AttachStep(
            self._store, self._vector_store, self._sender, self._workers, self._files_per_batch, self._label
        )
        self._tell("sent", step.run())

    # attributes

    def _set_attributes(self) -> None:
        different = selections.with_other_attributes(self._store)
        for document, file in different:
            self._set_attributes_of(document, file)
        if different:
            self._sender.send()
            self._tell("updated", len(different))

    def _set_attributes_of(self, document: Document, file: StoredFile) -> None:
        attributes = document.attributes

        def done(answer: Object) -> None:
            self._store.advance(file, attributes=attributes)

        change = requests.set_attributes(self._vector_store.ensure(), str(file.file_id), json.loads(attributes))
        sent = {"files": [{"file_id": file.file_id}]}
        self._sender.add(Step.ATTRIBUTES, change, sent, document.id, self._label([document]), done)

    # remove

    def _supersede(self) -> None:
        """Let files leave whose document has a newer one that is completed, and older ones that no search finds.

        A file that another table has adopted since stays until that table does not need it any more.
        """
        superseded = selections.superseded(self._store)
        held = self._holders() if superseded else ()
        for file in superseded:
            if unknown.is_given_up(file):
                self._store.remove_file(file.id)
            elif file.file_id not in held:
                self._store.move(file, State.LEAVING, document=None)

    def leaving(self) -> list[tuple[StoredFile, str]]:
        """Return the files that the last step removes, with their ids.

        An unknown upload without a document is none: it waits until COMMIT looks for it.
        """
        return [(file, file.file_id) for file in self._store.files_in(State.LEAVING) if file.file_id is not None]

    def remove(self) -> None:
        """Take the last step, which cannot be undone: once all documents tables have taken the others."""
        leaving = self.leaving()
        for file, file_id in leaving:
            self._remove_one(file, file_id)
        if leaving:
            deleted = sum(self._store.document_at(id) is None for id in self._store.deleted)
            self._sender.send()
            self._tell("deleted", deleted)
            self._tell("replaced", len(leaving) - deleted)

    def _remove_one(self, file: StoredFile, file_id: str) -> None:
        sent = {"files": [{"file_id": file_id}]}
        label = f"{self._store.name}: the file {file_id} ({file.filename})"

        def removed(answer: Object) -> None:
            self._store.remove_file(file.id)

        vector_store_id = self._store.setting("vector_store_id")
        if vector_store_id is not None and (file.attached_at is not None or not file.owned):
            new = requests.visible_by({file_id: file.attached_at}, self._workers.clock)
            change = requests.detach(str(vector_store_id), file_id, new)
            self._sender.add(Step.DETACH, change, sent, file.id, label, None if file.owned else removed)
        if file.owned:
            self._sender.add(Step.DELETE, requests.delete(file_id), sent, file.id, label, removed)

    def _tell(self, did: str, count: int) -> None:
        if count > 0 and not self._sender.is_dry_run:
            self._on_documents(did, count)

    # error messages

    def _label(self, documents: Sequence[Document]) -> str:
        """Name documents for an error message."""
        first = f"{self._store.name}: the key {documents[0].key!r}"
        return first if len(documents) == 1 else f"{first}{_more(len(documents) - 1)} of its batch"


def _more(count: int) -> str:
    """Return " and 2 others", "" for none."""
    return f" and {count} other{'s' if count > 1 else ''}" if count else ""
