"""Reads objects and lists of the API for one documents table within one statement, which sends each request once.

>>> api = APIReader(session, "vs_1")
>>> api.get(api.file("file-1"))["status"]
'completed'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .. import protocol
from ..execution.statement import StatementSession
from ..execution.undecided_404 import refuse_unless_reached
from ..protocol import Object, PageParameters, Request, Response
from ..schema.table import Method, Table
from ..tables.files import files
from ..tables.vector_store_file_batch_files import vector_store_file_batch_files
from ..tables.vector_store_file_batches import vector_store_file_batches
from ..tables.vector_store_files import vector_store_files
from ..tables.vector_stores import vector_stores
from .requests import PURPOSE


@dataclass(frozen=True, slots=True)
class Question:
    """A request for an object, or for the first page of a list."""

    table: Table
    method: Method
    keys: Mapping[str, str]
    request: Request


class APIReader:
    """The requests for objects and lists, and their responses.

    vector_store_id: None if the table has no vector store yet. Nothing in it can be asked for then.
    """

    def __init__(self, session: StatementSession, vector_store_id: str | None) -> None:
        self._session = session
        self._keys = {} if vector_store_id is None else {"vector_store_id": vector_store_id}
        self._sent: dict[str, Request] = {}

    def store(self) -> Question:
        """Ask for the vector store."""
        return _question(vector_stores, {"id": self._keys["vector_store_id"]})

    def batch(self, batch_id: str) -> Question:
        """Ask for a batch."""
        return _question(vector_store_file_batches, self._keys | {"id": batch_id})

    def file(self, file_id: str) -> Question:
        """Ask for a file in the vector store."""
        return _question(vector_store_files, self._keys | {"id": file_id})

    def uploaded_file(self, file_id: str) -> Question:
        """Ask for a file, whether it is attached or not."""
        return _question(files, {"id": file_id})

    def batch_files(self, batch_id: str) -> Question:
        """Ask for the first page of a batch's files."""
        return _question(vector_store_file_batch_files, self._keys | {"batch_id": batch_id}, is_list=True)

    def store_files(self) -> Question:
        """Ask for the first page of the vector store's files."""
        return _question(vector_store_files, self._keys, is_list=True)

    def stores(self) -> Question:
        """Ask for the first page of all vector stores, the newest first."""
        return _question(vector_stores, {}, is_list=True)

    def uploaded_files(self) -> Question:
        """Ask for the first page of all files that were uploaded for vector stores, the newest first."""
        return _question(files, {"purpose": PURPOSE}, is_list=True)

    def get(self, question: Question) -> Object | None:
        """Return the object; None if the API does not know it, or in a dry run.

        Raises APIError and APIConnectionError.
        """
        request = question.request
        self._sent[request.identity] = request

        def parse(response: Response) -> Object | None:
            if protocol.is_undecided(request, response):
                refuse_unless_reached(self._session, request, response)
                return None
            answer = protocol.parse_object(request, response)
            found = answer and protocol.verify_keys(question.table, request, response, answer, question.keys)
            if response.status != protocol.NOT_SENT:
                self._session.workers.reached.add(request.route)
            return found

        return self._session.parse_once(request, parse)

    def is_sent(self, question: Question) -> bool:
        """Return whether the question was sent: a dry run sends nothing."""
        return self._session.response(question.request).status != protocol.NOT_SENT

    def listed(self, question: Question) -> Iterator[Object]:
        """Yield the objects of a list. Raises APIError, also for a list that does not end, and APIConnectionError."""
        table, method = question.table, question.method
        echoed = {table.sources[name]: question.keys[name] for name in method.variables}
        request, page = question.request, PageParameters(method.page_size)
        seen: set[str] = set()
        while True:
            self._sent[request.identity] = request
            objects, after = self._session.parse_once(
                request,
                lambda response, request=request, page=page: protocol.listed(request, response, page, echoed),  # type: ignore[misc]
            )
            new = [item for item in objects if item["id"] not in seen]
            if len(new) < len(objects):
                after = protocol.next_after_repetition(request, self._session.response(request), new, after)
            seen.update(item["id"] for item in new)
            yield from new
            if after is None:
                return
            page = PageParameters(method.page_size, after=after)
            request = protocol.build(table, method, question.keys, page)

    def forget(self) -> None:
        """Forget all responses, so that each request is sent again the next time."""
        for request in self._sent.values():
            self._session.forget(request)
        self._sent.clear()


def _question(table: Table, keys: Mapping[str, str], *, is_list: bool = False) -> Question:
    method = next(method for method in table.of("SELECT") if bool(method.listing) == is_list)
    page = PageParameters(method.page_size) if is_list else None
    return Question(table, method, keys, protocol.build(table, method, keys, page))
