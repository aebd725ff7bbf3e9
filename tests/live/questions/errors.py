"""Errors: requests that the API refuses, with the status, the code and the parameter of each.

None of them creates anything if the API refuses it. What it accepts carries the mark of the run, and is deleted.
"""

from __future__ import annotations

import json
from typing import Any

from ..ledger import MARK
from ..prices import Cost
from ..question import Questions
from ..world import World, refusal
from .stores import EXPIRY

ERRORS = Questions()

STORE, BATCHES = "/vector_stores/{store}", "/vector_stores/{store}/file_batches"
FILES, SEARCH = f"{STORE}/files", f"{STORE}/search"
NO_ID = "0" * 24
SANDBOX = "the sandbox; in the words of similar errors"
FILTER = {"type": "eq", "key": "a", "value": "b"}
STATIC = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}

# the request, its body, the expected status with code and param, the source
REFUSED: list[tuple[str, Any, str, str]] = [
    # what does not exist
    (f"GET /vector_stores/vs_{NO_ID}", None, "404 None vector_store_id", "openai-node#1691 has no param"),
    (f"DELETE /vector_stores/vs_{NO_ID}", None, "404 None vector_store_id", SANDBOX),
    (f"GET /files/file-{NO_ID}", None, "404 None id", SANDBOX),
    (f"GET {FILES}/file-{NO_ID}", None, "404 None file_id", "terraform-provider-openai#35"),
    (f"GET {BATCHES}/vsfb_{NO_ID}", None, "404 None None", SANDBOX),
    (f"POST {FILES}", {"file_id": f"file-{NO_ID}"}, "404 None id", SANDBOX),
    ("GET /nothing", None, "404 None None", "Invalid URL"),
    (f"GET {BATCHES}", None, "405 method_not_supported None", "the guide has such a list; the description has not"),
    (f"DELETE {BATCHES}/vsfb_{NO_ID}", None, "405 method_not_supported None", SANDBOX),
    # ids of another form
    (f"GET {BATCHES}/{{store}}", None, "400 invalid_value batch_id", "openai-node#1700"),
    ("GET /vector_stores/vs%20demo", None, "400 invalid_value vector_store_id", "LiteLLM PR 34788"),
    ("GET /files/file%2Fdemo", None, "400 invalid_value file_id", "LiteLLM PR 34788"),
    (f"POST {FILES}", {"file_id": "returns"}, "400 invalid_value file_id", SANDBOX),
    # lists
    (f"GET {FILES}?limit=101", None, "400 integer_above_max_value limit", "the bounds are prose"),
    (f"GET {FILES}?limit=0", None, "400 integer_below_min_value limit", "the bounds are prose"),
    (f"GET {FILES}?filter=done", None, "400 invalid_value filter", SANDBOX),
    (f"GET {FILES}?order=up", None, "400 invalid_value order", SANDBOX),
    (f"GET {FILES}?after=file-{NO_ID}", None, "400 invalid_value after", SANDBOX),
    (f"GET {FILES}?before=file-{NO_ID}", None, "400 invalid_value before", SANDBOX),
    (f"GET {FILES}?purpose=assistants", None, "400 unknown_parameter purpose", SANDBOX),
    ("GET /files?before={returns}", None, "400 unknown_parameter before", "the description has no such parameter"),
    ("GET /files?limit=10001", None, "400 integer_above_max_value limit", "the bounds are prose"),
    # batches
    (f"POST {BATCHES}", {}, "400 missing_required_parameter file_ids", SANDBOX),
    (f"POST {BATCHES}", {"file_ids": []}, "400 empty_array file_ids", SANDBOX),
    (f"POST {BATCHES}", {"files": [{}]}, "400 missing_required_parameter files[0].file_id", SANDBOX),
    (f"POST {BATCHES}", {"file_ids": [[]]}, "400 invalid_type file_ids[0]", SANDBOX),
    (f"POST {BATCHES}", {"file_ids": "x"}, "400 invalid_type file_ids", SANDBOX),
    (f"POST {BATCHES}", {"file_ids": [f"file-{NO_ID}"] * 2001}, "400 array_above_max_length file_ids", "open-chat-studio#954, with the limit of its time"),
    (f"POST {BATCHES}", {"file_ids": ["file-x"], "files": [{"file_id": "file-x"}]}, "400 mutually_exclusive_parameters file_ids", "prose"),
    (f"POST {BATCHES}", {"file_ids": [f"file-{NO_ID}"], "name": "x"}, "400 unknown_parameter name", "additionalProperties: false"),
    (f"POST {BATCHES}/{{batch}}/cancel", None, "400 None None", "Batch … is completed and cannot be cancelled"),
    (f"POST {BATCHES}/vsfb_{NO_ID}/cancel", None, "404 None None", SANDBOX),
    # attributes and strategies of files
    (f"POST {FILES}/{{returns}}", {}, "400 missing_required_parameter attributes", SANDBOX),
    (f"POST {FILES}/{{returns}}", {"attributes": {str(n): n for n in range(17)}}, "400 object_above_max_properties attributes", SANDBOX),
    (f"POST {FILES}/{{returns}}", {"attributes": {"k" * 65: 1}}, "400 property_name_above_max_length attributes", SANDBOX),
    (f"POST {FILES}/{{returns}}", {"attributes": {"k": "v" * 513}}, "400 string_above_max_length attributes.k", "the description; the guide says 256"),
    (f"POST {FILES}/{{returns}}", {"attributes": {"k" * 64: "v" * 512}}, "200 accepted", "the description; the guide says 256"),
    (f"POST {FILES}/{{returns}}", {"attributes": {"k": {"deep": 1}}}, "400 invalid_type attributes.k", SANDBOX),
    (f"POST {FILES}/{{returns}}", {"attributes": {"k": None}}, "400 invalid_type attributes.k", SANDBOX),
    (f"POST {FILES}", {"file_id": f"file-{NO_ID}", "chunking_strategy": {"type": "other"}}, "400 invalid_value chunking_strategy.type", SANDBOX),
    (
        f"POST {FILES}",
        {"file_id": f"file-{NO_ID}", "chunking_strategy": {"type": "static", "static": {**STATIC, "max_chunk_size_tokens": 99}}},
        "400 integer_below_min_value chunking_strategy.static.max_chunk_size_tokens",
        SANDBOX,
    ),
    (
        f"POST {FILES}",
        {"file_id": f"file-{NO_ID}", "chunking_strategy": {"type": "static", "static": {**STATIC, "chunk_overlap_tokens": 101}}},
        "400 invalid_value chunking_strategy.static.chunk_overlap_tokens",
        "the bound is prose",
    ),
    # updates of vector stores
    (f"POST {STORE}", {"description": "x"}, "400 unknown_parameter description", "the description has no such member"),
    (f"POST {STORE}", {"file_ids": []}, "400 unknown_parameter file_ids", "the description has no such member"),
    (f"POST {STORE}", {"name": 1}, "400 invalid_type name", SANDBOX),
    (f"POST {STORE}", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "400 integer_above_max_value expires_after.days", SANDBOX),
    (f"POST {STORE}", {"expires_after": {"anchor": "created_at", "days": 1}}, "400 invalid_value expires_after.anchor", SANDBOX),
    # searches
    (f"POST {SEARCH}", {}, "400 missing_required_parameter query", SANDBOX),
    (f"POST {SEARCH}", {"query": []}, "400 empty_array query", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "max_num_results": 51}, "400 integer_above_max_value max_num_results", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "max_num_results": 0}, "400 integer_below_min_value max_num_results", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "ranking_options": {"score_threshold": 1.5}}, "400 decimal_above_max_value ranking_options.score_threshold", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "ranking_options": {"ranker": "best"}}, "400 invalid_value ranking_options.ranker", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "ranking_options": {"hybrid_search": {}}}, "400 unknown_parameter ranking_options.hybrid_search", "only the file_search tool has it"),
    (f"POST {SEARCH}", {"query": "x", "filters": {**FILTER, "type": "like"}}, "400 invalid_value filters.type", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "filters": {**FILTER, "type": "in"}}, "400 invalid_type filters.value", SANDBOX),
    (f"POST {SEARCH}", {"query": "x", "filters": {"type": "in", "property": "filename", "value": ["x"]}}, "400 unknown_parameter filters.property", "the schema; the guide has such a filter"),
    (f"POST {SEARCH}", {"query": "x", "max_num_results": None}, "200 accepted", "what SDKs send"),
    (f"POST {SEARCH}", {"query": ""}, "200 accepted", SANDBOX),
]  # fmt: skip

