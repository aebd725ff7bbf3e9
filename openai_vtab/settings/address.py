"""The address of the API: which base URLs are safe to send a key to.

>>> checked_base_url("http://127.0.0.1:8080/v1/", allow_http=False)
'http://127.0.0.1:8080/v1'
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.openai.com/v1"
MAX_HOST = 253  # characters (RFC 1035)
AZURE = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")
MAX_SHOWN = 200  # characters of a wrong address in an error message


def checked_base_url(base_url: str | None, allow_http: bool) -> str:
    """The base URL without a slash at its end. Raises ConfigurationError for one that must not be used."""
    url = (base_url or DEFAULT_BASE_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(_not_an_address(url)) from None
    if "@" in parts.netloc:
        raise ConfigurationError("base_url has a user name or password; give the key as api_key=")
    if "?" in url:  # a query of pairs has become default_query
        raise ConfigurationError(
            f"base_url is {url.partition('?')[0][:MAX_SHOWN]!r} with a query that is not NAME=VALUE, or several of "
            "these with & between them; write it as in ?api-version=2025-03-01-preview, or leave it out"
        )
    # URL parsers differ in what they drop or rewrite, so that one of them could read the name of another host
    plain = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    is_odd = parts.netloc.lower() != plain or not url.isprintable() or any(c in url for c in " \\?#")
    if parts.scheme not in ("http", "https") or not host or is_odd:
        raise ConfigurationError(_not_an_address(url))
    if problem := _problem_of_host(host):
        raise ConfigurationError(
            f"base_url has the host {host[:80]!r}, {problem}; write an address such as https://api.openai.com/v1"
        )
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        raise ConfigurationError(
            f"base_url is http:// to {host}: the key would travel unencrypted; write https://, or allow_http=True"
        )
    return url


def stays_here(url: str) -> bool:
    """Whether requests to the URL travel unencrypted, but never leave this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and _is_this_machine(parts.hostname or "")


def is_azure(base_url: str | None) -> bool:
    """Whether the base URL is at Azure, in one of its clouds or behind its API Management."""
    return (urlsplit(base_url or DEFAULT_BASE_URL).hostname or "").endswith(AZURE)


def _not_an_address(url: str) -> str:
    """The error for an address that cannot be used. One with an @ may hold a password, and is not shown."""
    shown = "" if "@" in url else f" {url[:MAX_SHOWN]!r}, which is"
    return f"base_url is{shown} not an address such as https://api.openai.com/v1"


def _is_this_machine(host: str) -> bool:
    """Whether the host is certainly this machine: the name localhost, or a loopback address in its usual spelling."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _problem_of_host(host: str) -> str:
    """The reason no name server can know the host; "" when one can."""
    try:
        host.encode("idna")
    except UnicodeError:
        return "which has an empty or invalid part, or one of more than 63 characters"
    return f"which is longer than {MAX_HOST} characters" if len(host.rstrip(".")) > MAX_HOST else ""
