"""What an error response says about an object: the words of OpenAI, of compatible servers, and of web servers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from openai_vtab.protocol import Request, Response, error_responses
from openai_vtab.protocol.not_found import Verdict

ABSENT, NO_ROUTE, UNDECIDED, OTHER = Verdict.ABSENT, Verdict.NO_ROUTE, Verdict.UNDECIDED, Verdict.OTHER

STORE = Request("GET", "/vector_stores/vs_1", route="/vector_stores/{vector_store_id}")
BATCH = Request(
    "GET",
    "/vector_stores/vs_1/file_batches/vsfb_1",
    route="/vector_stores/{vector_store_id}/file_batches/{batch_id}",
)
ATTACHED = Request("GET", "/vector_stores/vs_1/files/file-1", route="/vector_stores/{vector_store_id}/files/{file_id}")
FILE = Request("GET", "/files/file-1", route="/files/{file_id}")
MODEL = Request("GET", "/models/m-1", route="/models/{model_id}")


def openai(message: str, **members: Any) -> Any:
    """An error object of the API's shape."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **members}}


def page(title: str) -> bytes:
    """An error page."""
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body></html>".encode()


# Name, what was asked for, the body of a 404, the verdict.
BODIES: list[tuple[str, Request, Any, Verdict]] = [
    # the API, and servers like it, name the object
    ("OpenAI, store", STORE, openai("No vector store found with id 'vs_1'."), ABSENT),
    ("OpenAI, store, as seen", STORE, openai("Vector store with id [vs_1] not found."), ABSENT),
    ("OpenAI, batch", BATCH, openai("No file batch found with id 'vsfb_1' in vector store 'vs_1'."), ABSENT),
    ("OpenAI, store of a batch", BATCH, openai("No vector store found with id 'vs_1'."), ABSENT),
    ("OpenAI, attached", ATTACHED, openai("No file found with id 'file-1' in vector store 'vs_1'."), ABSENT),
    ("OpenAI, file", FILE, openai("No such File object: file-1", param="id"), ABSENT),
    ("OpenAI, model", MODEL, openai("The model 'm-1' does not exist", code="model_not_found"), ABSENT),
    ("OpenAI, model of others", MODEL, openai("The model `m-1` does not exist or you do not have access to it."), ABSENT),
    ("OpenAI, kind alone", STORE, openai("The vector store does not exist"), ABSENT),
    ("FastAPI, by hand", BATCH, {"detail": "File batch vsfb_1 not found"}, ABSENT),
    ("OGX", STORE, {"error": {"message": "Vector_store 'vs_1' not found"}}, ABSENT),
    ("OGX, in one word", STORE, openai("VectorStore not found"), ABSENT),
    ("id and words of a route", STORE, openai("Operation failed: vector store 'vs_1' was not found"), ABSENT),
    ("id and an application", STORE, openai("In application 5, vector store vs_1 does not exist"), ABSENT),
    ("id and an endpoint", STORE, {"detail": "endpoint westeurope: vector store vs_1 not found"}, ABSENT),
    ("there is no", STORE, openai("There is no vector store with id vs_1"), ABSENT),
    ("id after another thing", STORE, openai("API error: vector store vs_1 not found"), ABSENT),
    ("id before another thing", STORE, openai("Vector store vs_1 doesn't exist in api project"), ABSENT),
    ("kind, of another parent", BATCH, openai("File batch does not belong to the vector store"), ABSENT),
    ("kind, none found", BATCH, openai("No file batch found"), ABSENT),
    ("id alone", STORE, openai("vs_1 could not be found"), ABSENT),
    ("code names it", STORE, openai("Not found", code="vector_store_not_found"), ABSENT),
    ("another server's batch", BATCH, openai("Batch vsfb_1 doesn't exist"), ABSENT),
    ("unknown", STORE, openai("Unknown vector store: vs_1"), ABSENT),
    ("deleted", FILE, openai("File file-1 was deleted"), ABSENT),
    ("cannot find", FILE, openai("Could not find file with ID file-1"), ABSENT),
    ("LiteLLM around OpenAI", STORE, openai(
        "litellm.NotFoundError: NotFoundError: OpenAIException - No vector store found with id 'vs_1'.", code="404"
    ), ABSENT),
    ("Spring, with a message", STORE, {
        "timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found",
        "message": "Vector store vs_1 not found", "path": "/v1/vector_stores/vs_1",
    }, ABSENT),
    ("an API that adds the address", STORE, openai("No vector store found with id 'vs_1' (/v1/vector_stores/vs_1)"), ABSENT),
    # a route that is not there
    ("OpenAI, route", BATCH, openai("Invalid URL (GET /v1/vector_stores/vs_1/file_batches/vsfb_1)"), NO_ROUTE),
    ("OpenAI, route without /v1", STORE, openai("Invalid URL (GET /vector_stores/vs_1)"), NO_ROUTE),
    ("LiteLLM around OpenAI's route", STORE, openai("litellm.NotFoundError: OpenAIException - Invalid URL (GET /v1/vector_stores/vs_1)"), NO_ROUTE),
    ("Groq", STORE, openai(
        "Unknown request URL: GET /openai/v1/vector_stores/vs_1. Please check the URL for typos, or see the docs",
        code="unknown_url",
    ), NO_ROUTE),
    ("LM Studio", STORE, {"error": "Unexpected endpoint or method. (GET /v1/vector_stores/vs_1)"}, NO_ROUTE),
    ("FastAPI", BATCH, {"detail": "Not Found"}, NO_ROUTE),
    ("AWS API Gateway", BATCH, {"message": "Not Found"}, NO_ROUTE),
    ("Rails", STORE, {"status": 404, "error": "Not Found"}, NO_ROUTE),
    ("Kong", STORE, {"message": "no Route matched with those values", "request_id": "5e1a"}, NO_ROUTE),
    ("Go, Traefik, Ollama", STORE, b"404 page not found\n", NO_ROUTE),
    ("aiohttp", STORE, b"404: Not Found", NO_ROUTE),
    ("Hono", STORE, b"404 Not Found", NO_ROUTE),
    ("Kubernetes", STORE, b"default backend - 404", NO_ROUTE),
    ("nginx", STORE, page("404 Not Found"), NO_ROUTE),
    ("Cloudflare", STORE, b"<!DOCTYPE html>\n<!--[if lt IE 7]> <html class='no-js ie6'> <![endif]-->", NO_ROUTE),
    ("Flask", STORE, b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>", NO_ROUTE),
    ("a page after a BOM", STORE, b"\xef\xbb\xbf\r\n  <HTML>", NO_ROUTE),
    ("a page with the object's name", STORE, page("Vector store vs_1 not found"), NO_ROUTE),
    ("S3", STORE, b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code></Error>", NO_ROUTE),
    ("Flask-RESTful", STORE, {
        "message": "The requested URL was not found on the server. If you entered the URL manually please check your "
        "spelling and try again."
    }, NO_ROUTE),
    ("Express", STORE, page("Cannot GET /v1/vector_stores/vs_1"), NO_ROUTE),
    ("Express, text", STORE, b"Cannot GET /v1/vector_stores/vs_1", NO_ROUTE),
    ("NestJS", FILE, {"statusCode": 404, "message": "Cannot GET /v1/files/file-1", "error": "Not Found"}, NO_ROUTE),
    ("Fastify", FILE, {"message": "Route GET:/v1/files/file-1 not found", "error": "Not Found", "statusCode": 404}, NO_ROUTE),
    ("Laravel", STORE, {"message": "The route v1/vector_stores/vs_1 could not be found."}, NO_ROUTE),
    ("Spring", STORE, {
        "timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found", "path": "/v1/vector_stores/vs_1",
    }, NO_ROUTE),
    ("Spring 3", STORE, {
        "timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found",
        "message": "No static resource v1/vector_stores/vs_1.", "path": "/v1/vector_stores/vs_1",
    }, NO_ROUTE),
    ("Micronaut", STORE, {"message": "Page Not Found", "_links": {}}, NO_ROUTE),
    ("Vercel", STORE, b"The page could not be found\n\nNOT_FOUND\n\nfra1::abc-123", NO_ROUTE),
    ("Cloudflare's API", STORE, {"success": False, "errors": [{"code": 7003, "message": "Could not route to /v1, perhaps"}]}, NO_ROUTE),
    ("Cloudflare AI Gateway", STORE, {"success": False, "error": [{"code": 7000, "message": "No route for that URI"}]}, NO_ROUTE),
    ("Google", STORE, {"code": 5, "message": "Method does not exist.", "details": []}, NO_ROUTE),
    ("Azure, deployment", STORE, {"error": {
        "code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist.",
    }}, NO_ROUTE),
    ("Azure API Management", STORE, {"statusCode": 404, "message": "Unable to match incoming request to an operation."}, NO_ROUTE),
    ("quoting the path", FILE, {"error": "nothing at /v1/files/file-1"}, NO_ROUTE),
    ("quoting the path of a file", FILE, openai("File not found: /v1/files/file-1"), NO_ROUTE),
    ("an open file", FILE, {"error": "ENOENT: no such file or directory, open '/srv/www/v1/files/file-1'"}, NO_ROUTE),
    ("an open file, Python", FILE, {"message": "[Errno 2] No such file or directory: '/app/v1/files/file-1'"}, NO_ROUTE),
    ("an open file, Go", FILE, b"open /srv/v1/files/file-1: file does not exist", NO_ROUTE),
    ("an open file in the API's shape", FILE, openai("open /srv/v1/files/file-1: file does not exist"), NO_ROUTE),
    # it could be either
    ("another path", FILE, b"open '/data/objects/file-1': no such file or directory", UNDECIDED),
    ("a file name", FILE, openai("The document file-1.json was not found"), UNDECIDED),
    ("the file you requested", FILE, b"The file you requested could not be found.", UNDECIDED),
    ("the file you requested, in the API's shape", FILE, openai("The file you requested could not be found."), UNDECIDED),
    ("an error page in words", FILE, b"Error: File not found (404)", UNDECIDED),
    ("an error page in the API's shape", FILE, openai("Error: File not found (404)"), UNDECIDED),
    ("kind alone, not in the API's shape", STORE, {"detail": "VectorStore not found"}, UNDECIDED),
    ("a method", STORE, {"error": "Unknown method GET for vector store"}, UNDECIDED),
    ("a method of the id", STORE, openai("Unknown method GET for vector store vs_1"), UNDECIDED),
    ("a backend", STORE, openai("Vector store backend not found"), UNDECIDED),
    ("a backend of the id", STORE, openai("No backend for vector store vs_1 was found"), UNDECIDED),
    ("a feature", STORE, openai("Vector store feature was not found on this server"), UNDECIDED),
    ("another kind of store", STORE, openai("Key/Value store not found"), UNDECIDED),
    ("an empty body", STORE, b"", UNDECIDED),
    ("an empty object", STORE, {}, UNDECIDED),
    ("null", STORE, b"null", UNDECIDED),
    ("brackets", STORE, b"[" * 100_000, UNDECIDED),
    ("OpenAI, not more", BATCH, openai("Not found"), UNDECIDED),
    ("Azure", STORE, {"error": {"code": "404", "message": "Resource not found"}}, UNDECIDED),
    ("Azure API Management, resource", STORE, {"statusCode": 404, "message": "Resource not found"}, UNDECIDED),
    ("vLLM", STORE, {"error": {"message": "Not Found", "type": "Not Found", "param": None, "code": 404}}, UNDECIDED),
    ("llama.cpp", FILE, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}, UNDECIDED),
    ("PHP", FILE, b"File not found.\n", UNDECIDED),
    ("Django REST framework", STORE, {"detail": "Not found."}, UNDECIDED),
    ("ASP.NET", STORE, {"type": "https://tools.ietf.org/html/rfc9110", "title": "Not Found", "status": 404}, UNDECIDED),
    ("text", STORE, b"Not Found", UNDECIDED),
    ("Google, entity", STORE, {"error": {"code": 404, "message": "Requested entity was not found."}}, UNDECIDED),
    ("a model", STORE, openai("The model `gpt-x` does not exist or you do not have access to it.", code="model_not_found"), UNDECIDED),
    ("a model of the store", STORE, openai("Model 'e5' of vector store 'vs_1' not found"), UNDECIDED),
    ("not there at all", STORE, openai("Vector stores are not supported"), UNDECIDED),
    ("another object", STORE, {"detail": "File batch vsfb_1 not found"}, UNDECIDED),
]  # fmt: skip


def judged(request: Request, status: int, body: Any) -> Verdict:
    """The verdict on a response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_responses.verdict(request, Response(status, {}, data, "https://x/v1"))


@pytest.mark.sample(60)
@pytest.mark.parametrize(
    ("request_", "body", "verdict"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_404_says_absent_no_route_or_neither(request_: Request, body: Any, verdict: Verdict) -> None:
    """As the servers of the table say it."""
    assert judged(request_, 404, body) is verdict


@pytest.mark.parametrize(
    ("request_", "message", "verdict"),
    [
        (BATCH, "File batch vsfb_1 does not belong to vector store vs_1", ABSENT),
        (BATCH, "File batch vsfb_1 not found", ABSENT),
        (BATCH, "Vector Store vs_1 not found", ABSENT),
        (STORE, "Vector_store 'vs_1' not found", ABSENT),
        (ATTACHED, "File file-1 not found in vector store vs_1", ABSENT),
        (FILE, "file-1 not found", ABSENT),
        (STORE, "There is no vector store with id vs_1", ABSENT),
        (STORE, "vector store vs_1 not found (field: vector_store_id)", ABSENT),
        (STORE, "Value error, Vector store vs_1 doesn't exist in api project", ABSENT),
        (STORE, "Not found", OTHER),
        (STORE, "Model 'e5' not found for vector store 'vs_1'", OTHER),
        (FILE, "Unknown parameter: 'file_id'.", OTHER),
        (FILE, "Invalid value for 'file_id': odd. Must match format 'file-' followed by 1-64 characters.", OTHER),
        (BATCH, "Invalid 'batch_id': 'vsfb_1'. Expected an ID that begins with 'vsfb_'.", OTHER),
        (STORE, "The vector store vs_1 is being processed", OTHER),
    ],
)
def test_400_says_absent_only_where_it_names_the_object(request_: Request, message: str, verdict: Verdict) -> None:
    """As compatible servers do; OpenAI's own 400 for an id that cannot be one has a code of its own."""
    assert judged(request_, 400, openai(message)) is verdict
    assert judged(request_, 400, {"detail": message}) is verdict
    assert judged(request_, 400, message.encode()) is verdict
    assert judged(request_, 400, openai(message, code="invalid_value")) is OTHER


def test_403_of_an_api_gateway_is_no_route() -> None:
    """AWS says so for a path that it does not have; any other 403 is about the key."""
    assert judged(STORE, 403, {"message": "Missing Authentication Token"}) is NO_ROUTE
    assert judged(STORE, 403, {"message": "Forbidden"}) is OTHER
    assert judged(STORE, 403, page("404 Not Found")) is OTHER


@pytest.mark.parametrize("status", [400, 410, 422])
def test_statuses_other_than_404_need_the_object(status: int) -> None:
    """Its id, or its kind in the API's error object; nothing else is settled by a look at the parent."""
    assert judged(STORE, status, {"detail": "Vector store vs_1 was deleted"}) is ABSENT
    assert judged(STORE, status, openai("Vector store not found")) is ABSENT
    assert judged(STORE, status, {"detail": "Vector store not found"}) is OTHER
    assert judged(STORE, status, openai("Not found")) is OTHER
    assert judged(STORE, status, b"") is OTHER


@pytest.mark.parametrize("status", [401, 405, 409, 429, 500, 503])
def test_other_statuses_say_neither(status: int) -> None:
    """Whatever their words are."""
    assert judged(STORE, status, openai("No vector store found with id 'vs_1'.")) is OTHER


@pytest.mark.parametrize(
    "id", ["Invalid URL", "model", "404 page not found", "not found", ".*", "a/b", "é", "(", "cannot get", "x" * 3000]
)
def test_404_words_are_not_looked_for_in_the_id(id: str) -> None:
    """An id that reads like a server's message is still an id."""
    request = Request("GET", "/files/" + quote(id, safe=""), route="/files/{file_id}")
    assert judged(request, 404, openai(f"No such File object: {id}"[:2000])) is ABSENT
    assert judged(request, 404, openai(f"Invalid URL (GET /v1/files/{id})"[:2000])) is NO_ROUTE
    assert judged(request, 404, openai("Not found")) is UNDECIDED


def test_404_short_id_is_not_found_within_a_word() -> None:
    """The file "o" is not named by "Not found"."""
    request = Request("GET", "/files/o", route="/files/{file_id}")
    assert judged(request, 404, openai("Nothing was not found")) is UNDECIDED
    assert judged(request, 404, openai("o was not found")) is ABSENT
