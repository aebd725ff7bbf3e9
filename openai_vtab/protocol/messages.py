"""Requests and responses, as values.

>>> Request("GET", "/files/file-1", route="/files/{file_id}").target
'/files/file-1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..schema.table import Method, Table
from .multipart import Upload

Object = dict[str, Any]
NO_HEADERS: Mapping[str, str] = {}
NO_KEYS: Mapping[str, str] = {}
NOTHING_CREATED: Object = {}  # the object of a create that was refused, where another create takes its place
NOT_SENT = 0  # the status of a response in a dry run, which sends nothing


@dataclass(frozen=True, slots=True)
class Sent:
    """What a write sends, to be compared with its response.

    values: what is sent, by the sources of the columns.
    files: the number of different files that are attached to a vector store.
    """

    table: Table
    method: Method
    values: Mapping[str, Any]
    files: int = 0


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """What the response to a write shows otherwise than it was sent (confirmation.py).

    missing: a sentence about the files that a new object lacks; "" if it lacks none.
    differences: a sentence for each value that the server has not taken.
    """

    missing: str = ""
    differences: tuple[str, ...] = ()


CONFIRMED = Unconfirmed()


@dataclass(frozen=True)
class PageParameters:
    """A part of a list: up to `limit` objects in `order`, "asc" or "desc", after the object with the id `after`.

    is_whole: `limit` is the most that the API allows; otherwise the statement needs no more objects than that.
    """

    limit: int
    order: str = "desc"
    after: str | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request below the base URL.

    method: the HTTP method.
    target: the path below the base URL, with the query string.
    idempotent: sending it twice has the same effect as sending it once.
    absent_is_none: it reads one object, which may be absent.
    route: the template of the target, such as "/files/{file_id}".
    verify_path: the list that shows whether a create was carried out.
    attached_files: the vector store ("" for a new one) and the number of files that the request attaches to it.
    changes: it changes something at the API.
    list_page_size: for a read of one object, how many objects a page of its list has at most; 0 if there is no such
        list, or it has no pages.
    page: for a page of a list, which part of the list it is.
    new_files: the files in the request that this connection has just uploaded. Until the time that is given for each,
        on the connection's clock, a response that the file is absent means "not yet".
    sent: what the response to a write is compared with; None when there is nothing to compare.
    optional: the statement can do without the response, so that an error is not retried.
    identity: equal for two reads of the same object or page: the target and, for a search, the body.
    """

    method: str
    target: str
    body: bytes | Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = True
    absent_is_none: bool = False
    route: str = ""
    verify_path: str = ""
    attached_files: tuple[str, int] | None = None
    changes: bool = False
    list_page_size: int = 0
    page: PageParameters | None = None
    new_files: Mapping[str, float] = field(default_factory=dict)
    sent: Sent | None = field(default=None, repr=False, compare=False)
    optional: bool = False
    identity: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        body = f" {self.body.decode()}" if isinstance(self.body, bytes) else ""
        object.__setattr__(self, "identity", self.target + body)


class StoredBody(Protocol):
    """The body of a response that is not in memory."""

    def __len__(self) -> int:
        """The bytes that were received."""

    def read(self) -> bytes:
        """The body."""

    def close(self) -> None:
        """Forget the body."""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    headers: their names are in lower case.
    content: the body, or where it is stored.
    base_url: the address that the request's target is relative to.
    uncertain: the request was also sent before, with an unknown outcome.
    given_up: it is an error that would have been retried, had the request not been optional.
    note: a remark for the error that the response may become.
    unconfirmed: what it shows otherwise than the request has sent it.
    target: the target that was sent, if it is another than the request's: a page of another size.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes | StoredBody
    base_url: str
    uncertain: bool = False
    given_up: bool = False
    note: str = ""
    unconfirmed: Unconfirmed = CONFIRMED
    target: str = ""

    @property
    def body(self) -> bytes:
        """The body, in memory."""
        return self.content if isinstance(self.content, bytes) else self.content.read()
