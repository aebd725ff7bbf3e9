"""Bulk reading: the pages of a list serve the look-ups of its objects. planner/bulk.py decides when that pays.

A page serves no look-up that was sent before: the statement sees one snapshot. An object that no page has is looked up.
The same happens to all objects of a list that cannot be read, that comes too late, or whose objects lack a member that
the statement reads: an error of the list is not an error of the statement, and its pages are not retried. For
READ_AFTER_WRITE_SECONDS after a write of the connection no page is requested, because lists lag behind writes.

>>> for id, found in bulk.read(look_up, waiting, keys, needed): ... # an IN list: the objects that the pages have
>>> bulk.consider(predicted); bulk.is_under_way()                   # a join: a page comes while the statement continues
"""

from __future__ import annotations

import logging
import marshal
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from .. import protocol
from ..errors import APIConnectionError, APIError
from ..planner import Seconds, next_page_pays, patience
from ..protocol import READ_AFTER_WRITE_SECONDS, Object, Request, Response
from .needed_members import NeededMembers
from .read_list import Listed, ReadList, Requests
from .workers import WorkerPool

log = logging.getLogger("openai_vtab")

MOST_KEPT = 50_000  # objects of the lists that a join may need later: some 20 MB
PAGE_CACHE_BYTES = 2_000_000  # of pages, for a scan of the same list in the same statement
ABOUT_ONE_LIST = (403, 404, 410)  # statuses that say nothing about other lists of the same route

T = TypeVar("T")
Scan = tuple[str, str]  # a table's name and an idxStr


