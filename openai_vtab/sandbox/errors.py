"""The API's error responses, raised by whatever finds the error.

>>> raise ErrorResponse(404, "No such File object: file-1", param="id")
"""

from __future__ import annotations


class ErrorResponse(Exception):  # noqa: N818 - a response of the API, not a failure of the sandbox
    """An error status with the members of OpenAI's error object; `param` and `code` are None when it has none."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def invalid(param: str, problem: str) -> ErrorResponse:
    """A 400 for a parameter whose value is not allowed."""
    return ErrorResponse(400, f"Invalid '{param}': {problem}", param=param, code="invalid_value")


def missing(param: str) -> ErrorResponse:
    """A 400 for a required parameter that the request lacks."""
    message = f"Missing required parameter: '{param}'."
    return ErrorResponse(400, message, param=param, code="missing_parameter")


def wrong_type(param: str, expected: str) -> ErrorResponse:
    """A 400 for a parameter of another JSON type than `expected`, such as "a string"."""
    return ErrorResponse(400, f"Invalid type for '{param}': expected {expected}.", param=param, code="invalid_type")
