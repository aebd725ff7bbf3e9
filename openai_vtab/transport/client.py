"""The only way out: sends a request, repeats it where that is safe, returns the answer or says why there is none.

It must not know SQLite, tables or what an answer means. Of requests it uses (in pool.py) the connection pools and
what they know of proxies and certificates, not its Session, whose netrc look-up would replace the key, whose cookies
would be kept, and whose redirects would carry the key away; and not its adapter for every request, which would look
for the same pool again each time: a third of the processor time of one.

What is repeated, waiting 0.5, 1, 2 … 8 s (with jitter) or what Retry-After says:

    request           no connection   broken or timed out   429   408, 409, 500 and above   503
    repeatable        yes             yes                   yes   yes                       yes
    not repeatable    yes             no                    yes   no                        when it says "overloaded"

A 429 as long as the statement has `rate_limit_wait` left, the rest up to `max_retries` times. The server's
x-should-retry can forbid it, and ask for it where repeating is safe. A 429 whose code needs a person
(insufficient_quota, …) is never repeated.

>>> Client(Settings(base_url="http://127.0.0.1:8080/v1")).send(Request("GET", "/files"), Patience(300))
"""

from __future__ import annotations

import logging
import random
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .. import protocol
from .._version import __version__
from ..clock import REAL, Clock
from ..errors import APIConnectionError, APIError, APITimeoutError
from ..protocol import NO_HEADERS, NOT_SENT, Request, Response
from ..protocol.multipart import Upload
from ..settings import Secret, Settings
from .limits import AttachQuota, ConcurrencyLimiter, WaitBudget
from .request_log import Log, Record, answer_without_key, header_without_key, shown, without_headers, without_key

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3

log = logging.getLogger("openai_vtab")

UNAUTHORIZED, TOO_MANY_REQUESTS, OVERLOADED = 401, 429, 503
REPEATED = frozenset({408, 409, 429})  # and every status of 500 and above: a CDN in front answers 520 to 530
SERVER_ERROR = 500
NEEDS_A_PERSON = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds
LONGEST_RETRY_AFTER = 120.0  # seconds; the OpenAI SDK's bound
LONGEST_BELIEVED = 366 * 86400.0  # seconds: a server that asks for more than a year has said nothing
OTHER_NAME = frozenset({62, 64})  # OpenSSL's codes of a certificate that is for another name or IP address
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
CHUNK = 65536  # bytes
KEYS_KEPT = 8  # the latest keys of a function, for which the answers to other requests are searched

Outcome = Response | APIConnectionError | APIError  # of one attempt


