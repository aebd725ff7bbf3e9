"""Asks again and again for objects until they are settled: finished, visible, or out of time.

>>> poll_until(session, lambda request, response: is_finished(response), requests, session.deadline(600.0))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..progress import ProgressReporter
from ..protocol import Request, Response
from ..transport.limits import INTERRUPT_POLL_SECONDS
from ..transport.retries import duration
from .statement import NOT_READ, StatementSession

FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 0.5, 1.5, 5.0  # seconds, unless the API says openai-poll-after-ms
LONGEST_HINT = 60.0  # seconds


def poll_until(
    session: StatementSession,
    settled: Callable[[Request, Response], bool],
    requests: Iterable[Request],
    deadline: float,
    report: Callable[[ProgressReporter], None] | None = None,
) -> None:
    """Send all requests again and again, together, until each is settled or the deadline has come.

    `deadline` is on the clock of the session's pool. The session keeps the last responses. The pause is what the API
    asks for each time, otherwise it grows. `report` reports how far they are, in place of the number of requests.
    """
    pending = {request.identity: request for request in requests}
    pauses, total = growing_pauses(), len(pending)
    meter = session.meter
    while True:
        for request in pending.values():
            session.start(request)
        hints = []
        for identity, request in list(pending.items()):
            if _is_settled(session, request, settled):
                del pending[identity]
            else:
                hints.append(poll_after(session.response(request)))
        remaining = deadline - session.workers.clock.monotonic()
        if not pending or remaining <= 0:
            if meter is not None:
                meter.waited()
            return
        if meter is not None and report is not None:
            report(meter)
        elif meter is not None:
            meter.waits(total - len(pending), total)
        asked = max((hint for hint in hints if hint is not None), default=None)
        usual = next(pauses)
        session.workers.pause(min(usual if asked is None else asked, remaining), meter)
        for request in pending.values():
            session.forget(request)


def _is_settled(session: StatementSession, request: Request, settled: Callable[[Request, Response], bool]) -> bool:
    """Return True if polling has nothing to wait for, also because the response is an error that becomes a row."""
    try:
        return settled(request, session.response(request))
    except NOT_READ:
        if not session.skip_unreadable:
            raise
        return True


def growing_pauses() -> Iterator[float]:
    """Yield the pauses between the looks of a wait, in seconds."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)


def poll_after(response: Response) -> float | None:
    """Seconds that the API asks to wait before the next look, bounded; None when it gives no usable number."""
    seconds = duration(response.headers.get("openai-poll-after-ms", ""), unit=0.001)
    return None if seconds is None else min(max(seconds, INTERRUPT_POLL_SECONDS), LONGEST_HINT)
