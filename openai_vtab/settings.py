"""The settings of one registered connection, checked when they are made.

It must not know SQLite or open a socket. A key is not looked for here but at the first request, so that a
program without one can still open its database.

>>> Settings(base_url="http://127.0.0.1:8080/v1", max_concurrency=4)
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from urllib.parse import urlsplit

from .errors import ConfigurationError, InterfaceError
from .progress import Progress

if TYPE_CHECKING:
    from typing import Self

DEFAULT_BASE_URL = "https://api.openai.com/v1"
Key = str | Callable[[], str] | None
# where a setting comes from when it is unset
ENVIRONMENT = {"base_url": "OPENAI_BASE_URL", "organization": "OPENAI_ORG_ID", "project": "OPENAI_PROJECT_ID"}
HEADERS = ("organization", "project", "openai_beta")
# the least and the most that a number may be; a socket waits for 24 days at most, and each connection is a thread
NUMBERS: dict[str, tuple[float, float]] = {
    "timeout": (0.001, 86400),
    "max_concurrency": (1, 1000),
    "max_retries": (0, sys.maxsize),
    "rate_limit_wait": (0, math.inf),
    "attach_requests_per_minute": (0, sys.maxsize),
    "attach_files_per_minute": (0, sys.maxsize),
    "max_files_per_batch": (1, sys.maxsize),
    "max_answer_bytes": (1, sys.maxsize),
    "max_rows": (1, sys.maxsize),
}
SECONDS = ("timeout", "rate_limit_wait")
FLAGS = ("allow_http", "read_ahead", "dry_run", "read_only")
PATHS = ("ca_bundle", "upload_root")
TEXTS = ("base_url", *PATHS)
LONGEST_HOST = 253  # characters (RFC 1035)
LONGEST_SHOWN = 200  # characters of a wrong value


class Secret:
    """An api_key, text or a function: calling it returns the key, and no repr shows it.

    Whatever prints the local variables of a traceback prints their reprs, of containers and dataclasses those within.
    The repr of a bound method, a functools.partial or a callable object may show the key, too.
    """

    __slots__ = ("_given",)

    def __init__(self, given: object) -> None:
        self._given = given

    def __call__(self) -> object:
        """The key; what a function returns may be no text."""
        return self._given() if callable(self._given) else self._given

    @property
    def is_function(self) -> bool:
        """Whether the key is a function's, and may be another one at each call."""
        return callable(self._given)

    @property
    def problem(self) -> str:
        """What is wrong with its type, in words that do not show it; "" when nothing is."""
        if isinstance(self._given, str) or callable(self._given):
            return ""
        kind = type(self._given).__name__
        return f"api_key is of type {kind}; write a str, or a function that returns one"

    def __repr__(self) -> str:
        return "'[key]'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._given == other._given

    def __hash__(self) -> int:
        return hash(self._given)


def hide_key(keywords: Any) -> None:
    """Put a Secret in the place of the key among the keywords of a function, whose frame may be in a traceback."""
    key = keywords.get("api_key")
    if key is not None and key != "" and not isinstance(key, Secret):
        keywords["api_key"] = Secret(key)


def fits_a_header(text: object) -> bool:
    """Whether HTTP can carry the text as a header's value: printable ASCII without spaces at its ends."""
    return isinstance(text, str) and text.isascii() and text.isprintable() and text == text.strip()


class Shared(TypedDict, total=False):
    """The keywords of every way to connect; `Settings` describes them. Its `timeout` is sqlite3's word for another."""

    api_key: Key
    base_url: str | None
    organization: str | None
    project: str | None
    max_concurrency: int
    max_retries: int
    rate_limit_wait: float
    attach_requests_per_minute: int
    attach_files_per_minute: int
    max_files_per_batch: int
    max_answer_bytes: int
    max_rows: int
    openai_beta: str | None
    ca_bundle: str | os.PathLike[str] | None
    allow_http: bool
    read_ahead: bool
    upload_root: str | os.PathLike[str] | None
    dry_run: bool
    read_only: bool
    errors: Literal["raise", "row"]
    progress: Callable[[Progress], None] | None


class Keywords(Shared, total=False):
    """The keywords of `connect` and `register`."""

    timeout: float


