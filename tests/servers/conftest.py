"""Servers that resemble OpenAI's: a sandbox with a filter, which leaves out a part of what it is asked to write."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import apsw
import pytest

from openai_vtab.sandbox import Received
from openai_vtab.sandbox.app import App
from openai_vtab.sandbox.containers import FileBatch
from openai_vtab.sandbox.messages import Response, json_response
from openai_vtab.sandbox.state import State

# what the server does with a request; the function carries it out as OpenAI would
Filter = Callable[[Received, Callable[[Received], Response]], Response]


@pytest.fixture
def serve_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Filter], None]:
    """Let a filter see each request first."""
    respond = App.respond

    def begin(filter: Filter) -> None:
        monkeypatch.setattr(App, "respond", lambda app, received: filter(received, lambda r: respond(app, r)))

    return begin


def without(received: Received, *names: str) -> Received:
    """The request without some members of its JSON."""
    body = {name: value for name, value in received.body.items() if name not in names}
    return replace(received, raw=json.dumps(body).encode())


def changed(response: Response, change: Callable[[dict[str, Any]], object]) -> Response:
    """The response after a change of its JSON."""
    body = json.loads(response.body)
    change(body)
    return replace(response, body=json.dumps(body).encode())


def batch_without_files(state: State, received: Received, *, later: bool) -> Response:
    """Create a batch that has no files, and is completed at once. With `later`, this response says "in_progress"."""
    id = f"{'batch' if state.quirks.batch_ids_without_prefix else 'vsfb'}_empty{len(state.batches)}"
    batch = FileBatch(id, received.segments[1], state.clock(), [], "completed")
    state.batches[batch.store_id, id] = batch
    shown = batch.json(state.clock())
    return json_response({**shown, "status": "in_progress"} if later else shown)


@pytest.fixture
def ignoring(sandbox: Any) -> Callable[..., Filter]:
    """Returns a filter that ignores members of a new batch: a batch without files, which is completed at once.

    With `later`, its first response says "in_progress".
    """

    def of(*names: str, later: bool = False) -> Filter:
        def ignore(received: Received, carry_out: Callable[[Received], Response]) -> Response:
            is_create = received.method == "POST" and received.segments[-1] == "file_batches"
            if not is_create or received.body.keys().isdisjoint(names):
                return carry_out(received)
            return batch_without_files(sandbox._state, received, later=later)

        return ignore

    return of


@pytest.fixture
def warned(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings since the last call, without the request's line; the log and openai_requests say the same."""
    seen = 0

    def take() -> list[str]:
        nonlocal seen
        rows = db.execute("SELECT number, warning FROM openai_requests WHERE warning IS NOT NULL ORDER BY number")
        new = [text for number, text in rows.fetchall() if number > seen]
        seen = db.execute("SELECT coalesce(max(number), 0) FROM openai_requests").get
        logged = [r.getMessage() for r in caplog.records if r.name == "openai_vtab" and r.levelno == logging.WARNING]
        caplog.clear()
        assert [text.partition(": ")[2] for text in logged] == [each for text in new for each in text.split("; ")]
        return new

    return take
