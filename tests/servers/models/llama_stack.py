"""llama-stack 0.7.3: as OGX, which succeeds it, but `files` of a batch are refused."""

from __future__ import annotations

from openai_vtab.sandbox import Quirks, Received
from openai_vtab.sandbox.messages import Response, json_response
from openai_vtab.sandbox.state import State

from ..run import Words
from .model import CarryOut, Model, creates_by_files
from .ogx import ONE_BATCH_FOR_EACH_SET, resembling


def respond(received: Received, carry_out: CarryOut, _: State) -> Response:
    """Carry out a request as llama-stack does."""
    if creates_by_files(received):
        return json_response({"error": {"message": "body.file_ids: Field required"}}, 400)
    return resembling(received, carry_out)


MODEL = Model(
    "llama-stack 0.7.3",
    'base_url="http://localhost:8321/v1"',
    Words(
        works="As OGX, its successor.",
        gaps={
            "`files` of a batch are refused with status 400.": ONE_BATCH_FOR_EACH_SET,
            "The purpose vision is refused with status 400.": "Upload with another purpose.",
            "All else that OGX lacks.": "As for OGX.",
        },
    ),
    respond,
    processing_seconds=0.0,
    quirks=Quirks(unknown_id_is_400=True, batch_ids_without_prefix=True),
)
