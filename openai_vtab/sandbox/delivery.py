"""How a response reaches the client: the bytes to write, with the pauses and cuts of a fault.

>>> list(steps(app, request, Cut("headers")))
[b'HTTP/1.1 200 OK\\r\\ncont', Close()]
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass

from .app import App
from .errors import ErrorResponse
from .faults import Answer, Cut, Drip, Fault, Raw, Slow, Status, Wire
from .messages import Received, Response


@dataclass(frozen=True)
class Pause:
    """Wait before the next step."""

    seconds: float


@dataclass(frozen=True)
class Close:
    """Close the connection."""


Step = bytes | Pause | Close


def steps(app: App, request: Received, fault: Fault | None) -> Iterator[Step]:
    """Carry out the request as the fault demands, and yield how its response is delivered."""
    if isinstance(fault, Status | Raw | Answer) and fault.carried_out:
        app.respond(request)
    if isinstance(fault, Raw):
        yield fault.data
        yield Close()
        return
    if fault == Cut("accept"):
        yield Close()
        return
    if isinstance(fault, Slow):
        yield Pause(fault.seconds)
    response = _replacement(app, fault) if isinstance(fault, Status | Answer) else app.respond(request)
    top = head(response)
    if isinstance(fault, Cut):
        yield _until(fault, top, response.body)
        yield Close()
        return
    request.record_status(response.status)
    if isinstance(fault, Drip):
        yield top
        for byte in response.body:
            yield Pause(fault.seconds_per_byte)
            yield bytes([byte])
    elif isinstance(fault, Wire):
        for part in fault.parts(top, response.body):
            yield part
            yield Pause(fault.pause)
        if not fault.kept:
            yield Close()
    else:
        yield top if request.method == "HEAD" else top + response.body
        if app.quirks.close_without_notice:
            yield Close()


def _replacement(app: App, fault: Status | Answer) -> Response:
    """The response that the fault puts in place of the true one."""
    if isinstance(fault, Answer) or fault.body is not None:
        body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        return Response(fault.status, body, {"content-type": "application/json", **fault.headers})
    message = fault.message or f"The sandbox was told to respond {fault.status}."
    response = app.error_response(ErrorResponse(fault.status, message, code=fault.code), fault.type)
    response.headers.update({"x-request-id": "req_fault", **fault.headers})
    return response


def _until(cut: Cut, head: bytes, body: bytes) -> bytes:
    """What is sent before the cut: nothing, half of the head, or the head and half of the body."""
    if cut.when == "answer":
        return b""
    return head[: len(head) // 2] if cut.when == "headers" else head + body[: len(body) // 2]


def head(response: Response) -> bytes:
    """The status line and the headers."""
    phrase = http.client.responses.get(response.status, "Unknown")
    lines = [f"HTTP/1.1 {response.status} {phrase}", f"content-length: {len(response.body)}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
