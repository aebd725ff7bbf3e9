"""Asks the API what has become of files, with few requests: by their batches, by the vector store's list, one by one.

    looks at                   asks for
    -------------------------  ------------------------------------------------------------------------------
    files in progress          their batch; its list of files once some of them, or the batch, are finished
    files that no list tells   the vector store's list if it has fewer pages than there are files; else each file
    unsure files               the same, and whether the file itself exists if it is not attached

Compatible servers list a batch that is running without the files that are not finished yet, and a batch that is over
without files that exist. So a file that a list lacks is asked for by itself, unless its batch is still running.

>>> look(session, store, "vs_1", store.files_in(State.IN_PROGRESS, State.UNSURE), clock)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import protocol
from ..clock import Clock
from ..execution.polling import growing_pauses, poll_until
from ..execution.statement import NOT_READ, StatementSession
from ..progress import ProgressReporter
from ..protocol import READ_AFTER_WRITE_SECONDS, Object, Request, Response
from .api_reader import APIReader, Question
from .batches import finished_files, is_finished, is_store, pages
from .learned import LOOKED_AT
from .rows import StoredFile
from .states import State, state_of
from .store import DocumentStore

FEW = 2  # files for which a request each is not more than a list takes
SOME = 10  # files without a batch that are polled one by one
DOCUMENTS = "documents"  # which the progress of a wait counts

Failures = dict[str, tuple[Request, Exception]]  # by file id: why the API did not say what has become of the file


def look(
    session: StatementSession, store: DocumentStore, vector_store_id: str, files: Sequence[StoredFile], clock: Clock
) -> Failures:
    """Ask the API for the state of these files, and have the store learn it.

    Returns the files that could not be read. Raises APIError and APIConnectionError, unless the session continues
    without what it cannot read.
    """
    looking = _Look(session, store, vector_store_id, clock)
    looking.at(files)
    return looking.failures


def wait(
    session: StatementSession,
    store: DocumentStore,
    vector_store_id: str,
    files: Sequence[StoredFile],
    clock: Clock,
    deadline: float,
) -> Failures:
    """Look at the files until all of them are finished, or until `deadline` on the monotonic clock of the workers.

    Returns and raises the same as `look`.
    """
    looking = _Look(session, store, vector_store_id, clock)
    looking.wait(files, deadline)
    return looking.failures


def refresh(
    session: StatementSession, store: DocumentStore, vector_store_id: str, files: Sequence[StoredFile], clock: Clock
) -> Failures:
    """Look at finished files as well, because another program may have detached them.

    Returns and raises the same as `look`.
    """
    looking = _Look(session, store, vector_store_id, clock)
    looking.one_by_one(looking.by_list([file for file in files if file.state in LOOKED_AT]))
    return looking.failures


class _Look:
    """One look at files of a vector store."""

    def __init__(self, session: StatementSession, store: DocumentStore, vector_store_id: str, clock: Clock) -> None:
        self._session = session
        self._store = store
        self._clock = clock
        self._api = APIReader(session, vector_store_id)
        self.failures: Failures = {}

    def at(self, files: Iterable[StoredFile]) -> None:
        """Ask for the files' states."""
        batches, others = _by_batch(files)
        self.one_by_one(self.by_list([*others, *self._by_batches(batches)]))

    def wait(self, files: Sequence[StoredFile], deadline: float) -> None:
        """Wait until all of the files are finished, or the deadline has come; a dry run does not wait."""
        session = self._session
        if session.workers.client.settings.dry_run:
            self.at(files)
            return
        batches, others = _by_batch(files)
        singles = {self._api.file(_id(file)).request.identity: file for file in others} if len(others) <= SOME else {}
        sizes = {self._batch_request(id).identity: len(group) for id, group in batches.items()}
        processed: dict[str, int] = {}  # documents, by the request that tells it

        def is_settled(request: Request, response: Response) -> bool:
            if protocol.is_undecided(request, response):
                return True
            answer = protocol.parse_object(request, response)
            file = singles.get(request.identity)
            if file is None:
                is_over = answer is None or is_store(answer) or is_finished(answer)
                size = sizes[request.identity]
                processed[request.identity] = size if is_over else min(finished_files(answer or {}) or 0, size)
                return is_over
            is_over = not self._is_young(file) if answer is None else state_of(answer) is not State.IN_PROGRESS
            processed[request.identity] = int(is_over)
            return is_over

        def report(meter: ProgressReporter) -> None:
            meter.waits(sum(processed.values()), len(files), DOCUMENTS)

        requests = [self._api.file(_id(file)).request for file in singles.values()]
        poll_until(session, is_settled, [*map(self._batch_request, batches), *requests], deadline, report)
        self.at(files)
        pauses = growing_pauses()
        while (unfinished := self._unfinished(files)) and (
            remaining := deadline - session.workers.clock.monotonic()
        ) > 0:
            if session.meter is not None:
                session.meter.waits(len(files) - len(unfinished), len(files), DOCUMENTS)
            session.workers.pause(min(next(pauses), remaining), session.meter)
            self._api.forget()
            self.at(unfinished)
        if session.meter is not None:
            session.meter.waited()

    def _batch_request(self, batch_id: str) -> Request:
        return self._api.batch(batch_id).request

    def _unfinished(self, files: Iterable[StoredFile]) -> list[StoredFile]:
        current = (self._store.learned.current(file) for file in files if file.file_id not in self.failures)
        return [file for file in current if file.state.is_unfinished]

    def _by_batches(self, batches: dict[str, list[StoredFile]]) -> list[StoredFile]:
        """Ask the batches. Returns the files that they do not tell."""
        untold: list[StoredFile] = []
        listed: dict[str, bool] = {}
        for batch_id, _ in self._session.prefetch(batches, self._batch_request):
            files = batches[batch_id]
            is_answered, answer = self._ask(self._api.batch(batch_id), files)
            if not is_answered:
                continue
            if answer is None:
                untold += files
            elif is_store(answer):  # https://github.com/openai/openai-python/issues/2724
                listed[batch_id] = True
            elif (is_over := is_finished(answer)) or finished_files(answer) != 0:
                if len(files) < pages(answer):
                    untold += files
                else:
                    listed[batch_id] = is_over
        for batch_id, _ in self._session.prefetch(listed, lambda id: self._api.batch_files(id).request):
            absent = self._in_list(self._api.batch_files(batch_id), batches[batch_id])
            untold += absent if listed[batch_id] else []
        return untold

    def by_list(self, files: list[StoredFile]) -> list[StoredFile]:
        """Ask for the vector store's list if that takes fewer requests. Returns the files that it does not tell."""
        if len(files) <= FEW:
            return files
        is_answered, answer = self._ask(self._api.store(), files)
        if not is_answered:
            return []
        if answer is None:
            self._absent(files)
            return []
        return files if len(files) < pages(answer) else self._in_list(self._api.store_files(), files)

    def _in_list(self, question: Question, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Look for the files in a list, to its end at most. Returns those that are not in it."""
        wanted = {_id(file): file for file in files}
        try:
            for item in self._api.listed(question):
                if (file := wanted.pop(item["id"], None)) is not None:
                    self._learn(file, item)
                    if not wanted:
                        break
        except NOT_READ as error:
            self._fail(question, wanted.values(), error)
            return []
        return list(wanted.values())

    def one_by_one(self, files: Sequence[StoredFile]) -> None:
        """Ask for each file in the vector store."""
        absent = []
        for file, _ in self._session.prefetch(files, lambda file: self._api.file(_id(file)).request):
            is_answered, answer = self._ask(self._api.file(_id(file)), [file])
            if answer is not None:
                self._learn(file, answer)
            elif is_answered:
                absent.append(file)
        self._absent(absent)

    def _absent(self, files: Iterable[StoredFile]) -> None:
        """Decide about files that are not in the vector store."""
        gone = [file for file in files if not self._is_young(file)]
        for file in gone:
            if file.state is not State.UNSURE:
                self._store.learned.add(file, State.MISSING)
        unsure = [file for file in gone if file.state is State.UNSURE]
        for file, _ in self._session.prefetch(unsure, lambda file: self._api.uploaded_file(_id(file)).request):
            is_answered, answer = self._ask(self._api.uploaded_file(_id(file)), [file])
            if is_answered:
                self._store.learned.add(file, State.MISSING if answer is None else State.UPLOADED)

    def _is_young(self, file: StoredFile) -> bool:
        """Whether the file was attached so recently that the API may not show it yet.

        Not in the future: the clock has been set back since, and the wait for it could take days.
        """
        return file.attached_at is not None and abs(self._clock.time() - file.attached_at) < READ_AFTER_WRITE_SECONDS

    def _learn(self, file: StoredFile, answer: Object) -> None:
        state = state_of(answer)
        # a file that is still in progress is written once, not at every look
        if state is not State.IN_PROGRESS or file.state is not state or file.answer is None:
            self._store.learned.add(file, state, answer)

    def _ask(self, question: Question, files: Iterable[StoredFile]) -> tuple[bool, Object | None]:
        """Return whether the API has answered, and the object, None if the API does not know it."""
        try:
            answer = self._api.get(question)
        except NOT_READ as error:
            self._fail(question, files, error)
            return False, None
        return answer is not None or self._api.is_sent(question), answer

    def _fail(self, question: Question, files: Iterable[StoredFile], error: Exception) -> None:
        self._session.record_unreadable(question.request, error)
        self.failures.update((_id(file), (question.request, error)) for file in files)


def _by_batch(files: Iterable[StoredFile]) -> tuple[dict[str, list[StoredFile]], list[StoredFile]]:
    """Return the files that their batches can tell, by batch, and the others.

    A batch cannot tell whether another program, or a request with an unknown outcome, has detached a file afterwards.
    """
    batches: dict[str, list[StoredFile]] = {}
    others = []
    for file in files:
        if file.file_id is None or not file.state.is_unfinished:
            continue
        if file.state is State.IN_PROGRESS and file.batch_id is not None:
            batches.setdefault(file.batch_id, []).append(file)
        else:
            others.append(file)
    for batch_id in [id for id, group in batches.items() if len(group) <= FEW]:
        others += batches.pop(batch_id)
    return batches, others


def _id(file: StoredFile) -> str:
    assert file.file_id is not None  # noqa: S101 - files without an id are left out before
    return file.file_id
