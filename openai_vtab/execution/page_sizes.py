"""The page sizes that a server takes: a list is requested in the largest pages, and in smaller ones where it refuses.

The size is changed just before a request is sent, so that a statement knows a page by one identity, whatever its size.
What a server takes is remembered for the connection, for each route: the next statement asks for it at once.

>>> pages.send(request, request.page, send)      # GET /files?limit=10000: 400; GET /files?limit=100: 200
Response(status=200, …)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from .. import protocol
from ..protocol import PageParameters, Request, Response

log = logging.getLogger("openai_vtab")

USUAL = 100  # the most that OpenAI allows, except for files; OpenAI's own clients ask for it
UNLIMITED = 0  # stands for a request without `limit`, to which a server answers with its own page size


class PageSizes:
    """The page sizes of one connection. `given` is the setting page_size: it is sent as it is, and nothing is retried.

    Written by many threads, where a lost size costs a request.
    """

    def __init__(self, given: int | None) -> None:
        self._given = given
        self._taken: dict[str, int] = {}  # by route: the size that the server took after it had refused a larger one

    def send(self, request: Request, page: PageParameters, send: Callable[[Request], Response]) -> Response:
        """Send the request for a page; if the server refuses its limit, again with smaller ones."""
        asked = self._asked(request.route, page)
        sent = protocol.with_limit(request, asked)
        response = send(sent)
        for smaller in self._smaller(asked):
            if not protocol.refuses_limit(response):
                break
            sent = protocol.with_limit(request, smaller)
            response = send(sent)
            if 200 <= response.status < 300:
                self._taken[request.route] = smaller
                size = f"pages of {smaller}" if smaller else "pages of the server's own size"
                log.info("%s: the server refuses limit=%d, so %s are requested", request.route, asked, size)
        return response if sent.target == request.target else replace(response, target=sent.target)

    def _asked(self, route: str, page: PageParameters) -> int:
        """The limit that is sent for a page."""
        if self._given is not None:
            return self._given if page.is_whole else min(page.limit, self._given)
        taken = self._taken.get(route, page.limit)
        return min(page.limit, taken) if taken else UNLIMITED

    def _smaller(self, asked: int) -> Iterator[int]:
        """The limits to try, one after the other, when the server has refused one."""
        if self._given is None and asked > USUAL:
            yield USUAL
        if self._given is None and asked:
            yield UNLIMITED
