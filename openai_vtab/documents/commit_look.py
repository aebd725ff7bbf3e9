"""The requests of a COMMIT before it sends anything: about files whose state is not known, and unknown uploads.

    a file is       when it is asked about                             what it becomes
    --------------  -------------------------------------------------  ---------------------------------------------
    unknown         always                                             uploaded, if one file at the API can be it
    unsure          a document needs it, or a wanted file may use it   what the vector store says; uploaded if only the
                                                                       file is there; wanted again if it is gone, and
                                                                       the transaction has its content
    uploaded        it was attached before, and has failed             missing, if it does not exist any more
    in_progress     its document has an older file                     what the vector store says
    to be adopted   always                                             the same; it must be in the vector store

>>> look_before_commit(store, workers, others=[])
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import takewhile

from ..errors import RowError
from ..execution.statement import StatementSession
from ..execution.workers import WorkerPool
from ..protocol import READ_AFTER_WRITE_SECONDS
from ..schema.values import sql_literal
from . import selections, unknown
from .api_reader import APIReader
from .reading import look
from .rows import AS_ATTACHED, NO_ATTRIBUTES, Document, StoredFile
from .states import State
from .store import DocumentStore

FIRST_PAUSE, SHORTEST_PAUSE = 0.5, 0.1  # seconds between two looks at a file that was attached a moment ago
NOTHING_SENT = dict.fromkeys(("file_id", "attributes", "chunking", "batch_id", "created_at", "attached_at", "answer"))


def look_before_commit(store: DocumentStore, workers: WorkerPool, others: Sequence[DocumentStore]) -> None:
    """Bring the rows up to date. Raises RowError for a file that cannot be adopted, and what a look raises.

    others: the other documents tables of the connection, whose files are not taken for an unknown upload's.
    """
    store.write_learned()
    vector_store_id = store.setting("vector_store_id")
    with closing(StatementSession(workers)) as session:
        api = APIReader(session, None if vector_store_id is None else str(vector_store_id))
        _resolve_unknown(store, api, others)
        if vector_store_id is not None:
            _look(store, session, str(vector_store_id))
        _look_for_retried(store, session, api)
        for _, file in selections.newest_in(store, State.MISSING):
            if store.contents.of(file) is not None:
                store.move(file, State.WANTED, **NOTHING_SENT, owned=1)
        for document, file in selections.adopted(store):
            _adopt(store, api, document, file)


def _resolve_unknown(store: DocumentStore, api: APIReader, others: Sequence[DocumentStore]) -> None:
    files = selections.unknown(store)
    if not files:
        return
    others = [other for other in others if other.is_there()]
    rivals = [file for other in others for file in selections.unknown(other)]

    def is_known(file_id: str) -> bool:
        return any(each.with_file_id(file_id) for each in (store, *others))

    since = unknown.possible_since(files)
    listed = takewhile(lambda o: (o.get("created_at") or 0) >= since, api.listed(api.uploaded_files()))
    unknown.resolve(store, files, list(listed), is_known, rivals)


def _look(store: DocumentStore, session: StatementSession, vector_store_id: str) -> None:
    """Look until the API can be believed: for some seconds, it may not show a file that was attached."""
    workers, files = session.workers, selections.to_look_at(store)
    pause = FIRST_PAUSE
    while files:
        look(session, store, vector_store_id, files, workers.clock)
        store.write_learned()
        files = [file for file in selections.to_look_at(store) if file.state is State.UNSURE]
        if files:
            decided = max(file.attached_at or 0 for file in files) + READ_AFTER_WRITE_SECONDS
            workers.pause(min(pause, max(SHORTEST_PAUSE, decided - workers.clock.time())), session.meter)
            pause *= 2
            session.close()


def _look_for_retried(store: DocumentStore, session: StatementSession, api: APIReader) -> None:
    """A file that is to be attached again, because it had failed, may have been deleted since."""
    retried = selections.retried(store)
    for file, _ in session.prefetch(retried, lambda file: api.uploaded_file(str(file.file_id)).request):
        if api.get(api.uploaded_file(str(file.file_id))) is None:
            store.move(file, State.MISSING)


def _adopt(store: DocumentStore, api: APIReader, document: Document, file: StoredFile) -> None:
    """Complete the document of an adopted file with what the API says of the file."""
    file_id = str(file.file_id)
    name = f"{store.name}.file_id of the key {sql_literal(document.key)}"
    uploaded = api.get(api.uploaded_file(file_id))
    if uploaded is None or not file.state.is_attached:
        problem = "does not exist" if uploaded is None else "is not in the vector store"
        raise RowError(f"{name}: {file_id} {problem}; give content or path, or the id of a file that is in it")
    if document.bytes not in (None, uploaded.get("bytes")):
        raise RowError(
            f"{name}: {file_id} has {uploaded.get('bytes')} bytes, and the content of the row has {document.bytes}; "
            "leave out content and path if the content is another"
        )
    if file.attributes is None:
        store.change_file(file.id, attributes=NO_ATTRIBUTES)
    columns = {"bytes": uploaded.get("bytes"), "filename": uploaded.get("filename")}
    store.change_file(file.id, **columns, created_at=uploaded.get("created_at"))
    if document.attributes == AS_ATTACHED:
        columns["attributes"] = file.attributes or NO_ATTRIBUTES
    store.change_document(document.id, **columns)
