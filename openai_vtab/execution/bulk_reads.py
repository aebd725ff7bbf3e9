"""Bulk reading: the pages of a list serve the look-ups of its objects. planner/bulk.py decides when that pays.

A page serves no look-up that was sent before: the statement sees one snapshot. An object that no page has is looked up.
The same happens to all objects of a list that cannot be read: an error of the list is not an error of the statement.

>>> for served in bulk.pages(look_ups): ...         # an IN list: the look-ups that a page serves
>>> bulk.consider(predicted); bulk.is_under_way()   # a join: a page comes while the statement goes on
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

from .. import protocol
from ..errors import APIConnectionError, APIError
from ..planner import BulkState, Seconds, next_page_pays
from ..protocol import Object, PageParameters, Request, Response
from .workers import WorkerPool

log = logging.getLogger("openai_vtab")

MOST_KEPT = 50_000  # objects of the lists that a join may need later: some 20 MB
NOT_SUPPORTED = (405, 501)


class Listed(bytes):
    """An object of a list, as the response to its look-up: JSON."""

    __slots__ = ()


class Requests(Protocol):
    """The requests of a statement, as far as bulk reading needs them."""

    def start(self, request: Request, predicted: bool = False) -> bool:
        """Send the request."""

    def is_sent(self, identity: str) -> bool:
        """Return True if this request was sent before, or served by a page."""

    def is_answered(self, request: Request) -> bool:
        """Return True if the request's response is there."""

    def response(self, request: Request) -> Response:
        """Wait for the response. Raises why there is none."""


class _List:
    """The list that the object of `look_up` is in.

    page: the page that is under way. waiting: the look-ups that the statement needs, by their identities.
    """

    def __init__(self, look_up: Request) -> None:
        self.look_up = look_up
        self.route = protocol.page_around(look_up, None)[0].route
        self.state = BulkState()
        self.is_over = False
        self.page: tuple[Request, PageParameters] | None = None
        self.waiting: dict[str, Request] = {}
        self._after: str | None = None  # the id after which the next page begins

    def wait_for(self, waiting: dict[str, Request]) -> None:
        """The statement needs these look-ups."""
        self.waiting = waiting
        self.state.need(len(waiting))

    def look_up_one(self) -> Request:
        """Take a look-up out of those that wait."""
        _, request = self.waiting.popitem()
        self.state.need(len(self.waiting))
        return request

    def next_page(self) -> Request:
        """The next page, which is under way from now on."""
        self.page = protocol.page_around(self.look_up, self._after)
        return self.page[0]

    def came(self) -> tuple[Request, PageParameters]:
        """The page that was under way."""
        assert self.page is not None  # noqa: S101 - called for a page that is under way
        page, self.page = self.page, None
        return page

    def goes_on(self, after: str | None) -> None:
        """The next page begins after this id; None ends the list."""
        self._after = after
        self.is_over = self.is_over or after is None

    def end(self) -> None:
        """Request no more pages."""
        self.is_over = True


