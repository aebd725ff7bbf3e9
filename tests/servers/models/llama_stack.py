"""llama-stack 0.7.3: as OGX, which succeeds it, but `files` of a batch are refused."""

from __future__ import annotations

from openai_vtab.sandbox import Quirks, Received
from openai_vtab.sandbox.messages import Response, json_response
from openai_vtab.sandbox.state import State

from .model import CarryOut, Model, creates_by_files
from .ogx import resembling


def respond(received: Received, carry_out: CarryOut, _: State) -> Response:
    """Carry out a request as llama-stack does."""
    if creates_by_files(received):
        return json_response({"error": {"message": "body.file_ids: Field required"}}, 400)
    return resembling(received, carry_out)


MODEL = Model(
    "llama-stack 0.7.3",
    'base_url="http://localhost:8321/v1"',
    "As OGX, but `files` of a batch are refused with 400, as is the purpose vision.",
    respond,
    processing_seconds=0.0,
    quirks=Quirks(unknown_id_is_400=True, batch_ids_without_prefix=True),
)
