"""OGX 1.5.0: `files` of a batch are ignored, any type of file is processed at once, filters find nothing."""

from __future__ import annotations

from typing import Any

from openai_vtab.sandbox import Quirks, Received
from openai_vtab.sandbox.messages import Response
from openai_vtab.sandbox.state import State

from ..conftest import batch_without_files, changed
from .model import CarryOut, Model, creates_by_files, every_type_is_supported


def respond(received: Received, carry_out: CarryOut, state: State) -> Response:
    """Carry out a request as OGX does."""
    if creates_by_files(received):
        return batch_without_files(state, received, later=True)
    return resembling(received, carry_out)


def resembling(received: Received, carry_out: CarryOut) -> Response:
    """Carry out a request with the differences that llama-stack has as well."""
    response = carry_out(received)
    if response.status != 200:
        return response
    if received.segments[-1] == "search":
        filtered = "filters" in received.body
        return changed(response, lambda body: body.update(data=[] if filtered else _other_scores(body["data"])))
    if received.segments[0] == "vector_stores" and len(received.segments) <= 2 and received.method != "DELETE":
        return changed(response, _with_own_keys)
    return every_type_is_supported(received, response)


def _other_scores(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The passages with scores above 1, and ids that are no files'."""
    return [{**each, "file_id": f"document-{n}", "score": 20 * each["score"]} for n, each in enumerate(found)]


def _with_own_keys(body: dict[str, Any]) -> None:
    for store in body.get("data", [body]):
        store |= {"expires_after": store.get("expires_after"), "expires_at": store.get("expires_at")}
        store["metadata"] = {"provider_id": "faiss", **(store.get("metadata") or {})}


MODEL = Model(
    "OGX 1.5.0",
    'base_url="http://localhost:8321/v1"',
    "`files` of a batch are ignored: the response says in_progress and counts no files, and a later look says completed, "
    "still without files. Unknown ids are 400. Any type of file is supported, and a batch has ended before it could be "
    "cancelled. A search has scores above 1 or none, file_id names no file, and filters find nothing. Metadata has keys "
    "of the server's own: change it with `json_set(metadata, …)`.",
    respond,
    processing_seconds=0.0,
    quirks=Quirks(unknown_id_is_400=True, batch_ids_without_prefix=True),
)
