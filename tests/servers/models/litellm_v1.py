"""LiteLLM's proxy 1.108.7, its own routes: no file batches, and lists of files in one page."""

from __future__ import annotations

from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response

from .model import CarryOut, Model, no_route


def respond(received: Received, carry_out: CarryOut) -> Response:
    """Carry out a request as the proxy does with a provider that resembles OpenAI."""
    if "file_batches" in received.segments:
        return no_route()
    if received.segments == ["files"] and received.method == "GET":
        kept = [part for part in received.path.partition("?")[2].split("&") if part.startswith(("purpose=", "order="))]
        return carry_out(Received("GET", f"/files?{'&'.join([*kept, 'limit=10000'])}", received.headers, b""))
    return carry_out(received)


MODEL = Model(
    "LiteLLM 1.108.7, /v1",
    'base_url="http://localhost:4000/v1"',
    "There is no route for file batches. `GET /files` ignores `limit` and `after`. A search is forwarded with "
    "`max_num_results: null` if the query has none.",
    respond,
)