class Client:
    """Connections to one base URL, up to `max_concurrency` kept alive; used from many threads at once."""

    def __init__(self, settings: Settings, *, clock: Clock = REAL) -> None:
        self.settings = settings
        self.clock = clock
        self.base_url = settings.checked_base_url()
        self.limiter = ConcurrencyLimiter(settings.max_concurrency, clock)
        self.attaching = AttachQuota(settings.attach_requests_per_minute, settings.attach_files_per_minute, clock)
        self.log = Log()
        self._latest_keys: deque[Secret] = deque(maxlen=KEYS_KEPT)
        self._headers = {
            "Accept": "application/json",
            "User-Agent": f"openai_vtab/{__version__}",
            **settings.account_headers(),
        }
        self._opening = threading.Lock()
        self._pools: dict[bool, tuple[urllib3.HTTPConnectionPool, str]] = {}

    def send(
        self,
        request: Request,
        wait_budget: WaitBudget,
        predicted: bool = False,
        on_send: Callable[[], bool] | None = None,
    ) -> Response:
        """The answer, whatever its status. Raises APIError, APIConnectionError, APITimeoutError, ConfigurationError.

        An exception whose attribute `sent` is False says that the request certainly never left this machine.
        Nothing is begun or repeated any more once `wait_budget` is cancelled (CancelledError): the statement that asked
        is gone. `predicted` is what the log says of who asked. `on_send` is called before each attempt, when its first
        byte is about to leave; nothing is sent when it returns False. This is the one place where a dry run ends.
        """
        if self.settings.dry_run:
            return self._not_sent(request, predicted)
        if request.attached_files is not None:
            self._wait_to_attach(*request.attached_files, wait_budget)
        record: Record | None = None
        outcome: Outcome | None = None
        tries = _Tries()
        while (began := self.limiter.acquire(wait_budget.cancelled)) is not None:
            try:
                attempt = self._attempt(request, record, predicted, on_send, tries)
            except BaseException as error:
                _not_begun(error, record, tries)
                raise
            finally:
                self.limiter.release(wait_budget.cancelled)
            if attempt is None:
                break
            record, outcome = attempt
            outcome, wait = self._wait_before_repeating(request, outcome, tries, wait_budget, began)
            if wait is None or wait_budget.cancelled.wait(wait):
                break
        if outcome is None:
            raise CancelledError
        _end(record, outcome, tries)
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    def _wait_before_repeating(
        self, request: Request, outcome: Outcome, tries: _Tries, wait_budget: WaitBudget, began: float
    ) -> tuple[Outcome, float | None]:
        """Return the outcome (with its note) and the seconds until the retry; None means no retry.

        Counts the attempt, and tells `limiter` of a limit.
        """
        limited = isinstance(outcome, Response) and outcome.status == TOO_MANY_REQUESTS
        wait = wait_before_repeating(request, outcome, tries.limits if limited else tries.failures)
        if isinstance(outcome, Response):
            outcome = replace(outcome, uncertain=True) if tries.uncertain else outcome
            # no longer than a statement may wait: the next one is told itself, and fails then
            pause = min(wait or 0.0, self.settings.rate_limit_wait)
            self.limiter.record(began, pause if limited else None)
            if limited and wait is not None and not wait_budget.allows(wait):
                return replace(outcome, note=self._impatient(wait_budget, wait)), None
        if wait is None or (not limited and tries.failures == self.settings.max_retries):
            return outcome, None
        tries.limits += limited
        tries.failures += not limited
        # what is not repeatable is only repeated when it certainly was not carried out
        tries.uncertain |= request.repeatable and not limited and getattr(outcome, "sent", True)
        return outcome, wait

    def _impatient(self, wait_budget: WaitBudget, wait: float) -> str:
        most = self.settings.rate_limit_wait
        return (
            f"{wait_budget.waited:.0f} s were waited for limits, {wait:.1f} s more are asked for, and "
            f"rate_limit_wait is {most:g} s for a statement"
        )

    def _wait_to_attach(self, store: str, files: int, wait_budget: WaitBudget) -> None:
        """Wait for a turn under OpenAI's own limits; not counted as wait_budget, because it is known to go on."""
        told = False
        while wait := self.attaching.begin(store, files):
            if not told:
                log.info(
                    "waiting %.0f s to attach %d more files to %s: at most %d requests to one vector store and "
                    "%d files in a minute (attach_requests_per_minute, attach_files_per_minute)",
                    wait,
                    files,
                    store or "a new vector store",
                    self.settings.attach_requests_per_minute,
                    self.settings.attach_files_per_minute,
                )
                told = True
            if wait_budget.cancelled.wait(wait):
                raise CancelledError

    def _not_sent(self, request: Request, predicted: bool) -> Response:
        # the key is no variable here: a handler of the user's log may raise, and its traceback would show it
        record = self.log.begin(request.method, request.target, self.settings.known_key, predicted)
        record.end(error="not sent: dry run")
        text = without_key(shown(request.method, request.target, request.body), self.settings.known_key)
        log.warning("%s", text)
        return Response(NOT_SENT, NO_HEADERS, b"", self.base_url)

    def close(self) -> None:
        """Close the idle connections."""
        with self._opening:
            pools, self._pools = self._pools, {}
        for pool, _ in pools.values():
            pool.close()

    def renew(self) -> None:
        """Close the idle connections that are kept alive: one of them may be an answer behind."""
        with self._opening:
            pool, _ = self._pools.pop(True, (None, ""))
        if pool is not None:
            pool.close()

    def _attempt(
        self,
        request: Request,
        record: Record | None,
        predicted: bool,
        on_send: Callable[[], bool] | None,
        tries: _Tries,
    ) -> tuple[Record, Outcome] | None:
        """Send a request once; None when it must not be sent. Whatever it raises, nothing of this attempt has left.

        Nothing is raised once the key is known here: a traceback would show it.
        """
        pool, prefix = self._opened(request.repeatable)
        if isinstance(request.body, Upload):
            self._check(request, request.body)
        if on_send is not None and not on_send():
            return None
        key = self.settings.key()
        record = record or self.log.begin(request.method, request.target, key, predicted)
        known = self._known_keys(Secret(key), tries)
        outcome = self._once(request, pool, prefix, key, known, tries.count + 1)
        if isinstance(outcome, Response) and outcome.status == UNAUTHORIZED:
            outcome = replace(outcome, note=f"check the key, which is set by {self.settings.key_setting}")
        return record, outcome

    def _known_keys(self, key: Secret, tries: _Tries) -> list[Secret]:
        """The keys for which the answer is searched: all of this request's, and the latest of the connection."""
        with self._opening:
            if key not in self._latest_keys:
                self._latest_keys.append(key)
            latest = list(self._latest_keys)
        tries.keys.append(key)
        return list(dict.fromkeys([*tries.keys, *latest]))

    def _check(self, request: Request, upload: Upload) -> None:
        try:
            upload.check()
        except OSError as error:
            problem = str(error)
        else:
            return
        raise APIConnectionError(f"not sent: {problem}", request=self._named(request), sent=False)

    def _named(self, request: Request) -> str:
        return f"{request.method} {self.base_url}{request.target}"

    def _once(
        self,
        request: Request,
        pool: urllib3.HTTPConnectionPool,
        prefix: str,
        key: str,
        known: Sequence[Secret],
        attempts: int,
    ) -> Outcome:
        """How an exchange has ended. It never raises: frames of this one and of urllib3 have the key in their locals.

        Whatever ends an exchange is its outcome, because it runs on a thread of the pool, where no signal arrives. An
        error is made anew, and not within the except: its traceback and __context__ would lead to those frames.
        """
        import urllib3

        from .connections import sending

        sending.begun = False
        try:
            return self._exchange(request, pool, prefix, key, known)
        except BaseException as error:
            sent = sending.begun
            causes = _causes(error)
            # for urllib3, a connection that is refused is a time-out, too
            refused = any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes)
            timeouts = (urllib3.exceptions.TimeoutError, TimeoutError)
            timed_out = not refused and any(isinstance(cause, timeouts) for cause in causes)
            problem = _reason(causes[-1])
            if not _is_local(causes[-1]):
                for one in known:
                    problem = without_key(problem, str(one()))
            advice = next((advice for cause in causes if (advice := _advice_on_tls(cause))), "")
        if timed_out:
            what = f"no {'answer' if sent else 'connection'} within {self.settings.timeout:g} s"
            return APITimeoutError(what, request=self._named(request), sent=sent)
        what = f"{'the connection broke' if sent else 'cannot connect'}: {problem}"
        if not sent:
            what += f" ({attempts} attempt{'' if attempts == 1 else 's'}); "
            what += advice or f"check base_url ({self.base_url})"
        return APIConnectionError(what, request=self._named(request), sent=sent, lasting=bool(advice))

    def _exchange(
        self, request: Request, pool: urllib3.HTTPConnectionPool, prefix: str, key: str, known: Sequence[Secret]
    ) -> Response | APIError:
        from .connections import RequestDeadline

        most = self.settings.max_answer_bytes
        answer = pool.urlopen(
            request.method,
            prefix + request.target,
            body=iter(request.body) if isinstance(request.body, Upload) else request.body,
            headers=self._headers_of(request, key),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            timeout=RequestDeadline(self.settings.timeout, len(request.body or b"")),
        )
        try:
            chunks, size = [], 0
            while size <= most and (chunk := answer.read1(CHUNK)):  # unpacked, when it is packed
                chunks.append(chunk)
                size += len(chunk)
            if size > most:
                answer.close()
                problem = f"the answer is longer than {most} bytes (max_answer_bytes)"
                return APIError(problem, request=self._named(request), status=answer.status)
            body = b"".join(chunks)
            found = {name.lower(): value for name, value in answer.headers.items()}
            for one in known:
                body = answer_without_key(answer.status, body, str(one()))
                found = {name: header_without_key(answer.status, value, str(one())) for name, value in found.items()}
            return Response(answer.status, found, body, self.base_url)
        except BaseException:
            answer.close()  # also what cannot be unpacked, which urllib3 leaves open
            raise
        finally:
            answer.release_conn()

    def _headers_of(self, request: Request, key: str) -> dict[str, str]:
        headers = {**self._headers, **request.headers, **self.settings.key_header(key)}
        if self.settings.openai_beta and request.target.startswith("/vector_stores"):
            headers["OpenAI-Beta"] = self.settings.openai_beta
        if not request.repeatable:
            headers["Connection"] = "close"
        return headers

    def _opened(self, kept_alive: bool) -> tuple[urllib3.HTTPConnectionPool, str]:
        """A connection pool, and the base URL's path in it.

        What must not be repeated goes out on connections of its own, each used once: of one that was kept alive the
        server may have closed the other end a moment ago, and then nobody would know what became of the request.
        """
        with self._opening:
            if kept_alive not in self._pools:
                from .connections import opened

                logging.getLogger("urllib3.connection").addFilter(without_headers)
                bundle, size, direct = self.settings.ca_bundle, self.settings.max_concurrency, self.settings.stays_here
                self._pools[kept_alive] = opened(self.base_url, bundle, size=size, kept_alive=kept_alive, direct=direct)
            return self._pools[kept_alive]


