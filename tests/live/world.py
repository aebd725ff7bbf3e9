"""What the questions work with: the API over bare HTTP, the package's tables, and the objects of the run.

>>> world.call("GET /vector_stores/{store}").json()["status"]
'completed'
>>> world.sql("SELECT status FROM vector_stores WHERE id = ?", world["store"])
[('completed',)]
"""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import apsw
import requests as http

from openai_vtab import protocol
from openai_vtab.transport.retries import retry_after

from .ledger import MARK
from .question import Unanswered
from .recording_client import RecordingClient, Response

LONGEST_WAIT = 300.0  # seconds for files to be processed
LONGEST_PAUSE = 60.0  # seconds that a 429 may ask for
PAUSE = 5.0  # seconds after a 429 that asks for none
BOUNDARY = "boundary-of-the-form"


class Stopped(Exception):  # noqa: N818 - the user has asked for it
    """The run was asked to stop by a signal."""


class World:
    """One run. Roles such as "store" stand for the ids of its objects, and for {store} in a path."""

    def __init__(self, client: RecordingClient, db: apsw.Connection, stop: threading.Event) -> None:
        self.client = client
        self.token = client.ledger.token
        self._db = db
        self._stop = stop
        self._ids: dict[str, str] = {}

    def __getitem__(self, role: str) -> str:
        if role not in self._ids:
            raise Unanswered(f"there is no {role}, because an earlier step failed")
        return self._ids[role]

    def __setitem__(self, role: str, id: str) -> None:
        self._ids[role] = id

    def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped at once if the run is to stop."""
        if self._stop.wait(seconds):
            raise Stopped

    def call(
        self, operation: str, body: Any = None, *, headers: dict[str, str] | None = None, keyless: bool = False
    ) -> Response:
        """Send "GET /vector_stores/{store}", with a JSON body or bytes. Waits and sends it again after a 429.

        Without a response, only what changes nothing twice is sent again. Raises Unanswered in the end.
        """
        self.pause(0)
        method, target = operation.split(" ", 1)
        target = re.sub(r"\{(\w+)\}", lambda role: self[role[1]], target)
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent = {"Content-Type": "application/json", **sent}
        for _ in range(3):
            try:
                response = self.client.send(method, target, sent, body or b"", keyless=keyless)
            except http.RequestException as error:
                problem = f"{method} {target} got no response: {error}"
                if method == "POST":
                    break
                self.pause(1)
                continue
            if response.status != 429:
                return response
            problem = f"{method} {target}: {refusal(response)}"
            self.pause(self._asked_pause(response))
        raise Unanswered(problem)

    def _asked_pause(self, response: Response) -> float:
        """The seconds that a 429 asks to wait, up to LONGEST_PAUSE."""
        limit = protocol.Response(response.status, response.headers, response.body, self.client.base_url)
        asked = retry_after(limit)
        return min(PAUSE if asked is None else asked, LONGEST_PAUSE)

    def get(self, operation: str, body: Any = None) -> Any:
        """The JSON of a response with status 200. Raises Unanswered for another status."""
        response = self.call(operation, body)
        if response.status != 200:
            raise Unanswered(f"{operation}: {refusal(response)}")
        return response.json()

    def sql(self, statement: str, *bindings: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        self.pause(0)
        return self._db.execute(statement, bindings).fetchall()

    def insert(self, table: str, **columns: Any) -> str:
        """Insert a row, and return the id that the API gave."""
        marks = ", ".join("?" * len(columns))
        self.sql(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())
        return str(self.sql(f"SELECT id FROM {table} WHERE rowid = last_insert_rowid()")[0][0])

    def metadata(self, **pairs: Any) -> dict[str, Any]:
        """The metadata of each vector store of the run, which a clean-up knows it by."""
        return {MARK: self.token, **pairs}

    def filename(self, name: str) -> str:
        """The name of a file of the run, which a clean-up knows it by."""
        return f"{self.client.ledger.file_prefix}{name}"

    def upload(self, name: str, content: bytes, purpose: str = "assistants", **fields: str) -> Response:
        """Upload a file over bare HTTP."""
        parts = [f'name="{field}"\r\n\r\n{value}'.encode() for field, value in {"purpose": purpose, **fields}.items()]
        parts.append(f'name="file"; filename="{self.filename(name)}"\r\n\r\n'.encode() + content)
        body = b"".join(b"--%s\r\nContent-Disposition: form-data; %s\r\n" % (BOUNDARY.encode(), part) for part in parts)
        return self.call(
            "POST /files",
            body + f"--{BOUNDARY}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        )

    def finished_batch(self, batch: str, store: str = "store") -> dict[str, Any]:
        """The batch, once SQL says that it has finished. Raises Unanswered if it takes too long."""
        end = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < end:
            ((status, counts),) = self.sql(
                "SELECT status, file_counts FROM vector_store_file_batches "
                "WHERE vector_store_id = ? AND batch_id = ? AND wait_seconds = 2",
                self[store],
                self[batch],
            )
            if status != "in_progress":
                return {"status": status, **json.loads(counts)}
        raise Unanswered(f"a batch is still in progress after {LONGEST_WAIT:g} s")

    def finished_file(self, file: str, store: str = "store") -> dict[str, Any]:
        """The file in the vector store, once it is no longer in progress. Raises Unanswered if it takes too long."""
        end = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < end:
            found: dict[str, Any] = self.get(f"GET /vector_stores/{{{store}}}/files/{{{file}}}")
            if found["status"] != "in_progress":
                return found
            self.pause(0.2)
        raise Unanswered(f"a file is still in progress after {LONGEST_WAIT:g} s")


def refusal(response: Response) -> str:
    """Status, code and param of an error, and its type if it is not the usual one: "400 invalid_value limit"."""
    if response.status < 400:
        return f"{response.status} accepted"
    found = response.json()
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return f"{response.status} without an error object"
    kind = error.get("type")
    usual = "server_error" if response.status >= 500 else "invalid_request_error"
    shown = [
        str(response.status),
        *([] if kind == usual else [f"type={kind}"]),
        *map(str, (error.get("code"), error.get("param"))),
    ]
    return " ".join(shown)