@dataclass(frozen=True)
class Settings:
    """All settings, with their defaults.

    api_key: the key, or a function that gives it, called for every request. Unset: OPENAI_API_KEY.
    base_url: where the API is. Unset: OPENAI_BASE_URL, else https://api.openai.com/v1.
        For a host of azure.com the key is sent as `api-key`, elsewhere as a bearer token.
    organization, project: sent as OpenAI-Organization and OpenAI-Project. Unset: OPENAI_ORG_ID, OPENAI_PROJECT_ID.
    timeout: seconds for one request, from connecting to the last byte of the answer; a second more for each 100 KB of
        an upload. At most 86,400, a day.
    max_concurrency: requests in flight at once, and connections kept open; at most 1,000.
    max_retries: how often a failed request is repeated when repeating is safe; 429 has its own limit:
    rate_limit_wait: seconds that a statement may wait in all when the API says 429; 0: it fails at the first one.
    attach_requests_per_minute: how many requests that attach files are sent to one vector store in a minute; OpenAI
        refuses more than 300. A large INSERT then takes its time instead. 0: no limit.
    attach_files_per_minute: how many files are attached in a minute, in all; OpenAI refuses more than 2000. 0: no
        limit.
    max_files_per_batch: OpenAI's limit is 2000; compatible servers may have another.
    max_answer_bytes: a longer answer is an error; of one that comes packed, unpacked.
    max_rows: a longer list is an error: one that has no end would fill the memory of a program that nobody watches.
    openai_beta: the OpenAI-Beta header for vector stores, None to send none.
    ca_bundle: a file or directory of certificates to trust instead of the default ones.
    allow_http: allow http:// to other hosts than this machine. The key then travels in clear.
    read_ahead: ask for the keys of a join ahead of SQLite, many at once.
    upload_root: the folder whose files INSERT INTO files (path, …) may read. Unset: none.
    dry_run: send nothing. Each request that would leave is logged as a warning, and a row of openai_requests; what
        is read has no rows, what is written counts as done, and ledgers stay as they are.
    read_only: refuse every INSERT, UPDATE, DELETE and function that would change something at the API.
    errors: "raise", or "row": a key, or a list, that the API did not give is a row with its keys, and the reason in the
        hidden column `error`, so that one of a thousand does not lose the others. An UPDATE or DELETE raises always.
    progress: a function that is called with a `Progress` while a statement waits for the API.
    """

    api_key: Key = field(default=None, repr=False)
    base_url: str | None = None
    organization: str | None = None
    project: str | None = None
    timeout: float = 30.0
    max_concurrency: int = 16
    max_retries: int = 4
    rate_limit_wait: float = 300.0
    attach_requests_per_minute: int = 300
    attach_files_per_minute: int = 2000
    max_files_per_batch: int = 2000
    max_answer_bytes: int = 64 * 1024 * 1024
    max_rows: int = 1_000_000
    openai_beta: str | None = "assistants=v2"
    ca_bundle: str | os.PathLike[str] | None = None
    allow_http: bool = False
    read_ahead: bool = True
    upload_root: str | os.PathLike[str] | None = None
    dry_run: bool = False
    read_only: bool = False
    errors: Literal["raise", "row"] = "raise"
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        hide_key(self.__dict__)
        if isinstance(self.api_key, Secret) and self.api_key.problem:
            raise InterfaceError(self.api_key.problem)
        for name, (least, most) in NUMBERS.items():
            value = getattr(self, name)
            kinds, number = ((int, float), "number") if name in SECONDS else ((int,), "whole number")
            if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
                bound = f" and at most {most:,}" if most < sys.maxsize else ""
                raise InterfaceError(f"{name} is {_shown(value)}; write a {number} of at least {least}{bound}")
        for name in FLAGS:
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InterfaceError(f"{name} is {_shown(value)}; write True or False")
        for name in TEXTS:
            value = getattr(self, name)
            if value is not None and not isinstance(_path(value) if name in PATHS else value, str):
                a_path = " or a pathlib.Path" if name in PATHS else ""
                raise InterfaceError(f"{name} is {_shown(value)}; write a str{a_path}, or None")
        if self.errors not in ("raise", "row"):
            raise InterfaceError(f"errors is {_shown(self.errors)}; write 'raise' or 'row'")
        if self.progress is not None and not callable(self.progress):
            raise InterfaceError(f"progress is {_shown(self.progress)}; write a function that takes a Progress")
        for name in HEADERS:
            value = getattr(self, name)
            if value is not None and value != "" and not fits_a_header(value):
                where = f"{name} (or {ENVIRONMENT[name]})" if name in ENVIRONMENT else name
                raise ConfigurationError(
                    f"{where} is {value!r}, which no HTTP header can carry; write printable ASCII characters, without "
                    "a space or a line break at the ends"
                )
        self.checked_base_url()

    def with_environment(self) -> Self:
        """The same settings with what is unset taken from the environment."""
        values = dict(self.__dict__)
        for name, variable in ENVIRONMENT.items():
            if values[name] is None:
                values[name] = os.environ.get(variable) or None
        return type(self)(**values)

    @property
    def known_key(self) -> str:
        """The key as far as it is known without asking a function for it, "" when it is not, or cannot be sent."""
        given: Any = self.api_key
        if isinstance(given, Secret) and given.is_function:
            return ""
        key = given() if isinstance(given, Secret) else os.environ.get("OPENAI_API_KEY", "")
        return str(key) if fits_a_header(key) else ""

    def key(self) -> str:
        """The API key, for a header.

        Raises ConfigurationError, which holds the key neither in its message nor in the locals of its traceback.
        """
        problem = ""
        key: object = None
        try:
            key = self.api_key() if callable(self.api_key) else os.environ.get("OPENAI_API_KEY")
        except Exception as error:  # raised again, it would show the locals of the function, which may hold a key
            problem = f"{error} ({type(error).__name__}, raised by the function given as api_key)".lstrip()
        if isinstance(key, str) and key and fits_a_header(key):
            return key
        if not problem:
            problem = (
                f"the function given as api_key has returned {type(key).__name__}; return a str"
                if key is not None and not isinstance(key, str)
                else "the API key has characters that no HTTP header may have (a line break or a space at its end?)"
                if key
                else "no API key: set OPENAI_API_KEY, or give api_key= to connect() or register()"
            )
        del key
        raise ConfigurationError(problem)

    @property
    def key_setting(self) -> str:
        """Where the key comes from, in words."""
        return "OPENAI_API_KEY" if self.api_key is None else "api_key"

    def checked_base_url(self) -> str:
        """The base URL without a slash at its end. Raises ConfigurationError."""
        url = (self.base_url or DEFAULT_BASE_URL).rstrip("/")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            parts, host, port = urlsplit(""), "", None
        if "@" in parts.netloc:
            raise ConfigurationError("base_url holds a user name or password; give the key as api_key=")
        # what is left out, or read differently, by one of those who read an address could name another host
        whole = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
        odd = parts.netloc.lower() != whole or not url.isprintable() or any(c in url for c in " \\?#")
        if parts.scheme not in ("http", "https") or not host or odd:
            raise ConfigurationError("base_url is not an address such as https://api.openai.com/v1")
        if problem := _problem_of_host(host):
            raise ConfigurationError(
                f"base_url has the host {host[:80]!r}, {problem}; write an address such as https://api.openai.com/v1"
            )
        if parts.scheme == "http" and not self.allow_http and not _is_this_machine(host):
            raise ConfigurationError(
                f"base_url is http:// to {host}: the key would travel in clear; write https://, or allow_http=True"
            )
        return url

    @property
    def stays_here(self) -> bool:
        """Whether requests leave in clear, to this machine: nobody between may see them."""
        parts = urlsplit(self.checked_base_url())
        return parts.scheme == "http" and _is_this_machine(parts.hostname or "")

    def key_header(self, key: str) -> dict[str, str]:
        """The header that carries the key: Azure's own, else a bearer token."""
        host = urlsplit(self.base_url or DEFAULT_BASE_URL).hostname or ""
        return {"api-key": key} if host.endswith(".azure.com") else {"Authorization": f"Bearer {key}"}

    def account_headers(self) -> dict[str, str]:
        """The headers that say whose request it is, when the key alone does not."""
        account = {"OpenAI-Organization": self.organization, "OpenAI-Project": self.project}
        return {name: value for name, value in account.items() if value}


def _is_this_machine(host: str) -> bool:
    """Whether a host is certainly this one: by the name localhost, or by an address, in its usual spelling."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _problem_of_host(host: str) -> str:
    """Why no name server can know a host; "" when one can."""
    try:
        host.encode("idna")
    except UnicodeError:
        return "a part of which is empty, longer than 63 characters or no name"
    return f"which is longer than {LONGEST_HOST} characters" if len(host.rstrip(".")) > LONGEST_HOST else ""


def _path(value: Any) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _shown(value: object) -> str:
    """A value for an error message, not too long to read. Of bytes the type: an address may hold a password."""
    text = f"of type {type(value).__name__}" if isinstance(value, bytes | bytearray) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
