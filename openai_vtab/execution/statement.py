"""The requests and responses of one SQL statement, each sent once, so that the statement sees one snapshot.

>>> session = StatementSession(workers)
>>> [session.response(request) for _, request in session.prefetch(keys, build)]
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

import apsw

from ..errors import APIConnectionError, APIError
from ..protocol import NO_HEADERS, Object, PageParameters, Request, Response
from ..schema.spool import Spooled
from ..transport.limits import WaitBudget
from .bulk_reads import BulkReads
from .download_cache import DownloadCache, Downloaded
from .parsed_responses import ParsedResponses, is_large, without_unneeded_headers
from .prefetch import prefetched
from .read_ahead import ReadAhead
from .read_list import Listed
from .workers import OK, WorkerPool

log = logging.getLogger("openai_vtab")

NOT_READ = (APIError, APIConnectionError)  # other keys and lists may still be readable after one of these
WINDOW_FACTOR = 2  # times max_concurrency: how many requests of an IN list are sent before their rows are read

T = TypeVar("T")
ListPosition = tuple[Request, PageParameters | None, int]  # a page, and how many rows of its list precede it


class StatementSession:
    """The requests and responses of one statement.

    Each request is sent once, except for downloads and pages that do not fit into their caches, and downloads that were
    predicted in vain. With `skip_unreadable`, a key or list that cannot be read becomes an error row. `assume_exists`:
    in a dry run of an UPDATE or DELETE, an object that is named by its keys is taken to exist. `read_ahead` makes the
    read-ahead of the session. `on_cached` is told at the end how often a response was used again.
    """

    def __init__(
        self,
        workers: WorkerPool,
        *,
        skip_unreadable: bool = False,
        assume_exists: bool = False,
        read_ahead: Callable[[StatementSession], ReadAhead] | None = None,
        on_cached: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.workers = workers
        self.skip_unreadable = skip_unreadable
        self.assume_exists = assume_exists
        self.meter = workers.meter()
        self.not_read: set[str] = set()  # identities of requests whose keys or lists could not be read
        self.not_reached: dict[str, str] = {}  # route: why it is not known to be the API's (undecided_404.py)
        self._on_cached = on_cached
        self._cached = 0
        self._wasted: set[str] = set()  # identities of requests that were predicted in vain
        self._wait_budget = workers.wait_budget()
        self._is_over = False
        # By identity. A request moves from the first to the second; both share its string: 4 MB less at 50,000 keys.
        self._futures: dict[str, tuple[str, Future[Response]]] = {}
        self._responses: dict[str, Response | bytes | Spooled] = {}
        self._parsed = ParsedResponses(workers.parse)
        self._downloads = DownloadCache()
        self._deadlines: dict[float, float] = {}
        self.replayed: dict[str, ListPosition] = {}  # where the replays of lists continue, by the lists' first pages
        settings = workers.client.settings
        self.bulk = BulkReads(self, workers) if settings.bulk_reading and not settings.dry_run else None
        self._read_ahead = None if read_ahead is None else read_ahead(self)

    @property
    def wait_budget(self) -> WaitBudget:
        """The WaitBudget that the requests share.

        A new one once the statement is over: a cursor that SQLite has opened late may send requests after that.
        """
        if self._is_over:
            self._wait_budget, self._is_over = self.workers.wait_budget(), False
        return self._wait_budget

    def start(self, request: Request, predicted: bool = False) -> bool:
        """Send the request, and wait for its response later. Returns False if it was sent or served before."""
        identity = request.identity
        for sent in (self._futures, self._responses, self._downloads):
            if identity in sent:
                return False
        if self.bulk is not None and self.bulk.kept and (listed := self.bulk.take(identity)) is not None:
            self.serve(identity, listed)
            return False
        budget = self.wait_budget if self._is_over else self._wait_budget
        self._futures[identity] = identity, self.workers.send(request, budget, predicted)
        return True

    def predict(self, request: Request) -> bool:
        """The same for a request that read-ahead expects the statement to send, unless it was wrong about it before."""
        return request.identity not in self._wasted and self.start(request, predicted=True)

    def add_expected_keys(self, keys: int) -> None:
        """Tell the progress that `keys` keys of an IN list are about to be looked up."""
        if self.meter is not None:
            self.meter.expect(keys)

    def look_up(self, request: Request, *, alone: bool) -> bool:
        """Send the request; if it is `alone`, also those that the statement will probably send next. Returns True."""
        if request.identity not in self._futures:
            self.start(request)
        if self._read_ahead is not None and alone:
            self._read_ahead.looked_up(request, is_served=isinstance(self._responses.get(request.identity), Listed))
        elif self._read_ahead is not None:
            self._read_ahead.used(request)
        return True

    def is_sent(self, identity: str) -> bool:
        """Return True if a request with this identity was sent before, or a page has served it."""
        return identity in self._futures or identity in self._responses

    def serve(self, identity: str, listed: Listed) -> None:
        """Take an object of a list as the response to a look-up."""
        self._responses[identity] = listed
        self._count_response("keys")

    def listed(self, request: Request) -> Object | None:
        """Return the object of a list that has served the look-up; None if the look-up was or will be sent."""
        kept = self._responses.get(request.identity)
        return kept.object if isinstance(kept, Listed) else None

    def is_answered(self, request: Request) -> bool:
        """Return True if the request's response is there without waiting."""
        identity = request.identity
        return identity in self._responses or (identity in self._futures and self._futures[identity][1].done())

    def is_large(self, request: Request) -> bool:
        """Return True if the response, which has come, is large to parse. Raises the error of a failed request."""
        identity = request.identity
        kept = self._responses[identity] if identity in self._responses else self._futures[identity][1].result()
        return is_large(kept.content if isinstance(kept, Response) else kept)

    def is_answered_by(self, deadline: float, request: Request) -> bool:
        """Wait for the response until the clock of the pool reaches `deadline`. Return True if it is there."""
        if self.is_answered(request):
            return True
        return self._wait(lambda: self.workers.is_done_by(deadline, self._futures[request.identity][1], self.meter))

    def response(self, request: Request) -> Response:
        """Return the response to the request, which is sent now unless it was sent before. Raises why there is none."""
        identity = request.identity
        kept = self._responses.get(identity)
        if isinstance(kept, (bytes, Spooled)):
            self._cached += 1
            content = json.dumps(kept.object).encode() if isinstance(kept, Listed) else kept
            return Response(OK, NO_HEADERS, content, self.workers.client.base_url)
        if kept is not None:
            return kept
        if identity not in self._futures:
            self._downloads.forget(identity)  # it has the content, not the response
            if not self.start(request):
                return self.response(request)
        stored_identity, future = self._futures[identity]
        on_wait = self._read_ahead.waits if self._read_ahead is not None and request.absent_is_none else None
        response = self._wait(partial(self.workers.wait, future, self.meter, on_wait))
        if response.given_up and not request.optional:  # it was bulk reading's, which can do without
            self.forget(request)
            return self.response(request)
        self._count_response("keys" if request.absent_is_none else "pages")
        if response.note and self._answered():
            response = replace(response, note=f"{response.note}; {self._answered()} earlier requests had a response")
        del self._futures[identity]
        self._responses[stored_identity] = response
        return response

    def _wait(self, wait: Callable[[], T]) -> T:
        try:
            return wait()
        except (apsw.InterruptError, KeyboardInterrupt):  # the statement is over, even if its cursor lives on
            self._wait_budget.cancelled.end_reads()
            raise

    def _count_response(self, what: str) -> None:
        if self.meter is not None:
            self.meter.came(what, self._read_ahead.known if self._read_ahead is not None else None)

    def _answered(self) -> int:
        """How many of the statement's requests have a response other than a 429 that used up the wait budget."""
        done = [future for _, future in self._futures.values() if future.done() and not future.cancelled()]
        responses = [future.result() for future in done if future.exception() is None]
        kept = (*responses, *self._responses.values())
        return sum(not isinstance(response, Response) or not response.note for response in kept)

    def parse_once(self, request: Request, parse: Callable[[Response], T]) -> T:
        """Parse the response once for all rows of a join that need it, as long as the cache has room."""
        identity = request.identity
        if (found := self._parsed.results.get(identity)) is not None:
            self._cached += 1
            return cast(T, found[0])
        response = self.response(request)
        keeps = response.status == OK and isinstance(self._responses[identity], Response)
        parsed, body = self._parsed.parse(identity, response, parse, keeps=keeps)
        if keeps:
            self._responses[identity] = body
        elif response.status != OK:
            self._responses[identity] = without_unneeded_headers(response, body)
        if not isinstance(response.content, bytes):
            response.content.close()
        return parsed

    def download(self, request: Request, parse: Callable[[Response], Downloaded]) -> Downloaded:
        """The content in the response. The latest are cached for a join; for others, the request is sent again."""
        identity = request.identity
        if identity not in self._downloads:
            response = self.response(request)
            self._downloads.add(identity, len(response.content), partial(self.workers.parse, response, parse))
            _close_body(self._responses.pop(identity))
        return self._downloads[identity]

    def forget(self, request: Request) -> None:
        """Drop the response, or cancel the request if it has not begun. The next `start` sends it again."""
        identity = request.identity
        if (sent := self._futures.pop(identity, None)) is not None:
            self.workers.cancel(sent[1])
        _close_body(self._responses.pop(identity, None))
        self._parsed.forget(identity)

    def distrust(self, request: Request) -> None:
        """Have this object looked up, and all others of its list: the list lacks a member that the statement reads."""
        if self.bulk is not None:
            served = [identity for identity, kept in self._responses.items() if isinstance(kept, Listed)]
            again = self.bulk.distrust(request, served)
            if self._read_ahead is not None:
                self._read_ahead.put_back(again)

    def waste(self, request: Request) -> None:
        """Forget a request that was predicted, and whose response the statement does not read."""
        self.forget(request)
        self._wasted.add(request.identity)

    def record_unreadable(self, request: Request, error: Exception) -> None:
        """Note that the request's key or list cannot be read. Raises the error again, unless `skip_unreadable`."""
        if not self.skip_unreadable:
            raise error
        self.not_read.add(request.identity)

    def deadline(self, seconds: float) -> float:
        """When a wait of `seconds` ends, on the pool's clock: one for the whole statement, from its first wait on."""
        return self._deadlines.setdefault(seconds, self.workers.clock.monotonic() + seconds)

    def prefetch(
        self, items: Iterable[T], request: Callable[[T], Request | None]
    ) -> Iterator[tuple[T, Request | None]]:
        """The items with their requests, in order; WINDOW_FACTOR says how many are sent ahead."""
        return prefetched(items, request, self.start, WINDOW_FACTOR * self.workers.size, self.meter)

    def close(self) -> None:
        """End the statement: cancel what has not begun, and forget everything."""
        self._wait_budget.cancelled.set()
        if self._futures and self.workers.interrupted():  # between two rows
            self._wait_budget.cancelled.end_reads()
        self._is_over = True
        if self.meter is not None:
            self.meter.close()
        if self._cached:
            self._on_cached(self._cached)
            self._cached = 0
        if self.not_read:
            log.warning(
                "%d keys or lists could not be read: look at the column error of their rows", len(self.not_read)
            )
        self.not_read.clear()
        self.not_reached.clear()
        self._deadlines.clear()
        self.replayed.clear()
        for _, future in self._futures.values():
            self.workers.cancel(future)
        self._futures.clear()
        for kept in self._responses.values():
            if isinstance(kept, Response):  # most are bodies by now, and need no call
                _close_body(kept)
        self._responses.clear()
        self._parsed.close()
        self._downloads = DownloadCache()
        if self.bulk is not None:
            self.bulk.close()
        self._wasted.clear()
        if self._read_ahead is not None:
            self._read_ahead.close()
            self._read_ahead = None


def _close_body(kept: object) -> None:
    """Close the file of a response's body, if it is in one."""
    if isinstance(kept, Response) and not isinstance(kept.content, bytes):
        kept.content.close()
