"""Which outcomes of a request are retried, and after how many seconds.

Waits are 0.5, 1, 2 … 8 s (with jitter), or what Retry-After says:

    request           no connection   broken or timed out   429   408, 409, 500 and above   503
    idempotent        yes             yes                   yes   yes                       yes
    not idempotent    yes             no                    yes   no                        when it says "overloaded"

Both are retried when the response says that a file is absent which was uploaded a moment ago (Request.new_files).
A 429 is retried as long as the statement has `rate_limit_wait` left, everything else up to `max_retries` times. The
server's x-should-retry can forbid a retry, and ask for one where the request is idempotent. A 429 whose code needs a
person (insufficient_quota, …) is never retried, nor is any response to a request that is optional.

>>> wait_before_retry(Request("GET", "/files"), Response(503, {"retry-after": "7"}, b"", base_url), attempt=0)
7.0
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace

from .. import protocol
from ..clock import Clock
from ..protocol import Request, Response
from ..settings import Settings
from .failures import Failure
from .limits import ConcurrencyLimiter, WaitBudget

TOO_MANY_REQUESTS, OVERLOADED = 429, 503
RETRIED = frozenset({408, 409, 429})  # and every status of 500 and above: a CDN in front answers 520 to 530
SERVER_ERROR = 500
NEEDS_A_PERSON = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds
LONGEST_RETRY_AFTER = 120.0  # seconds; the OpenAI SDK's bound
LONGEST_BELIEVED = 366 * 86400.0  # seconds; a longer time counts as no usable answer
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")

Outcome = Response | Failure  # of one attempt


class Attempts:
    """The attempts of one request: whether another one follows, and whether one of them may have been carried out."""

    __slots__ = (
        "_budget",
        "_clock",
        "_failures",
        "_limiter",
        "_limits",
        "_request",
        "_settings",
        "count",
        "sent",
        "uncertain",
    )

    def __init__(
        self,
        request: Request,
        settings: Settings,
        limiter: ConcurrencyLimiter,
        wait_budget: WaitBudget,
        clock: Clock,
    ) -> None:
        self._request = request
        self._settings = settings
        self._limiter = limiter
        self._budget = wait_budget
        self._clock = clock
        self._failures = 0
        self._limits = 0
        self.count = 0  # of the attempts that were followed by another one
        self.sent = False  # an attempt may have left this machine
        self.uncertain = False  # an attempt without a usable response may have been carried out

    def judge(self, outcome: Outcome, began: float) -> tuple[Outcome, float | None]:
        """Return the outcome (with its note) and the seconds until the retry; None means no retry.

        Counts the attempt, which began at `began`, and tells the limiter of a rate limit.
        """
        limited = False
        visible_in = 0.0  # seconds until a new file that the response calls absent must be visible
        self.sent |= getattr(outcome, "sent", True)
        if isinstance(outcome, Response):
            if self.uncertain:
                outcome = replace(outcome, uncertain=True)
            limited = outcome.status == TOO_MANY_REQUESTS
            if not limited:
                self._limiter.record(began, None)
            if outcome.status < 400:
                return outcome, None
            visible_in = protocol.visible_by(self._request, outcome) - self._clock.monotonic()
        is_early = visible_in > 0
        wait = wait_before_retry(self._request, outcome, self._limits if limited else self._failures, is_early=is_early)
        if wait is not None and is_early:
            wait = min(wait, visible_in)
        if wait is not None and self._request.optional and isinstance(outcome, Response):
            # others are not stopped either: if the limit is theirs, too, they will get their own 429
            outcome, wait = replace(outcome, given_up=True), None
        if limited and isinstance(outcome, Response):
            # up to what a statement may wait: the next statement will get its own 429
            self._limiter.record(began, min(wait or 0.0, self._settings.rate_limit_wait))
            if wait is not None and not self._budget.allows(wait):
                return replace(outcome, note=self._out_of_budget(wait)), None
        if wait is None or (not limited and self._failures == self._settings.max_retries):
            return outcome, None
        self.count += 1
        self._limits += limited
        self._failures += not limited
        # other requests are only retried if they were certainly not carried out
        self.uncertain |= self._request.idempotent and not (limited or is_early) and getattr(outcome, "sent", True)
        return outcome, wait

    def _out_of_budget(self, wait: float) -> str:
        return (
            f"the statement has waited {self._budget.waited:.0f} s for rate limits, and would have to wait {wait:.1f} "
            f"s more; raise rate_limit_wait, which is {self._settings.rate_limit_wait:g} s for a statement"
        )


def wait_before_retry(
    request: Request, outcome: Outcome, attempt: int, now: float | None = None, *, is_early: bool = False
) -> float | None:
    """Return the seconds to wait before the retry; None if the outcome stands.

    `attempt` counts the earlier attempts: for a 429 those that met a limit, otherwise those that failed. `now` is the
    present in Unix seconds, for a Retry-After that is a date; by default the real one. `is_early` says that a file
    which the response calls absent was uploaded a moment ago.
    """
    if isinstance(outcome, Failure):
        may_retry = (request.idempotent or not outcome.sent) and not outcome.advice and outcome.status is None
        return back_off(attempt) if may_retry else None
    if outcome.status < 400:
        return None
    code, told = protocol.error_code(outcome), outcome.headers.get("x-should-retry", "").strip().lower()
    limited = outcome.status == TOO_MANY_REQUESTS
    passes = is_early or outcome.status in RETRIED or outcome.status >= SERVER_ERROR
    if code in NEEDS_A_PERSON or told == "false" or not (passes or told == "true"):
        return None
    overloaded = outcome.status == OVERLOADED and protocol.certainly_refused(outcome.status, code)
    if not request.idempotent and not (limited or overloaded or is_early):
        return None
    asked = retry_after(outcome, now)
    if asked is None:
        return back_off(attempt)
    if limited:  # even if the server keeps saying "at once", the pauses grow
        return max(asked, back_off(attempt - 1) if attempt else 0.0)
    return asked if asked <= LONGEST_RETRY_AFTER else None


def back_off(attempt: int) -> float:
    """Seconds to wait when the server does not say how long: longer each time, and with jitter."""
    return min(FIRST_WAIT * 2.0 ** min(attempt, 10), LONGEST_WAIT) * (1 - 0.25 * random.random())  # noqa: S311 - jitter


def retry_after(response: Response, now: float | None = None) -> float | None:
    """Seconds that the server asks to wait, from retry-after-ms or Retry-After (seconds or a date).

    None when it gives neither, or nothing that can be used: a header never hides the response that it came with.
    `now` is the present in Unix seconds, by default the real one.
    """
    milliseconds = duration(response.headers.get("retry-after-ms", ""), unit=0.001)
    if milliseconds is not None:
        return milliseconds
    text = response.headers.get("retry-after", "")
    seconds = duration(text)
    return _seconds_until(text, time.time() if now is None else now) if seconds is None else seconds


def duration(text: str, unit: float = 1.0) -> float | None:
    """The seconds that a header's number stands for, in units of `unit` seconds; None unless it is usable.

    Usable are decimal numbers in ASCII, not negative, up to LONGEST_BELIEVED.
    """
    seconds = float(text) * unit if _NUMBER.fullmatch(text.strip()) else LONGEST_BELIEVED + 1
    return seconds if seconds <= LONGEST_BELIEVED else None


def _seconds_until(date: str, now: float) -> float | None:
    """Seconds from `now` until a date of HTTP, 0 for a past one; None unless it is a date that can be believed."""
    from email.utils import parsedate_to_datetime  # takes long to import

    try:
        seconds = max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError, OSError):  # no date, or one beyond datetime's or the platform's range
        return None
    return seconds if seconds <= LONGEST_BELIEVED else None
