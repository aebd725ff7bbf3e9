"""Sends each request of a run, writes creates into the ledger first, and records everything without keys.

>>> client.send("GET", "/vector_stores?limit=1").json()["data"]
[…]
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests as http

from openai_vtab.settings import Settings

from .ledger import KINDS, MARK, Ledger

SECONDS = 60  # for one request
SENT = ("content-type", "openai-beta", "user-agent")
RECEIVED = re.compile(r"content-type|retry-after|x-request-id|x-ratelimit-.*|openai-(processing-ms|version|poll-.*)")
OTHERS = 3  # objects of a list that are not the run's, and that are recorded
ENDS = ("first_id", "last_id")
HIDDEN = "…"
WORDS = ("object", "purpose", "status")  # members whose values are the API's
ACCOUNT = re.compile(r"\b(org-|proj_)\w+")


@dataclass(frozen=True)
class Response:
    """A response, with its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class RecordingClient:
    """The requests of one run; used from many threads."""

    def __init__(self, base_url: str, key: str, ledger: Ledger) -> None:
        self.base_url = base_url
        self.ledger = ledger
        self.records: list[dict[str, Any]] = []
        self.searches = 0  # that were sent, with retries
        self._key = key
        self._key_header = Settings(base_url=base_url, api_key=key).key_header(key)
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        keyless: bool = False,
    ) -> Response:
        """Send a request once, with the key unless `keyless`. Raises requests.RequestException without a response."""
        kind = target.removeprefix("/")
        number = self._before_create(kind, body) if method == "POST" and kind in KINDS else None
        all_headers = {**(headers or {}), **({} if keyless else self._key_header)}
        record: dict[str, Any] = {
            "method": method,
            "target": self._hidden(target.encode()),
            "headers": {name: value for name, value in all_headers.items() if name.lower() in SENT},
            "body": self._hidden(body),
        }
        with self._lock:
            self.records.append(record)
            self.searches += target.endswith("/search")
        try:
            # A connection for each request: the server may have closed one that was kept open, and the outcome of a
            # create would be unknown. `auth` keeps ~/.netrc from replacing the key.
            received = http.request(
                method,
                self.base_url + target,
                headers=all_headers,
                data=body,
                auth=lambda prepared: prepared,
                timeout=SECONDS,
                allow_redirects=False,
            )
        except http.RequestException as error:
            record["failure"] = self._hidden(str(error).encode())
            raise
        found = {name.lower(): value for name, value in received.headers.items()}
        response = Response(received.status_code, found, received.content)
        record["status"] = response.status
        record["response_headers"] = {name: value for name, value in found.items() if RECEIVED.fullmatch(name)}
        if number is not None:
            self._after_create(number, response)
        if method == "DELETE" and response.status == 200:
            self._after_delete(kind)
        record["response"] = self._hidden(self._without_others(method, kind, response))
        return response

    def _before_create(self, kind: str, body: bytes) -> int:
        if kind == "files":
            is_marked = f'filename="{self.ledger.file_prefix}'.encode() in body
        else:
            is_marked = json.loads(body).get("metadata", {}).get(MARK) == self.ledger.token
        if not is_marked:
            raise ValueError(f"POST /{kind} without the mark of the run is not sent: it could not be cleaned up")
        return self.ledger.creating(kind)

    def _after_create(self, number: int, response: Response) -> None:
        found = response.json()
        if isinstance(found, dict) and isinstance(found.get("id"), str):
            self.ledger.created(number, found["id"])
        elif 400 <= response.status < 500 and response.status != 408:
            self.ledger.not_created(number)

    def _after_delete(self, path: str) -> None:
        kind, _, id = path.partition("/")
        if (kind, id) in self.ledger.ids:
            self.ledger.gone(id)

    def _without_others(self, method: str, kind: str, response: Response) -> bytes:
        """The response. A list of the whole account keeps only the form of what the run has not created."""
        page = response.json()
        if (
            method != "GET"
            or kind.partition("?")[0] not in KINDS
            or response.status != 200
            or not isinstance(page, dict)
        ):
            return response.body
        own = {id for _, id in self.ledger.ids}
        listed = [item for item in page.get("data") or [] if isinstance(item, dict)]
        ours = [item for item in listed if item.get("id") in own]
        others = [_masked(item) for item in listed if item.get("id") not in own][:OTHERS]
        ends = {name: page[name] if page[name] in (None, "", *own) else HIDDEN for name in ENDS if name in page}
        return json.dumps({**page, **ends, "data": [*ours, *others]}).encode()

    def _hidden(self, data: bytes) -> str:
        """The text without the key and the names of the account."""
        text = data.decode("utf-8", "replace").replace(self._key, "KEY")
        return ACCOUNT.sub(r"\1…", text)


def _masked(item: dict[str, Any]) -> dict[str, Any]:
    """The members of an object, without what they say."""
    found = {}
    for name, value in item.items():
        is_known = name in WORDS or not isinstance(value, str)
        found[name] = {} if name == "metadata" else value if is_known else HIDDEN
    return found
