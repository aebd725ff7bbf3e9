"""The API without its sockets: a request in, a response out, with OpenAI's headers and error bodies.

>>> app = App(State(), "key")
>>> app.respond(Received("GET", "/vector_stores", {"authorization": "Bearer key"}, b"")).status
200
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from .endpoints import Call
from .errors import ErrorResponse
from .messages import Received, Response, json_response
from .routes import Endpoint, has_path, route
from .state import State


class App:
    """The API over one state, for one key."""

    def __init__(self, state: State, api_key: str) -> None:
        self.state = state
        self.quirks = state.quirks
        self.api_key = api_key

    def respond(self, request: Received) -> Response:
        """Carry out the request and return its response."""
        began = time.perf_counter()
        try:
            self._authenticate(request)
            endpoint, ids = _endpoint(request)
            with self.state.lock:
                found = endpoint(Call(self.state, request, ids))
            if isinstance(found, bytes):
                response = Response(200, found, {"content-type": "application/octet-stream"})
            else:
                response = json_response(found)
        except ErrorResponse as error:
            response = self.error_response(error)
        if "file_batches" in request.path and self.quirks.poll_after_ms is not None:
            response.headers["openai-poll-after-ms"] = str(self.quirks.poll_after_ms)
        response.headers["x-request-id"] = "req_" + secrets.token_hex(16)
        response.headers["openai-processing-ms"] = str(int((time.perf_counter() - began) * 1000))
        response.headers["openai-version"] = "2020-10-01"
        return response

    def error_response(self, error: ErrorResponse, type: str | None = None) -> Response:
        """An error in OpenAI's format, or in that of a quirk. The `type` follows from the status unless given."""
        status = error.status
        if status == 404 and self.quirks.unknown_id_is_400:
            status = 400
        if self.quirks.plain_errors == "text":
            return Response(status, error.message.encode(), {"content-type": "text/plain; charset=utf-8"})
        body: Any = {
            "error": {
                "message": error.message,
                "type": type or ("invalid_request_error" if status < 500 else "server_error"),
                "param": error.param,
                "code": error.code,
            }
        }
        if self.quirks.plain_errors == "detail":
            body = {"detail": error.message}
        return json_response(body, status)

    def _authenticate(self, request: Received) -> None:
        given = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise ErrorResponse(401, "You didn't provide an API key.", code="missing_api_key")
        if given != self.api_key:
            raise ErrorResponse(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")


def _endpoint(request: Received) -> tuple[Endpoint, list[str]]:
    found = route(request.method, request.segments)
    if found is not None:
        return found
    if has_path(request.segments):
        message = f"Not allowed to {request.method} on {request.path}."
        raise ErrorResponse(405, message, code="method_not_supported")
    raise ErrorResponse(404, f"Invalid URL ({request.method} /v1{request.path})")