# bodies of POST /vector_stores, which would create one if they were accepted
REFUSED_STORES: list[tuple[dict[str, Any], str, str]] = [
    ({"file_ids": ["file-x"] * 501}, "400 array_above_max_length file_ids", "open-chat-studio#954, with the limit of its time"),
    ({"file_ids": [1]}, "400 invalid_type file_ids[0]", SANDBOX),
    ({"chunking_strategy": {"type": "auto"}}, "400 invalid_value chunking_strategy", "only applicable with file_ids, in prose"),
    ({"metadata": {str(n): "" for n in range(17)}}, "400 object_above_max_properties metadata", "the limit is prose"),
    ({"metadata": {"k": "v" * 513}}, "400 string_above_max_length metadata.k", "the limit is prose"),
    ({"metadata": {"k": 1}}, "400 invalid_type metadata.k", SANDBOX),
    ({"expires_after": {"anchor": "last_active_at"}}, "400 missing_required_parameter expires_after.days", SANDBOX),
    ({"file_ids": []}, "200 accepted", "the sandbox; a client failed with it (open-chat-studio PR 2379)"),
    ({"other": 1}, "400 unknown_parameter other", "additionalProperties: false"),
]  # fmt: skip


def short(body: Any) -> str:
    """The body in one line, without what is long."""
    text = json.dumps(body)
    return text if len(text) <= 90 else f"{text[:60]}…{text[-20:]}"