@dataclass
class _Tries:
    """Failed and rate-limited attempts so far, and whether one of them may have been carried out."""

    failures: int = 0
    limits: int = 0
    uncertain: bool = False
    keys: list[Secret] = field(default_factory=list)  # that its attempts were sent with

    @property
    def count(self) -> int:
        return self.failures + self.limits


def _not_begun(error: BaseException, record: Record | None, tries: _Tries) -> None:
    """Set `error.sent`: True only if an earlier attempt may have been carried out."""
    error.sent = tries.uncertain  # type: ignore[attr-defined]
    if record is not None:
        record.end(retries=tries.count, error=str(error))


def _end(record: Record | None, outcome: Outcome, tries: _Tries) -> None:
    """What the log keeps of how a request ended. An error of a retry says what is true of all attempts."""
    assert record is not None  # noqa: S101 - there was one attempt at least
    if isinstance(outcome, APIConnectionError):
        outcome.sent = outcome.sent or tries.uncertain
    if isinstance(outcome, Response):
        error = protocol.error_message(outcome) if outcome.status >= 400 else None
        request_id = outcome.headers.get("x-request-id")
        record.end(
            retries=tries.count, status=outcome.status, size=len(outcome.body), request_id=request_id, error=error
        )
    else:
        record.end(retries=tries.count, status=getattr(outcome, "status", None), error=str(outcome))