class BulkReads:
    """The lists that one statement reads instead of single objects.

    kept: objects that no look-up has needed yet, by the look-ups' identities.
    """

    def __init__(self, requests: Requests, workers: WorkerPool) -> None:
        self._requests = requests
        self._workers = workers
        self._lists: dict[str, ReadList] = {}  # by their targets
        self.kept: dict[str, Listed] = {}
        self._page_bytes = 0  # of the pages that the statement keeps
        self._scans: dict[int, Collection[str]] = {}  # the look-ups that the running IN lists wait for
        self._readers: dict[str, dict[Scan, NeededMembers]] = {}  # by the look-ups' routes

    def add_reader(self, route: str, scan: Scan, needed: NeededMembers) -> None:
        """A scan looks objects up by this route. Pages are only of use if they have the members that it reads."""
        self._readers.setdefault(route, {}).setdefault(scan, needed)

    def read(
        self, look_up: Request, waiting: dict[str, T], keys: Mapping[str, str], needed: NeededMembers
    ) -> Iterator[tuple[T, Object]]:
        """Read pages of one list as long as they pay, and yield the objects that the statement waits for.

        `waiting` maps the look-ups' identities to whatever is yielded with the objects; `look_up` is one of them. An
        object that the pages have is taken out of it, and is from now on the response to its look-up. `keys` are those
        of the list. Reading ends at the first object that has other keys, or lacks a `needed` member.
        """
        requests, found = self._requests, self._list_of(look_up)
        found.state.need(len(waiting) - sum(map(requests.is_sent, waiting)))
        if found.page is None and not self._request_page(found, predicted=False):
            return
        if self._observed(found).look_up is None:  # it is needed, to compare it with the page's
            requests.start(look_up)
        self._scans[id(waiting)] = waiting
        try:
            while found.page is not None:
                if not requests.is_answered_by(found.due, found.page):
                    found.end()
                    break
                served = self._served(found, waiting, keys, needed)
                # before the next page is requested, the statement reads a row of this one: it may go no further
                if served:
                    yield served.popleft()
                self._request_page(found, predicted=False)
                while served:
                    yield served.popleft()
        finally:
            del self._scans[id(waiting)]

    def consider(self, predicted: Iterable[Request]) -> None:
        """Request the pages that pay for look-ups that the statement will probably need."""
        waiting: dict[str, list[Request]] = {}
        for request in predicted:
            if request.list_page_size and request.identity not in self.kept:
                waiting.setdefault(_list_target(request), []).append(request)
        for look_ups in waiting.values():
            found = self._list_of(look_ups[0])
            identities = {request.identity for request in look_ups}
            found.predict({identity for identity in identities if not self._requests.is_sent(identity)})
            if found.page is None:
                self._request_page(found, predicted=True)

    def is_under_way(self) -> bool:
        """Whether a page is in flight that look-ups should wait for. `take` has the objects of those that have come."""
        for found in self._lists.values():
            if found.page is not None and self._requests.is_answered(found.page):
                self._keep_page(found)
                self._request_page(found, predicted=True)
        now = self._workers.clock.monotonic()
        return any(found.page is not None and now < found.due for found in self._lists.values())

    def take(self, identity: str) -> Listed | None:
        """The object that a page has for a look-up, or None. It is given once."""
        return self.kept.pop(identity, None)

    def distrust(self, look_up: Request, served: Iterable[str]) -> list[Request]:
        """Serve no more objects of a list: they lack a member that the statement reads.

        The statement forgets the objects that it has got from the list. Returns their look-ups; `served` are the
        identities of all that lists have served.
        """
        target = _list_target(look_up)
        if target in self._lists:
            self._lists[target].end()
        self.kept = {identity: body for identity, body in self.kept.items() if identity.rpartition("/")[0] != target}
        again = [replace(look_up, target=each) for each in served if each.rpartition("/")[0] == target]
        for request in again:
            self._requests.forget(request)
        return again

    def close(self) -> None:
        """Log what the pages have brought, and forget them: the statement is over."""
        for target, found in self._lists.items():
            if found.state.pages:
                log.debug("bulk reading: %d pages of %s had %d keys", found.state.pages, target, found.state.saved)
        self._lists.clear()
        self._readers.clear()
        self.kept.clear()

    def _has_room(self, response: Response) -> bool:
        size = len(response.content)
        if self._page_bytes + size > PAGE_CACHE_BYTES:
            return False
        self._page_bytes += size
        return True

    def _list_of(self, look_up: Request) -> ReadList:
        target = _list_target(look_up)
        if target not in self._lists:
            self._lists[target] = ReadList(look_up)
        return self._lists[target]

    def _observed(self, found: ReadList) -> Seconds:
        return self._workers.observed.seconds(found.look_up.route, found.route)

    def _request_page(self, found: ReadList, *, predicted: bool) -> bool:
        """Request the next page of a list if it pays."""
        workers, observed = self._workers, self._observed(found)
        now = workers.clock.monotonic()
        if (
            found.is_over
            or now < workers.client.changed_at + READ_AFTER_WRITE_SECONDS
            or not next_page_pays(found.state, observed, workers.size)
            or not self._needed(found).are_known
        ):
            return False
        page = found.begin_page(now + patience(found.state, observed, workers.size))
        if not self._requests.start(page, predicted):
            found.share_page()
        return True

    def _needed(self, found: ReadList) -> NeededMembers:
        """The members that the statement reads of the objects of a list."""
        return NeededMembers.of_all(self._readers.get(found.look_up.route, {}).values())

    def _served(
        self, found: ReadList, waiting: dict[str, T], keys: Mapping[str, str], needed: NeededMembers
    ) -> deque[tuple[T, Object]]:
        """Serve the look-ups of an IN list from the page that has come."""
        served: deque[tuple[T, Object]] = deque()
        is_sent, serve = self._requests.is_sent, self._requests.serve
        needed_by_all = self._needed(found)
        others_wait = found.is_joined or len(self._scans) > 1
        for identity, item in self._objects(found):
            if identity in waiting and not is_sent(identity):
                if not needed.are_in(item) or not has_keys(item, keys):
                    found.end()
                elif (listed := _listed(item)) is not None:
                    serve(identity, listed)
                    served.append((waiting.pop(identity), item))
            elif others_wait:
                self._keep_if_needed(found, identity, item, needed_by_all)
        found.state.add_page(len(served))
        return served

    def _keep_page(self, found: ReadList) -> None:
        """Keep the objects of a page for the look-ups of a join."""
        sent = {identity for identity in found.predicted if self._requests.is_sent(identity)}
        found.predict(found.predicted - sent)
        needed = self._needed(found)
        served = [self._keep_if_needed(found, identity, item, needed) for identity, item in self._objects(found)]
        found.state.add_page(sum(served))

    def _keep_if_needed(self, found: ReadList, identity: str, item: Object, needed: NeededMembers) -> bool:
        """Keep an object that the statement may need, and that has the members. Return whether it was predicted."""
        may_be_needed = found.is_joined and len(self.kept) < MOST_KEPT
        if not may_be_needed and not self._is_needed(found, identity):
            return False
        if not needed.are_in(item):
            return False
        is_predicted = identity in found.predicted
        found.predicted.discard(identity)
        if not self._requests.is_sent(identity):
            listed = _listed(item)
            if listed is not None:
                self.kept[identity] = listed
        return is_predicted

    def _is_needed(self, found: ReadList, identity: str) -> bool:
        """Whether a join will probably need an object, or a running IN list waits for it."""
        if identity in found.predicted:
            return True
        for scan in self._scans.values():  # noqa: SIM110 - any() takes three times as long, for each object of a page
            if identity in scan:
                return True
        return False

    def _objects(self, found: ReadList) -> Iterable[tuple[str, Object]]:
        """The objects of the page that has come, with their look-ups' identities; none if it cannot be read."""
        try:
            objects = found.read_page(self._requests, self._workers, self._has_room)
        except (APIError, APIConnectionError) as error:
            log.debug("bulk reading: %s", error)
            found.end()
            if getattr(error, "status", None) not in ABOUT_ONE_LIST:  # its retries would cost each statement time
                self._workers.observed.give_up(found.route)
            return ()
        identities = protocol.look_up_identities(found.look_up, [item["id"] for item in objects])
        return zip(identities, objects, strict=True)


def has_keys(item: Object, keys: Mapping[str, str]) -> bool:
    """Return whether an object of a list has these keys. It need not repeat them."""
    for source, key in keys.items():  # noqa: SIM110 - all() takes three times as long, for each object of a page
        if item.get(source) not in (None, key):
            return False
    return True


def _listed(item: Object) -> Listed | None:
    """The object as it is kept; None if it is nested too deeply."""
    try:
        return Listed(marshal.dumps(item))
    except ValueError:
        return None


def _list_target(look_up: Request) -> str:
    return look_up.target.rpartition("/")[0]
