"""What the sandbox does wrong while the soak runs: a share of all requests is failed in a random way.

It must not know who asks. No fault here lies about a create: 409, 429 and an overloaded 503 say that nothing was
done, and nothing is.

>>> weather = Weather(random.Random(7), share=0.05); weather.takes("GET", "/files"); weather.fault
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from openai_vtab.sandbox.faults import Answer, Cut, Drip, Fault, Raw, Slow, Status
from openai_vtab.sandbox.injection import Injection

REFUSED = (409, 429)
DOUBTFUL = (408, 500, 502, 503, 504)
GARBAGE = (b"", b"<html>bad gateway</html>", b"[]", b"null", b'{"id": ', b"\xff\xfe{}", b"7", b'"text"', b"[" * 5000)
RAW = (b"", b"HTTP/1.1 200 OK\r\n", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", b"\0" * 99)


class Weather(Injection):
    """An injection that draws anew for every request whether it takes it, and what happens to it."""

    def __init__(self, chance: random.Random, share: float) -> None:
        super().__init__(Cut("accept"), None, None, None, 0)
        self.chance = chance
        self.share = share
        self.counts: Counter[str] = Counter()

    def takes(self, method: str, path: str) -> bool:
        """Whether this request fails; `fault` is then how."""
        if self.chance.random() >= self.share:
            return False
        self.fault = self.chance.choice(KINDS)(self.chance)
        self.counts[type(self.fault).__name__] += 1
        return True


def refused(chance: random.Random) -> Fault:
    """Certainly not carried out."""
    headers = {"retry-after": "0.1"} if chance.random() < 0.5 else {"retry-after-ms": "50"}
    if chance.random() < 0.3:
        return Status(503, code="server_is_overloaded", headers=headers)
    return Status(chance.choice(REFUSED), headers=headers)


def doubtful(chance: random.Random) -> Fault:
    """Carried out, or not: the answer does not tell."""
    body = chance.choice((None, b"", b"<html>oops</html>"))
    return Status(chance.choice(DOUBTFUL), body=body, carried_out=chance.random() < 0.5)


KINDS: tuple[Callable[[random.Random], Fault], ...] = (
    refused,
    doubtful,
    lambda chance: Cut(chance.choice(("accept", "answer", "headers", "body"))),
    lambda chance: Slow(chance.choice((0.2, 0.5, 1.5))),
    lambda chance: Drip(chance.choice((0.0005, 0.01))),
    lambda chance: Raw(chance.choice(RAW)),
    lambda chance: Answer(chance.choice(GARBAGE)),
)