def wait_before_repeating(request: Request, outcome: Response | Exception, attempt: int) -> float | None:
    """Seconds to wait before it is sent once more, or None when the outcome stands.

    `attempt` counts how often it has been sent in vain before: for a 429 by limits, otherwise by what is no limit.
    """
    if isinstance(outcome, APIConnectionError):
        return back_off(attempt) if (request.repeatable or not outcome.sent) and not outcome.lasting else None
    if not isinstance(outcome, Response) or outcome.status < 400:
        return None
    code, told = protocol.error_code(outcome), outcome.headers.get("x-should-retry", "").strip().lower()
    limited = outcome.status == TOO_MANY_REQUESTS
    passes = outcome.status in REPEATED or outcome.status >= SERVER_ERROR
    asked = retry_after(outcome)
    if code in NEEDS_A_PERSON or told == "false" or not (passes or told == "true"):
        return None
    overloaded = outcome.status == OVERLOADED and protocol.certainly_refused(outcome.status, code)
    if not request.repeatable and not (limited or overloaded):
        return None
    if asked is None:
        return back_off(attempt)
    if limited:  # a server that says "at once" for ever is not asked for ever without a pause
        return max(asked, back_off(attempt - 1) if attempt else 0.0)
    return asked if asked <= LONGEST_RETRY_AFTER else None