class BulkReads:
    """The lists that one statement reads instead of single objects."""

    def __init__(self, requests: Requests, workers: WorkerPool) -> None:
        self._requests = requests
        self._workers = workers
        self._lists: dict[str, _List] = {}  # by their targets
        self._kept: dict[str, Listed] = {}  # objects that no look-up has needed yet, by the look-ups' identities

    def pages(self, look_ups: Iterable[Request]) -> Iterator[list[tuple[Request, Object]]]:
        """Read pages as long as they pay, and yield the look-ups that `take` can serve now, with their objects."""
        for found in self._waiting_lists(look_ups):
            if found.page is None and not self._request_page(found, predicted=False):
                continue
            if (
                found.waiting and self._observed(found).look_up is None
            ):  # its time is needed, to compare it with the page's
                self._requests.start(found.look_up_one())
            while found.page is not None:
                served = self._read_page(found, keep_all=False)
                # before the next page is requested, the statement reads a row of this one: it may go no further, or
                # need what the objects of this list do not have
                yield served[:1]
                self._request_page(found, predicted=False)
                yield served[1:]

    def consider(self, predicted: Iterable[Request]) -> None:
        """Request the pages that pay for look-ups that the statement will probably need."""
        for found in self._waiting_lists(predicted):
            if found.page is None:
                self._request_page(found, predicted=True)

    def is_under_way(self) -> bool:
        """Whether a page is under way. `take` can serve the look-ups of those that have come."""
        for found in self._lists.values():
            if found.page is not None and self._requests.is_answered(found.page[0]):
                self._read_page(found, keep_all=True)
                self._request_page(found, predicted=True)
        return any(found.page is not None for found in self._lists.values())

    def has(self, look_up: Request) -> bool:
        """Whether `take` can serve the look-up."""
        return look_up.identity in self._kept

    def take(self, identity: str) -> Listed | None:
        """The response to a look-up that a page serves, or None. It is given once."""
        return self._kept.pop(identity, None)

    def distrust(self, look_up: Request) -> None:
        """Serve no more objects of a list: they lack a member that the statement reads."""
        target = _list_target(look_up)
        if target in self._lists:
            self._lists[target].end()
        self._kept = {identity: body for identity, body in self._kept.items() if identity.rpartition("/")[0] != target}

    def close(self) -> None:
        """Log what the pages have brought, and forget them: the statement is over."""
        for target, found in self._lists.items():
            if found.state.pages:
                log.debug("bulk reading: %d pages of %s had %d keys", found.state.pages, target, found.state.saved)
        self._lists.clear()
        self._kept.clear()

    def _waiting_lists(self, look_ups: Iterable[Request]) -> list[_List]:
        """The lists that the objects of the look-ups are in, each with those that are neither sent nor served."""
        waiting: dict[str, dict[str, Request]] = {}
        for request in look_ups:
            identity = request.identity
            if request.list_page_size and identity not in self._kept and not self._requests.is_sent(identity):
                waiting.setdefault(_list_target(request), {})[identity] = request
        for target, requests in waiting.items():
            if target not in self._lists:
                self._lists[target] = _List(next(iter(requests.values())))
            self._lists[target].wait_for(requests)
        return [self._lists[target] for target in waiting]

    def _observed(self, found: _List) -> Seconds:
        return self._workers.observed.seconds(found.look_up.route, found.route)

    def _request_page(self, found: _List, *, predicted: bool) -> bool:
        """Request the next page of a list if it pays."""
        if found.is_over or not next_page_pays(found.state, self._observed(found), self._workers.size):
            return False
        self._requests.start(found.next_page(), predicted)
        return True

    def _read_page(self, found: _List, *, keep_all: bool) -> list[tuple[Request, Object]]:
        """Keep the objects of the page that is under way: those that are waited for, or all.

        Returns the waiting look-ups that they serve, with the objects.
        """
        found.wait_for({each: request for each, request in found.waiting.items() if not self._requests.is_sent(each)})
        served = []
        objects = self._objects(found)
        identities = protocol.look_up_identities(found.look_up, (item["id"] for item in objects))
        for identity, item in zip(identities, objects, strict=True):
            is_needed = identity in found.waiting
            if is_needed or (keep_all and len(self._kept) < MOST_KEPT and not self._requests.is_sent(identity)):
                self._kept[identity] = Listed(json.dumps(item, separators=(",", ":")).encode())
            if is_needed:
                served.append((found.waiting.pop(identity), item))
        found.state.add_page(len(served))
        return served

    def _objects(self, found: _List) -> list[Object]:
        """The objects of the page that is under way; none if it cannot be read."""
        request, page = found.came()
        try:
            response = self._requests.response(request)
            objects, after = self._workers.parse(response, lambda r: protocol.listed(request, r, page))
        except (APIError, APIConnectionError) as error:
            log.debug("bulk reading: %s", error)
            found.end()
            status = getattr(error, "status", None)
            if status is None or status >= 500 or status in NOT_SUPPORTED:  # its retries would cost each statement time
                self._workers.observed.give_up(request.route)
            return []
        found.goes_on(after)
        return objects


def _list_target(look_up: Request) -> str:
    return look_up.target.rpartition("/")[0]
