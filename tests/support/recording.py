"""A recording: which server it asks, and the vector store and files that each test has there.

The environment chooses the server. OPENAI_BASE_URL: any server. Only OPENAI_API_KEY: OpenAI. Neither: a sandbox of this
process, whose time passes only when a test waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests as http

from openai_vtab import sandbox
from openai_vtab.settings import DEFAULT_BASE_URL

from .cassettes import Exchange, Secrets, with_names
from .clock import FakeClock

STORE = "vs_cassette"
FILES = {"file-cassette-1": "returns.md", "file-cassette-2": "shipping.md", "file-cassette-3": "prices.csv"}
CONTENT = b"A few words to be found again."
LOOK_SECONDS, MOST_SECONDS = 0.4, 60.0


@dataclass(frozen=True)
class Target:
    """The server that a recording asks; no address is a sandbox of this process."""

    base_url: str = ""
    api_key: str = "no-key-is-needed"
    headers: str = ""  # as OPENAI_CUSTOM_HEADERS has them: one "Name: value" in a line

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Target:
        """The server that the environment names."""
        key = environ.get("OPENAI_API_KEY", "")
        base_url = environ.get("OPENAI_BASE_URL") or (key and DEFAULT_BASE_URL)
        return cls(base_url.rstrip("/"), key or cls.api_key, environ.get("OPENAI_CUSTOM_HEADERS", ""))

    @property
    def secrets(self) -> Secrets:
        """What must not be in a cassette. Raises ValueError if the key cannot be replaced."""
        return Secrets(self.base_url, self.api_key)

    @property
    def only_resembles(self) -> bool:
        """The server need not behave as OpenAI does where its description says nothing."""
        host = urlsplit(self.base_url).hostname
        return host is not None and not f".{host}".endswith(".openai.com")

    @property
    def default_headers(self) -> dict[str, str]:
        """The headers that every request has."""
        pairs = (line.partition(":") for line in self.headers.splitlines() if line.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass
class Place:
    """Where the requests of a test go, and the names in its cassette of what is there. By default: a cassette."""

    base_url: str = DEFAULT_BASE_URL
    api_key: str = "no-key-is-needed-to-replay"
    default_headers: Mapping[str, str] = field(default_factory=dict)
    clock: FakeClock | None = None
    recording: bool = False
    moment: float = 0.0
    names: dict[str, str] = field(default_factory=dict)  # real id → name in the cassette
    problems: dict[str, str] = field(default_factory=dict)  # name → why there is no such object
    pauses: set[int] = field(default_factory=set)  # how many exchanges there were at each
    waited: float = 0.0

    def real(self, name: str) -> str:
        """The id behind a name. The test fails if the server could not create the object."""
        if name in self.problems:
            pytest.fail(f"{name} could not be created: {self.problems[name]}")
        return next((real for real, known in self.names.items() if known == name), name)

    def named(self, text: str) -> str:
        """The text with names for ids, and OpenAI's address for this one."""
        return with_names(text.replace(self.base_url, DEFAULT_BASE_URL), self.names)

    def pause(self, exchanges: int) -> None:
        """Let time pass between two looks at an object that is in progress, but not when replaying."""
        if not self.recording:
            return
        self.pauses.add(exchanges)
        self.waited += LOOK_SECONDS
        if self.waited > MOST_SECONDS:
            pytest.fail(f"not finished after {MOST_SECONDS:.0f} s")
        (self.clock or time).sleep(LOOK_SECONDS)

    @property
    def secrets(self) -> Secrets:
        """What must not be in a cassette."""
        return Secrets(self.base_url, self.api_key)

    def make(self) -> None:
        """Create the vector store and the files. What the server refuses, only the tests that need it notice.

        What a test creates later is newer: times are whole seconds.
        """
        self._make(STORE, "/vector_stores", json={"name": "cassettes"})
        for name, filename in FILES.items():
            self._make(
                name,
                "/files",
                files={"file": (filename, CONTENT, "application/octet-stream")},
                data={"purpose": "assistants"},
            )
        (self.clock or time).sleep(1.1)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete objects, those that are gone as well."""
        for path in paths:
            with suppress(http.ConnectionError):
                self._call("DELETE", path)

    def made(self) -> Iterator[str]:
        """The paths of the objects of make()."""
        for real, name in self.names.items():
            yield f"/vector_stores/{real}" if name == STORE else f"/files/{real}"

    def _make(self, name: str, path: str, **body: Any) -> None:
        try:
            answer = self._call("POST", path, **body)
        except http.ConnectionError:
            self.problems[name] = f"POST {path}: the connection broke"
            return
        try:
            id = str(answer.json()["id"])
        except (ValueError, LookupError, TypeError):
            self.problems[name] = f"POST {path}: {answer.status_code} {answer.text[:200]}"
            return
        if self.names.setdefault(id, name) != name:
            self.problems[name] = f"POST {path}: the response has the id {id!r}, as another one had"

    def _call(self, method: str, path: str, **body: Any) -> http.Response:
        headers = {"Authorization": f"Bearer {self.api_key}", **self.default_headers}
        return http.request(method, self.base_url + path, headers=headers, timeout=60, **body)


def created(exchanges: Iterable[Exchange], base_url: str) -> Iterator[str]:
    """The paths of the files and vector stores that a test has created."""
    for exchange in exchanges:
        path, answer = exchange.request.uri.removeprefix(base_url), exchange.answer
        if exchange.request.method == "POST" and path in ("/files", "/vector_stores") and isinstance(answer, dict):
            yield f"{path}/{answer.get('id')}"


@contextmanager
def recording(target: Target) -> Iterator[Place]:
    """A place with a vector store and files of its own, which are deleted at the end."""
    if target.base_url:
        place = Place(target.base_url, target.api_key, target.default_headers, None, True, time.time())
        place.make()
        try:
            yield place
        finally:
            place.remove(place.made())
    else:
        clock = FakeClock()
        with sandbox.run(processing_seconds=1.0, seeded=False, clock=clock.time) as running:
            place = Place(running.base_url, running.api_key, {}, clock, True, clock.time())
            place.make()
            yield place
