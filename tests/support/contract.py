"""The API's own description as a check of requests and answers, shared by the tests.

openapi-vector-stores.json is the part of github.com/openai/openai-openapi that has the 21 operations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
from werkzeug.formparser import parse_form_data

SPEC = json.loads((Path(__file__).parent / "openapi-vector-stores.json").read_text(encoding="utf-8"))
NULLABLE = (
    "name",
    "expires_after",
)  # of an update, in the notation of OpenAPI 3.0, which a validator of 3.1 passes over
LARGEST = {"/files": 10_000}  # pages; the description says it only in prose, as it does 100 for the others


def described(operation: str) -> Any:
    """The description of "GET /files"."""
    method, path = operation.split(" ")
    return SPEC["paths"][path][method.lower()]


def validator(schema: Any) -> Any:
    return jsonschema.validators.Draft202012Validator({**schema, "components": SPEC["components"]})


def validate(instance: Any, schema: Any) -> None:
    """The instance is as the schema says."""
    validator(schema).validate(instance)


@cache
def body_validator(operation: str, part: str) -> Any:
    """Of the request's body, of the answer, or of an error."""
    if part == "error":
        return validator({"$ref": "#/components/schemas/ErrorResponse"})
    body = described(operation)["requestBody"] if part == "request" else described(operation)["responses"]["200"]
    return validator(next(iter(body["content"].values()))["schema"])


def operation_of(method: str, path: str) -> str:
    """Which operation a request is: "GET /files/{file_id}"."""
    segments = path.split("/")
    for template, item in SPEC["paths"].items():
        parts = template.split("/")
        same = len(parts) == len(segments) and all(
            part[:1] == "{" or part == segment for part, segment in zip(parts, segments, strict=True)
        )
        if same and method.lower() in item:
            return f"{method} {template}"
    raise AssertionError(f"{method} {path} is not described: add it to tests/support/openapi-vector-stores.json")


def fields(content_type: str, raw: bytes) -> dict[str, Any]:
    """The fields of a multipart form: text, and of a file (name, content)."""
    environ = {
        "wsgi.input": BytesIO(raw),
        "CONTENT_LENGTH": str(len(raw)),
        "CONTENT_TYPE": content_type,
        "REQUEST_METHOD": "POST",
    }
    _, form, files = parse_form_data(environ, silent=False)
    found: dict[str, Any] = dict(form.items())
    for name, file in files.items():
        found[name] = (file.filename, file.read())
        file.close()
    return found


def check_request(method: str, target: str, content_type: str, raw: bytes) -> str:
    """It is an operation with parameters and a body that are described. The operation."""
    path, _, query = target.partition("?")
    operation = operation_of(method, path)
    parameters = {p["name"]: p["schema"] for p in described(operation).get("parameters", ()) if p["in"] == "query"}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        assert name in parameters, f"{operation} has no parameter {name}"
        validate(int(value) if parameters[name]["type"] == "integer" else value, parameters[name])
        if name == "limit":
            assert 1 <= int(value) <= LARGEST.get(path, 100), target
    if "requestBody" not in described(operation):
        assert not raw, f"{operation} has no body"
    elif content_type.startswith("multipart/"):
        form = fields(content_type, raw)
        expires = {n[14:-1]: form.pop(n) for n in list(form) if re.fullmatch(r"expires_after\[\w+\]", n)}
        if expires:
            form["expires_after"] = {"anchor": expires["anchor"], "seconds": int(expires["seconds"])}
        body_validator(operation, "request").validate({**form, "file": "binary"} if "file" in form else form)
    else:
        assert content_type == "application/json"
        body = json.loads(raw)
        if operation == "POST /vector_stores/{vector_store_id}":
            body = {name: value for name, value in body.items() if value is not None or name not in NULLABLE}
        body_validator(operation, "request").validate(body)
    return operation


def check_answer(operation: str, status: int, raw: bytes) -> None:
    """It is as described, but for what the real API is known to answer otherwise."""
    if operation == "GET /files/{file_id}/content" and status == 200:
        return
    answer = json.loads(raw)
    if status != 200:
        body_validator(operation, "error").validate(answer)
        return
    if answer["object"] == "vector_store.file_batch":  # which is what the documented examples have
        answer["object"] = "vector_store.files_batch"
    if answer["object"] == "list":
        assert (answer["first_id"] is None) == (answer["last_id"] is None) == (not answer["data"])
        if not answer["data"]:
            answer |= {"first_id": "", "last_id": ""}
        answer["data"] = answer["data"][:3] + answer["data"][3:][-2:]  # all were made in one way
    for item in (answer, *answer.get("data", ())):
        if item.get("purpose") == "evals":  # which an upload may have, and by the description no file
            item["purpose"] = "user_data"
    body_validator(operation, "answer").validate(answer)


def check(method: str, target: str, headers: Mapping[str, Any], raw: bytes, status: int, answer: bytes) -> None:
    """One exchange; `target` is below the base URL, header names are in lower case."""
    operation = check_request(method, target, headers.get("content-type", ""), raw)
    check_answer(operation, status, answer)
