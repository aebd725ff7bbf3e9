"""LiteLLM's proxy 1.108.7, its pass-through to OpenAI: metadata of vector stores is lost."""

from __future__ import annotations

from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response

from .model import CarryOut, Model, without


def respond(received: Received, carry_out: CarryOut) -> Response:
    """Carry out a request without the metadata, which the proxy takes for its own."""
    if received.method == "POST" and received.segments[0] == "vector_stores" and len(received.segments) <= 2:
        return carry_out(without(received, "metadata"))
    return carry_out(received)


MODEL = Model(
    "LiteLLM 1.108.7, /openai",
    'base_url="http://localhost:4000/openai/v1"',
    "Metadata of vector stores is lost.",
    respond,
)