def refused(operation: str, body: Any, expected: str, source: str) -> None:
    """Add a question about one request."""
    sent = "" if body is None else f" {short(body)}"
    text = f"What does {operation.replace(NO_ID, '0…')}{sent.replace(NO_ID, '0…')} say?"

    def asking(world: World) -> str:
        """The request over bare HTTP"""
        given = body
        if operation == "POST /vector_stores":
            given = {"expires_after": EXPIRY, **body, "metadata": {**body.get("metadata", {}), MARK: world.token}}
        return refusal(world.call(operation, given))

    cost = Cost(searches=int(expected.startswith("200") and operation.endswith("/search")))
    ERRORS.ask(text, expected, source=source, fix_in="sandbox/parameters.py, sandbox/state.py", cost=cost)(asking)


for each in REFUSED:
    refused(*each)
for body, expected, source in REFUSED_STORES:
    refused("POST /vector_stores", body, expected, source)


@ERRORS.ask("What does a request without a key say?", "401 None None", source=SANDBOX, fix_in="sandbox/app.py: NO_KEY")
def no_key(world: World) -> str:
    """GET /files?limit=1 without a key"""
    return refusal(world.call("GET /files?limit=1", keyless=True))


@ERRORS.ask(
    "What does a wrong key say?",
    "401 invalid_api_key None",
    source="LibreChat#5432",
    fix_in="sandbox/app.py: App._authenticate",
)
def wrong_key(world: World) -> str:
    """GET /files?limit=1 with a key that nobody has"""
    headers = {"Authorization": "Bearer sk-" + "0" * 40}
    return refusal(world.call("GET /files?limit=1", headers=headers, keyless=True))


@ERRORS.ask(
    "What does a body that is not JSON say?", "400 None None", source=SANDBOX, fix_in="sandbox/endpoints.py: NOT_JSON"
)
def not_json(world: World) -> str:
    """POST /vector_stores/{id} with {"""
    return refusal(world.call(f"POST {STORE}", b"{", headers={"Content-Type": "application/json"}))


@ERRORS.ask(
    "What does another content type say?",
    "400 unsupported_content_type None",
    source=SANDBOX,
    fix_in="sandbox/endpoints.py: Call.body",
)
def content_type(world: World) -> str:
    """POST /vector_stores/{id} as text/plain"""
    return refusal(world.call(f"POST {STORE}", b"{}", headers={"Content-Type": "text/plain"}))


@ERRORS.ask(
    "What does the upload of an empty file say?", "400 None file", source=SANDBOX, fix_in="sandbox/files.py: upload"
)
def empty_file(world: World) -> str:
    """POST /files"""
    return refusal(world.upload("empty.txt", b""))


@ERRORS.ask(
    "What does an unknown purpose say?", "400 None purpose", source=SANDBOX, fix_in="sandbox/files.py: PURPOSES"
)
def unknown_purpose(world: World) -> str:
    """POST /files"""
    return refusal(world.upload("purpose.txt", b"text", "nonsense"))


@ERRORS.ask(
    "Which expiry is too short for a file?",
    "400 integer_below_min_value expires_after.seconds",
    source="OpenAI's description: at least 3600",
    fix_in="sandbox/parameters.py: FILE_EXPIRY",
)
def short_expiry(world: World) -> str:
    """POST /files with expires_after[seconds]=3599"""
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}
    return refusal(world.upload("short.txt", b"text", **fields))
