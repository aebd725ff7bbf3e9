"""The API without its sockets: a request in, a response out, with OpenAI's headers and error bodies.

>>> app = App(State(), "key")
>>> app.respond(Received("GET", "/vector_stores", {"authorization": "Bearer key"}, b"")).status
200
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from .endpoints import NOT_JSON, Call
from .errors import ErrorResponse
from .messages import Received, Response, json_response
from .routes import Endpoint, has_path, route
from .state import State

logger = logging.getLogger(__name__)

# Of errors whose type does not follow from the status, by code
TYPES = {"insufficient_quota": "insufficient_quota", "server_is_overloaded": "service_unavailable_error"}
NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


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
            endpoint, ids = _endpoint(request)
            self._authenticate(request)
            with self.state.lock:
                found = endpoint(Call(self.state, request, ids))
            if isinstance(found, bytes):
                response = Response(200, found, {"content-type": "application/octet-stream"})
            else:
                response = json_response(found)
        except ErrorResponse as error:
            response = self.error_response(error)
        except RecursionError:
            response = self.error_response(ErrorResponse(400, NOT_JSON))
        except Exception:
            logger.exception("%s %s has failed", request.method, request.path)
            message = "The server had an error while processing your request. Sorry about that!"
            response = self.error_response(ErrorResponse(500, message))
        if "file_batches" in request.path and self.quirks.poll_after_ms is not None:
            response.headers["openai-poll-after-ms"] = str(self.quirks.poll_after_ms)
        response.headers["x-request-id"] = "req_" + secrets.token_hex(16)
        response.headers["openai-processing-ms"] = str(int((time.perf_counter() - began) * 1000))
        response.headers["openai-version"] = "2020-10-01"
        return response

    def error_response(self, error: ErrorResponse, type: str | None = None) -> Response:
        """An error in OpenAI's format, or a quirk's. The `type` follows from code and status unless given."""
        status = error.status
        if status == 404 and self.quirks.unknown_id_is_400:
            status = 400
        if self.quirks.plain_errors == "text":
            return Response(
                status, error.message.encode("utf-8", "replace"), {"content-type": "text/plain; charset=utf-8"}
            )
        body: Any = {
            "error": {
                "message": error.message,
                "type": type or TYPES.get(error.code or "") or _type(status),
                "param": error.param,
                "code": error.code,
            }
        }
        if self.quirks.plain_errors == "detail":
            body = {"detail": error.message}
        return json_response(body, status)

    def _authenticate(self, request: Received) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = request.headers.get("api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not given:
            raise ErrorResponse(401, NO_KEY)
        if given != self.api_key:
            message = (
                f"Incorrect API key provided: {_masked(given)}. You can find your API key at "
                "https://platform.openai.com/account/api-keys."
            )
            raise ErrorResponse(401, message, code="invalid_api_key")


def _type(status: int) -> str:
    """The type of an error, which for a rate limit is what is limited."""
    if status == 429:
        return "requests"
    return "invalid_request_error" if status < 500 else "server_error"


def _masked(key: str) -> str:
    """The key as far as OpenAI repeats it in an error."""
    shown = 4 if len(key) > 16 else 0
    return key[:shown] + "*" * (len(key) - 2 * shown) + key[len(key) - shown :]


def _endpoint(request: Received) -> tuple[Endpoint, list[str]]:
    address = request.prefix + request.path.partition("?")[0]
    if request.prefix:
        found = route(request.method, request.segments)
        if found is not None:
            return found
        if has_path(request.segments):
            raise ErrorResponse(405, f"Not allowed to {request.method} on {address}.", code="method_not_supported")
    raise ErrorResponse(404, f"Invalid URL ({request.method} {address})")
