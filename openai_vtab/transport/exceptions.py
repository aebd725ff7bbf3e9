"""Maps the exceptions of urllib3, ssl and the sockets to failures.

>>> failure_of(ConnectionRefusedError(111, "Connection refused"), sent=False)
Failure(problem='Connection refused', sent=False, timed_out=False, advice='', hint='', is_local=True, status=None)
"""

from __future__ import annotations

import re
import ssl

from urllib3.exceptions import NewConnectionError, ProxyError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from ..settings import DEFAULT_BASE_URL, stays_here
from .failures import Failure

OTHER_NAME = frozenset({62, 64})  # OpenSSL's codes of a certificate that is for another name or IP address
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})

# What to change when TLS fails in the same way at each attempt. The first row that fits counts; None fits any value.
# {base_url} stands for the base URL, {http} for the same with http://.
TLS_ADVICE: tuple[tuple[type[ssl.SSLError], str, frozenset[object] | None, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "verify_code",
        OTHER_NAME,
        "the server's certificate is for another host: check base_url ({base_url})",
    ),
    (
        ssl.SSLCertVerificationError,
        "verify_code",
        None,
        "the server's certificate is not trusted: if it is your own, set ca_bundle, or REQUESTS_CA_BUNDLE in the "
        "environment, to a PEM file with the certificate of its authority",
    ),
    (
        ssl.SSLError,
        "reason",
        NO_TLS,
        "base_url is {base_url}, but the server does not speak TLS there: write {http}, or name the port that speaks "
        "https",
    ),
)
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: 4\d\d\b")


def failure_of(error: BaseException, sent: bool, base_url: str = DEFAULT_BASE_URL, proxy: str = "") -> Failure:
    """Map an exception of an exchange, of whatever class, to a failure.

    `proxy` says what to do if the proxy between here and `base_url` cannot be used.
    """
    causes = _causes(error)
    innermost = causes[-1]
    words = _words(innermost)
    # urllib3 raises a subclass of its time-out for a refused connection
    refused = any(isinstance(cause, NewConnectionError) for cause in causes)
    timed_out = not refused and any(isinstance(cause, (Urllib3TimeoutError, TimeoutError)) for cause in causes)
    advice = next((advice for cause in causes if (advice := _tls_advice(cause, base_url))), "")
    hint = proxy if any(isinstance(cause, ProxyError) for cause in causes) else ""
    if hint and (advice or refused or _REFUSED_BY_PROXY.match(words)):
        advice = hint
    return Failure(
        words,
        sent,
        timed_out,
        advice,
        hint,
        isinstance(innermost, ssl.SSLError) or (isinstance(innermost, OSError) and innermost.errno is not None),
    )


def _words(innermost: BaseException) -> str:
    """The message of a cause, without urllib3's reprs of pools and addresses."""
    words = str(getattr(innermost, "strerror", None) or innermost) or type(innermost).__name__
    return words.rpartition("object at 0x")[2].partition(">: ")[2] or words


def _tls_advice(error: BaseException, base_url: str) -> str:
    for kind, attribute, values, advice in TLS_ADVICE:
        if isinstance(error, kind) and (values is None or getattr(error, attribute) in values):
            http = base_url.replace("https:", "http:", 1)
            http += "" if stays_here(http) else " with allow_http=True"
            return advice.format(base_url=base_url, http=http)
    return ""


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and all that have led to it, the first cause last."""
    causes = [error]
    while True:
        last = causes[-1]
        inner = getattr(last, "reason", None)
        following = [inner, *last.args, last.__cause__, last.__context__]
        found = next((e for e in following if isinstance(e, BaseException) and e not in causes), None)
        if found is None:
            return causes
        causes.append(found)
