"""What goes wrong at a request: a fault, an interrupt of the statement, or the death of its process.

>>> sandbox._server.faults.add(Strike(lambda: os.kill(pid, signal.SIGKILL), Slow(0.05), "upload", after=1))
"""

from __future__ import annotations

from collections.abc import Callable

from openai_vtab.sandbox import Answer, Cut, Drip, Raw, Slow, Status
from openai_vtab.sandbox.faults import Fault
from openai_vtab.sandbox.injection import Injection

from ...documents import handbook

TIMEOUT = 0.25  # seconds, of a request
STEPS = {"any": (None, None), "read": ("GET", None), **handbook.STEPS}
FAULTS: dict[str, Fault] = {
    "400": Status(400),
    "408": Status(408),
    "409": Status(409),
    "429": Status(429, code="insufficient_quota"),
    "rate limit": Status(429, headers={"retry-after": "1"}),
    "500": Status(500),
    "500 carried out": Status(500, carried_out=True),
    "503": Status(503, code="server_is_overloaded"),
    "cut before": Cut("accept"),
    "cut before the response": Cut("answer"),
    "cut in the headers": Cut("headers"),
    "cut in the body": Cut("body"),
    "no HTTP": Raw(b"nonsense\r\n\r\n"),
    "no HTTP, carried out": Raw(b"nonsense\r\n\r\n", carried_out=True),
    "no JSON": Answer(b"<html>"),
    "no JSON, carried out": Answer(b"<html>", carried_out=True),
    "drip": Drip(0.0002),
    "too slow": Slow(TIMEOUT + 0.1),
}


def injection(fault: str, step: str, times: int, after: int) -> Injection:
    """A fault for some requests of a step."""
    return Injection(FAULTS[fault], times, *STEPS[step], after)


class Strike(Injection):
    """Calls a function when a request of a step arrives, and gives it a fault."""

    def __init__(self, strike: Callable[[], None], fault: Fault, step: str, after: int) -> None:
        super().__init__(fault, 1, *STEPS[step], after)
        self._strike = strike

    def takes(self, method: str, path: str) -> bool:
        """Whether this is the request."""
        taken = super().takes(method, path)
        if taken:
            self._strike()
        return taken
