"""A list that bulk reading reads instead of single objects, page after page.

>>> found = ReadList(look_up); requests.start(found.begin_page(due)); found.read_page(requests, workers, has_room)
[{'id': 'file-1', …}, …]
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Protocol

from .. import protocol
from ..planner import BulkState
from ..protocol import Object, PageParameters, Request, Response
from .workers import WorkerPool


class Listed(bytes):
    """An object of a list in place of the response to its look-up, in the format of marshal: it is fast."""

    __slots__ = ()

    @property
    def object(self) -> Object:
        """The object."""
        found: Object = marshal.loads(self)  # noqa: S302 - `listed` has made it
        return found


class Requests(Protocol):
    """The requests of a statement, as far as bulk reading needs them."""

    def start(self, request: Request, predicted: bool = False) -> bool:
        """Send the request. Returns False if it was sent before."""

    def is_sent(self, identity: str) -> bool:
        """Return True if this request was sent before, or served by a page."""

    def is_answered(self, request: Request) -> bool:
        """Return True if the request's response is there."""

    def is_answered_by(self, deadline: float, request: Request) -> bool:
        """Wait for the response, but not longer. Returns True if it is there."""

    def response(self, request: Request) -> Response:
        """Wait for the response. Raises why there is none."""

    def serve(self, identity: str, listed: Listed) -> None:
        """Take an object of a list as the response to a look-up."""

    def forget(self, request: Request) -> None:
        """Drop the response."""


class ReadList:
    """A list that objects of the statement are in.

    look_up: the look-up of one of its objects. predicted: the look-ups that a join will probably need, by their
    identities. is_joined: a join has needed some, and may need any other.
    """

    def __init__(self, look_up: Request) -> None:
        self.look_up = look_up
        self.route = protocol.page_around(look_up, None)[0].route
        self.state = BulkState()
        self.is_over = False
        self.page: Request | None = None  # the page that is under way
        self.due = 0.0  # when look-ups begin without it, on the clock
        self.predicted: set[str] = set()
        self.is_joined = False
        self._parameters: PageParameters | None = None
        self._is_own = True  # the list's own request, rather than one of a scan of the same list
        self._after: str | None = None  # the id after which the next page begins

    def predict(self, identities: set[str]) -> None:
        """A join will probably need these look-ups."""
        self.predicted = identities
        self.is_joined = True
        self.state.need(len(identities))

    def begin_page(self, due: float) -> Request:
        """The next page, which is under way from now on."""
        self.page, self._parameters = protocol.page_around(self.look_up, self._after)
        self.due = due
        return self.page

    def share_page(self) -> None:
        """The request of the page was sent before, and its response is read elsewhere, too."""
        self._is_own = False

    def read_page(self, requests: Requests, workers: WorkerPool, has_room: Callable[[Response], bool]) -> list[Object]:
        """The objects of the page that is under way. Raises APIError and APIConnectionError.

        The statement forgets the response unless `has_room`.
        """
        assert self.page is not None  # noqa: S101 - called for a page that is under way
        page, self.page, is_own, self._is_own = self.page, None, self._is_own, True
        response = requests.response(page)
        try:
            objects, after = workers.parse(response, lambda r: protocol.listed(page, r, self._parameters))
        finally:
            if is_own and (response.given_up or not has_room(response)):
                requests.forget(page)
        # a server without pages returns its only page again
        self.is_over = self.is_over or after is None or after == self._after
        self._after = after
        return objects

    def end(self) -> None:
        """Request no more pages, and wait for none."""
        self.page, self.is_over = None, True
