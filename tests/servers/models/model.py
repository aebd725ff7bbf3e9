"""What a model of a server is, and the differences that several of them have.

>>> with served(ogx.MODEL) as sandbox: openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from openai_vtab import sandbox
from openai_vtab.sandbox import Quirks, Received, Sandbox
from openai_vtab.sandbox.app import App
from openai_vtab.sandbox.messages import Response
from openai_vtab.sandbox.state import State

from ..conftest import changed

CarryOut = Callable[[Received], Response]


@dataclass(frozen=True)
class Model:
    """A server as it was seen, and how to connect to it."""

    name: str
    connect: str
    seen: str
    respond: Callable[[Received, CarryOut, State], Response]
    processing_seconds: float = 0.6
    quirks: Quirks = field(default_factory=Quirks)


@contextmanager
def served(model: Model) -> Iterator[Sandbox]:
    """Run a model, without data."""
    respond = App.respond

    def filtered(app: App, received: Received) -> Response:
        return model.respond(received, lambda request: respond(app, request), app.state)

    quirks = replace(model.quirks)
    with (
        mock.patch.object(App, "respond", filtered),
        sandbox.run(processing_seconds=model.processing_seconds, seeded=False, quirks=quirks) as running,
    ):
        yield running


def creates_by_files(received: Received) -> bool:
    """A batch is to be created by `files`."""
    create = received.method == "POST" and received.segments[-1] == "file_batches"
    return create and isinstance(received.body, dict) and "files" in received.body


def every_type_is_supported(received: Received, response: Response) -> Response:
    """No file of a vector store fails because of its type."""
    if response.status != 200 or not {"files", "file_batches"} & set(received.segments[2:]):
        return response

    def supported(body: dict[str, Any]) -> None:
        for item in (body, *(body["data"] if isinstance(body.get("data"), list) else ())):
            if item.get("status") == "failed":
                item |= {"status": "completed", "last_error": None}
            counts = item.get("file_counts")
            if counts:
                counts |= {"completed": counts["completed"] + counts["failed"], "failed": 0}
        if "filter=failed" in received.path:
            body |= {"data": [], "first_id": None, "last_id": None}

    return changed(response, supported)