def back_off(attempt: int) -> float:
    """Seconds to wait when nobody says how long: longer each time, and not all at the same moment."""
    return min(FIRST_WAIT * 2.0 ** min(attempt, 10), LONGEST_WAIT) * (1 - 0.25 * random.random())  # noqa: S311 - jitter


def retry_after(response: Response) -> float | None:
    """Seconds that the server asks to wait, from retry-after-ms or Retry-After (seconds or a date).

    None when it gives neither, or nothing that can be used: a header never hides the response that it came with.
    """
    milliseconds = duration(response.headers.get("retry-after-ms", ""), unit=0.001)
    if milliseconds is not None:
        return milliseconds
    text = response.headers.get("retry-after", "")
    seconds = duration(text)
    return _until(text) if seconds is None else seconds


def duration(text: str, unit: float = 1.0) -> float | None:
    """The seconds that a header's number stands for, in units of so many seconds; None unless it is usable.

    Usable are decimal numbers in ASCII, not negative, up to LONGEST_BELIEVED.
    """
    seconds = float(text) * unit if _NUMBER.fullmatch(text.strip()) else LONGEST_BELIEVED + 1
    return seconds if seconds <= LONGEST_BELIEVED else None


def _until(text: str) -> float | None:
    """Seconds until a date of HTTP, 0 for a past one; None unless it is a date that can be believed."""
    from email.utils import parsedate_to_datetime

    try:
        seconds = max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):  # no date, or one beyond datetime's or the platform's range
        return None
    return seconds if seconds <= LONGEST_BELIEVED else None


def _reason(innermost: BaseException) -> str:
    """A cause in words: urllib3's own sentence repeats pool objects and addresses."""
    words = str(getattr(innermost, "strerror", None) or innermost) or type(innermost).__name__
    return words.rpartition("object at 0x")[2].partition(">: ")[2] or words


def _is_local(error: BaseException) -> bool:
    """Whether an error's words are OpenSSL's or the operating system's: a short key may be a part of them."""
    return isinstance(error, ssl.SSLError) or (isinstance(error, OSError) and error.errno is not None)


def _advice_on_tls(error: BaseException) -> str:
    """What to change where TLS fails in the same way at each attempt, else ""."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in OTHER_NAME:
        return "the server's certificate is for another host: check base_url"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "the server's certificate is not trusted: if it is your own, set ca_bundle, or REQUESTS_CA_BUNDLE in the "
            "environment, to a PEM file with the certificate of its authority"
        )
    if isinstance(error, ssl.SSLError) and error.reason in NO_TLS:
        return (
            "the server does not speak TLS, but probably http: write base_url with http:// (and allow_http=True, "
            "unless it is this machine), or name the port that speaks https"
        )
    return ""


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while True:
        last = causes[-1]
        inner = getattr(last, "reason", None)
        following = [inner, *last.args, last.__cause__, last.__context__]
        found = next((e for e in following if isinstance(e, BaseException) and e not in causes), None)
        if found is None:
            return causes
        causes.append(found)
