"""The client: sends a request, retries it where that is safe, and returns the response or raises an exception.

It waits for the server's limits (limits.py, minute_limits.py), retries requests (retries.py), removes the API key from
responses (redaction.py), and records each request (request_log.py).

>>> Client(Settings(base_url="http://127.0.0.1:8080/v1")).send(Request("GET", "/files"), WaitBudget(300))
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import nullcontext
from dataclasses import replace

from .. import protocol
from .._version import __version__
from ..clock import REAL, Clock
from ..errors import APIConnectionError, APIError, APITimeoutError, ConfigurationError
from ..protocol import NO_HEADERS, NOT_SENT, Request, Response
from ..protocol.multipart import Upload
from ..settings import Settings, key_origin, known_key, revealed
from .failures import Failure
from .http_transport import HTTPTransport, Transport
from .limits import CancelFlag, ConcurrencyLimiter, WaitBudget
from .minute_limits import MinuteLimits
from .redaction import SHORTEST_IN_DATA, KnownKey, RecentKeys, redact_all, redact_response
from .request_log import RequestLog, RequestRecord, shown
from .retries import TOO_MANY_REQUESTS, Attempts, Outcome

log = logging.getLogger("openai_vtab")

UNAUTHORIZED = 401


class Client:
    """Sends requests to one base URL, up to `max_concurrency` at once; used from many threads.

    A test may give its own `transport`, so that no server is needed, and its own `clock`, so that no wait takes time.
    """

    def __init__(self, settings: Settings, *, transport: Transport | None = None, clock: Clock = REAL) -> None:
        self.settings = settings
        self.base_url = settings.checked_base_url()
        self._clock = clock
        self._limiter = ConcurrencyLimiter(settings.max_concurrency, clock)
        self._minute_limits = MinuteLimits(settings, clock)
        self.log = RequestLog()
        self.changed_at = -math.inf  # when something was last changed at the API, on the clock
        self._keys = RecentKeys(settings)
        self._http = HTTPTransport(settings, self.base_url, clock)
        self._open = self._http.open if transport is None else lambda kept_alive: transport
        self._turn = self._http.turn if transport is None else lambda _: nullcontext()
        beta = {"OpenAI-Beta": settings.openai_beta} if settings.openai_beta else {}
        self._beta = settings.without_overridden(beta)  # for vector stores
        self._headers = settings.without_overridden(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"openai_vtab/{__version__}",
                **settings.account_headers(),
            }
        )

    def send(
        self,
        request: Request,
        wait_budget: WaitBudget,
        predicted: bool = False,
        on_send: Callable[[], bool] | None = None,
    ) -> Response:
        """Return the response, whatever its status.

        Raises APIError, APIConnectionError, APITimeoutError or ConfigurationError, whose attribute `sent` is False if
        the request certainly never left this machine. Once `wait_budget` is cancelled, nothing is sent or retried any
        more: raises CancelledError if nothing was sent, and otherwise the last attempt stands. `predicted` tells the
        log that read-ahead asked. `on_send` is called before each attempt, when its first byte is about to leave;
        nothing is sent if it returns False.
        """
        if self.settings.dry_run:
            return self._show(request, predicted)
        limits = self._minute_limits
        counted = limits.wait(request, wait_budget.cancelled) if request.changes else limits.nothing
        if counted is None:
            raise CancelledError
        attempts = Attempts(request, self.settings, self._limiter, wait_budget, self._clock)
        try:
            if request.idempotent:
                return self._send(request, attempts, wait_budget.cancelled, predicted, on_send)
            with self._turn(wait_budget.cancelled) as on_wait:
                counted.recount()
                return self._send(request, attempts, wait_budget.cancelled, predicted, on_send, on_wait)
        finally:
            if not attempts.sent:
                counted.release()
            elif request.changes:
                self.changed_at = self._clock.monotonic()

    def _send(
        self,
        request: Request,
        attempts: Attempts,
        cancelled: CancelFlag,
        predicted: bool,
        on_send: Callable[[], bool] | None,
        on_wait: Callable[[], None] | None = None,
    ) -> Response:
        """Send a request until its outcome stands; returns and raises as `send`."""
        keys: list[KnownKey] = []  # one for each attempt
        record: RequestRecord | None = None
        outcome: Outcome | None = None
        while (began := self._limiter.acquire(cancelled, on_wait)) is not None:
            try:
                attempt = self._attempt(request, keys, record, cancelled, predicted, on_send)
            except BaseException as error:  # this attempt was not sent
                if record is not None:
                    record.end(retries=attempts.count, error=redact_all(str(error), keys, SHORTEST_IN_DATA))
                if attempts.uncertain and isinstance(error, ConfigurationError):
                    raise ConfigurationError(str(error), sent=True) from None
                raise
            finally:
                self._limiter.release(cancelled)
            if attempt is None:
                break
            record, outcome = attempt
            outcome, wait = attempts.judge(outcome, began)
            if wait is None:
                break
            self._log_retry(request, outcome, wait, keys)
            if cancelled.wait(wait):
                break
        if record is None or outcome is None:
            raise CancelledError
        return self._finish(request, record, outcome, attempts, keys)

    def _attempt(
        self,
        request: Request,
        keys: list[KnownKey],
        record: RequestRecord | None,
        cancelled: CancelFlag,
        predicted: bool,
        on_send: Callable[[], bool] | None,
    ) -> tuple[RequestRecord, Outcome] | None:
        """Send a request once; None if it must not be sent. Appends the key that it was sent with to `keys`.

        When this raises an exception, the attempt was not sent. Nothing is raised once the header with the key is a
        local variable: a traceback would show it.
        """
        send = self._open(request.idempotent)
        if isinstance(request.body, Upload):
            self._begin(request, request.body)
        key = self._keys.next_key()
        if on_send is not None and not on_send():
            return None
        keys.append(key)
        if record is None:
            record = self.log.begin(request.method, key.redact(request.target), predicted)
        latest = self._keys.latest
        known = latest if len(keys) == 1 and key in latest else tuple(dict.fromkeys([*keys, *latest]))
        beta = self._beta if request.target.startswith("/vector_stores") else NO_HEADERS
        own = revealed(given) if (given := self.settings.default_headers) else NO_HEADERS
        headers = {**self._headers, **beta, **own, **request.headers, **key.headers}
        try:
            outcome = send(request, self.settings.timeout, headers, cancelled)
            if isinstance(outcome, Response):
                outcome = redact_response(outcome, known)
                if outcome.status == UNAUTHORIZED:
                    outcome = replace(
                        outcome, note=f"check the key, which {key.length}comes from {key_origin(self.settings.api_key)}"
                    )
        except BaseException as error:
            from .exceptions import failure_of  # with ssl and urllib3, as in http_transport.py

            outcome = failure_of(error, sent=True)
        if isinstance(outcome, Failure) and not outcome.is_local:
            outcome = replace(outcome, problem=redact_all(outcome.problem, known))
        return record, outcome

    def _log_retry(self, request: Request, outcome: Outcome, wait: float, keys: Sequence[KnownKey]) -> None:
        """Log why the request is sent again in `wait` seconds: until then, nothing else tells a user."""
        if not log.isEnabledFor(logging.INFO):
            return
        limit = f"up to {self.settings.max_retries} times"
        if isinstance(outcome, Response):
            problem = f"answered {outcome.status}"
            if outcome.status == TOO_MANY_REQUESTS:
                limit = f"for up to {self.settings.rate_limit_wait:g} s"
        else:
            problem = "timed out" if outcome.timed_out else outcome.problem
        text = redact_all(f"{self._named(request)}: {problem}", keys, SHORTEST_IN_DATA)
        log.info("%s; retrying %s, next in %.1f s", text, limit, wait)

    def _finish(
        self, request: Request, record: RequestRecord, outcome: Outcome, attempts: Attempts, keys: Sequence[KnownKey]
    ) -> Response:
        """Record how the request has ended, and return the response or raise why there is none."""
        if isinstance(outcome, Response):
            error = protocol.error_message(outcome) if outcome.status >= 400 else None
            warning = None
            if request.sent is not None:
                outcome, warning = self._compared(request, outcome, keys)
            record.end(
                retries=attempts.count,
                status=outcome.status,
                size=len(outcome.content),
                request_id=outcome.headers.get("x-request-id"),
                error=error and redact_all(error, keys, SHORTEST_IN_DATA),
                warning=warning,
            )
            return outcome
        failure = self._exception(request, outcome, attempts)
        text = redact_all(str(failure), keys, SHORTEST_IN_DATA)
        record.end(retries=attempts.count, status=outcome.status, error=text)
        raise failure

    def _compared(self, request: Request, response: Response, keys: Sequence[KnownKey]) -> tuple[Response, str | None]:
        """The response with what it shows otherwise than it was sent, and this as a text. Logs each difference."""
        found = protocol.unconfirmed(request, response)
        if not (found.missing or found.differences):
            return response, None
        missing, *differences = (redact_all(t, keys, SHORTEST_IN_DATA) for t in (found.missing, *found.differences))
        for difference in differences:
            log.warning("%s: %s", self._named(request), difference)
        unconfirmed = protocol.Unconfirmed(missing, tuple(differences))
        return replace(response, unconfirmed=unconfirmed), "; ".join(filter(None, [missing, *differences]))

    def _exception(self, request: Request, failure: Failure, attempts: Attempts) -> APIError | APIConnectionError:
        """The exception of a failure: its message is about the last attempt, its `sent` about all of them."""
        named = self._named(request)
        if failure.status is not None:
            return APIError(failure.problem, request=named, status=failure.status)
        sent = failure.sent or attempts.uncertain
        if failure.timed_out:
            what = f"no {'response' if failure.sent else 'connection'} within {self.settings.timeout:g} s"
            return APITimeoutError(what, request=named, sent=sent)
        if failure.sent:
            return APIConnectionError(f"the connection broke: {failure.problem}", request=named, sent=sent)
        count = attempts.count + 1
        what = f"cannot connect: {failure.problem} ({count} attempt{'' if count == 1 else 's'}); "
        what += failure.advice or failure.hint or f"check base_url ({self.base_url})"
        return APIConnectionError(what, request=named, sent=sent, lasting=bool(failure.advice))

    def _named(self, request: Request) -> str:
        return f"{request.method} {self.base_url}{request.target}"

    def _begin(self, request: Request, upload: Upload) -> None:
        """Raise APIConnectionError if a file to upload has changed since its row was inserted."""
        try:
            upload.begin()
        except OSError as error:
            raise APIConnectionError(f"not sent: {error}", request=self._named(request), sent=False) from None

    def _show(self, request: Request, predicted: bool) -> Response:
        """Log a request of a dry run instead of sending it."""
        # no variable holds the key: a log handler of the user's may raise, and its traceback would show it
        key = KnownKey(known_key(self.settings.api_key))
        record = self.log.begin(request.method, key.redact(request.target), predicted)
        record.end(error="not sent: dry run")
        log.warning("%s", key.redact(shown(request.method, request.target, request.body)), extra={"dry_run": True})
        return Response(NOT_SENT, NO_HEADERS, b"", self.base_url)

    @property
    def ahead_limit(self) -> int | None:
        """How many creates may open their connections while `max_concurrency` others are in flight.

        None until it is known whether that is of use.
        """
        return self._http.ahead_limit

    def missing(self, connections: int, requests: int) -> int:
        """How many connections to open so that there are `connections`, with those of `requests` (idle.py)."""
        return self._http.missing(connections, requests)

    def open_idle(self) -> None:
        """Open a connection that is kept alive. A failure is left to the request that needs one."""
        self._http.open_idle()

    def close_idle_resting(self) -> None:
        """Close resting connections that have been idle for too long or are in the way. A signal may interrupt this."""
        self._http.close_idle_resting()

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def close_kept_alive(self) -> None:
        """Close the idle connections that are kept alive: a response may be left over on one of them."""
        self._http.close_kept_alive()
