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
from dataclasses import dataclass, field
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


@dataclass
class _List:
    """The list that the object of `look_up` is in.

    page: the page that is under way. after: the id after which the next page begins. waiting: the look-ups that the
    statement needs.
    """

    look_up: Request
    state: BulkState = field(default_factory=BulkState)
    is_over: bool = False
    page: tuple[Request, PageParameters] | None = None
    after: str | None = None
    waiting: dict[str, Request] = field(default_factory=dict)


class BulkReads:
    """The lists that one statement reads instead of single objects."""

    def __init__(self, requests: Requests, workers: WorkerPool) -> None:
        self._requests = requests
        self._workers = workers
        self._lists: dict[str, _List] = {}  # by their targets
        self._kept: dict[str, Listed] = {}  # objects that no look-up has needed yet, by the look-ups' identities

    def pages(self, look_ups: Iterable[Request]) -> Iterator[list[Request]]:
        """Read pages as long as they pay, and yield the look-ups that `take` can serve now."""
        for found in self._waiting_lists(look_ups):
            if not self._request_page(found, predicted=False):
                continue
            if self._observed(found).look_up is None:  # its time is needed, to compare it with the page's
                self._requests.start(found.waiting.popitem()[1])
                found.state.missing -= 1
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
        self._lists[target].is_over = True
        self._kept = {identity: body for identity, body in self._kept.items() if identity.rpartition("/")[0] != target}

    def close(self) -> None:
        """Log what the pages have brought, and forget them: the statement is over."""
        for target, found in self._lists.items():
            if found.state.pages:
                log.debug("bulk reading: %d pages of %s had %d keys", found.state.pages, target, found.state.saved)
        self._lists.clear()
        self._kept.clear()

    def _waiting_lists(self, look_ups: Iterable[Request]) -> Iterable[_List]:
        """The lists that the objects of the look-ups are in, each with those that are neither sent nor served."""
        lists: dict[str, _List] = {}
        for request in look_ups:
            identity = request.identity
            if not request.list_page_size or identity in self._kept or self._requests.is_sent(identity):
                continue
            target = _list_target(request)
            if target not in lists:
                lists[target] = self._lists.setdefault(target, _List(request))
                lists[target].waiting = {}
            lists[target].waiting[identity] = request
        for found in lists.values():
            found.state.missing = len(found.waiting)
        return lists.values()

    def _observed(self, found: _List) -> Seconds:
        request, _ = protocol.page_around(found.look_up, None)
        return self._workers.observed.seconds(found.look_up.route, request.route)

    def _request_page(self, found: _List, *, predicted: bool) -> bool:
        """Request the next page of a list if it pays."""
        if found.is_over or not next_page_pays(found.state, self._observed(found), self._workers.size):
            return False
        found.page = protocol.page_around(found.look_up, found.after)
        self._requests.start(found.page[0], predicted)
        return True

    def _read_page(self, found: _List, *, keep_all: bool) -> list[Request]:
        """Keep the objects of the page that is under way: those that are waited for, or all.

        Returns the waiting look-ups that they serve.
        """
        found.waiting = {each: request for each, request in found.waiting.items() if not self._requests.is_sent(each)}
        found.state.missing = len(found.waiting)
        served = []
        for item in self._objects(found):
            identity = protocol.look_up_identity(found.look_up, item["id"])
            is_needed = identity in found.waiting
            if is_needed or (keep_all and len(self._kept) < MOST_KEPT and not self._requests.is_sent(identity)):
                self._kept[identity] = Listed(json.dumps(item, separators=(",", ":")).encode())
            if is_needed:
                served.append(found.waiting.pop(identity))
        found.state.add_page(len(served))
        return served

    def _objects(self, found: _List) -> list[Object]:
        """The objects of the page that is under way; none if it cannot be read."""
        assert found.page is not None  # noqa: S101 - called for a page that is under way
        (request, page), found.page = found.page, None
        try:
            response = self._requests.response(request)
            objects, found.after = self._workers.parse(response, lambda r: protocol.listed(request, r, page))
        except (APIError, APIConnectionError) as error:
            log.debug("bulk reading: %s", error)
            found.is_over = True
            status = getattr(error, "status", None)
            if status is None or status >= 500 or status in NOT_SUPPORTED:  # its retries would cost each statement time
                self._workers.observed.give_up(request.route)
            return []
        found.is_over = found.is_over or found.after is None
        return objects


def _list_target(look_up: Request) -> str:
    return look_up.target.rpartition("/")[0]
