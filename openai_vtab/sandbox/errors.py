"""The API's error responses, raised by whatever finds the error.

>>> raise ErrorResponse(404, "No such File object: file-1", param="id")
"""

from __future__ import annotations

from collections.abc import Sequence

JSON_TYPES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class ErrorResponse(Exception):  # noqa: N818 - a response of the API, not a failure of the sandbox
    """An error status with the members of OpenAI's error object; `param` and `code` are None when it has none."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def invalid(param: str, problem: str, code: str = "invalid_value") -> ErrorResponse:
    """A 400 for a parameter whose value is not allowed."""
    return ErrorResponse(400, f"Invalid '{param}': {problem}", param=param, code=code)


def missing(param: str) -> ErrorResponse:
    """A 400 for a required parameter that the request lacks."""
    message = f"Missing required parameter: '{param}'."
    return ErrorResponse(400, message, param=param, code="missing_required_parameter")


def unknown(param: str) -> ErrorResponse:
    """A 400 for a parameter that the API does not have."""
    return ErrorResponse(400, f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def wrong_type(param: str, expected: str, value: object) -> ErrorResponse:
    """A 400 for a parameter of another JSON type than `expected`, such as "a string"."""
    message = f"Invalid type for '{param}': expected {expected}, but got {JSON_TYPES[type(value)]} instead."
    return ErrorResponse(400, message, param=param, code="invalid_type")


def unsupported(param: str, value: str, values: Sequence[str]) -> ErrorResponse:
    """A 400 for a parameter that is not one of the `values`."""
    supported = choices([f"'{each}'" for each in values], "and")
    message = f"Invalid value: '{value}'. Supported values are: {supported}."
    return ErrorResponse(400, message, param=param, code="invalid_value")


def too_long(param: str, limit: int, length: int, noun: str = "string", name: str = "a string") -> ErrorResponse:
    """A 400 for a string or an array of more than `limit` characters or items."""
    problem = (
        f"{noun} too long. Expected {name} with maximum length {limit}, but got {name} with length {length} instead."
    )
    return invalid(param, problem, f"{noun}_above_max_length")


def out_of_bounds(param: str, noun: str, side: str, expected: str, value: float) -> ErrorResponse:
    """A 400 for a number that is on the wrong `side`, such as "above maximum", of a bound."""
    problem = f"{noun} {side} value. Expected a value {expected}, but got {value} instead."
    where, bound = side.split()
    return invalid(param, problem, f"{noun}_{where}_{bound[:3]}_value")


def choices(names: Sequence[str], last: str) -> str:
    """The names as English lists them: "a, b or c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
