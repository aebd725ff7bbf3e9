"""One request of a statement, from its future to what its response means.

>>> exchange = Exchange(workers.send(request, wait_budget)); exchange.keep(response); exchange.keep_parsed(batch)
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from ..protocol import NO_HEADERS, Response

OK = 200
KEPT_HEADERS = ("x-request-id", "openai-poll-after-ms", "location")


@dataclass(slots=True, eq=False)
class Exchange:
    """A request that was sent, and how far it has come: it has a future, then a response or, of what is parsed, a body.

    A statement may keep tens of thousands: of a response that is right and was parsed, only the body is kept.
    """

    future: Future[Response] | None
    response: Response | None = None
    body: bytes = b""
    parsed: Any = None

    def keep(self, response: Response) -> None:
        """Keep the response instead of the future."""
        self.response, self.future = response, None

    def keep_parsed(self, parsed: Any) -> None:
        """Keep what the response means, and no more of the response than is needed to parse it again."""
        self.parsed = parsed
        response = self.response
        if response is not None and response.status == OK:
            self.body, self.response = response.body, None
        elif response is not None:
            headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            self.response = replace(response, headers=headers or NO_HEADERS)

    def forget_parsed(self) -> None:
        """Keep the response alone."""
        self.parsed = None
