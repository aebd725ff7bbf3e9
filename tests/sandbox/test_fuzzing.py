"""Requests that schemathesis derives from OpenAI's description, valid ones and others, sent to the sandbox.

The sandbox accepts what the description allows and refuses the rest with 400, except for the contradictions listed
here. It never responds 5xx, never cuts a connection, and its responses are as described.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests as http
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Quirks

from ..support.contract import SPEC, body_validator, check_answer, described, validator
from .test_contract import NAMES, OPERATIONS

EXAMPLES = 120  # of each operation


@dataclass(frozen=True)
class Contradiction:
    """What the description allows and the API refuses: the code, the parameter and the message of the refusal."""

    reason: str
    code: str | None
    param: str
    message: str = ""

    def explains(self, error: dict[str, Any]) -> bool:
        """Whether this is why the request was refused."""
        return (
            error["code"] == self.code
            and re.fullmatch(self.param, error["param"] or "") is not None
            and re.search(self.message, error["message"]) is not None
        )


CONTRADICTIONS = [
    Contradiction("A file's id has a prefix, as errors of the API say", "invalid_value", r".*file_ids?(\[\d+\])?", "begins with 'file'"),
    Contradiction("Ids consist of certain characters, as errors of the API say", "invalid_value", r"file_id|vector_store_id", "additional characters"),
    Contradiction("A batch's id has a prefix, as errors of the API say", "invalid_value", "batch_id", "begins with 'vsfb_'"),
    Contradiction("Bounds of limit are prose", "integer_above_max_value", "limit"),
    Contradiction("Bounds of limit are prose", "integer_below_min_value", "limit"),
    Contradiction("A cursor is the id of an object in the list", "invalid_value", "after|before", "is not in the list"),
    Contradiction("minItems of a query stands at its strings, not at its array", "empty_array", "query"),
    Contradiction("in and nin compare with an array, in prose", "invalid_type", r"filters.*\.value", "expected an array,"),
    Contradiction("The bounds of an overlap are prose", "invalid_value", r".*chunk_overlap_tokens", "at most half"),
    Contradiction("The bounds of an overlap are prose", "integer_below_min_value", r".*chunk_overlap_tokens"),
    Contradiction("A strategy needs file_ids, in prose", "invalid_value", "chunking_strategy", "only applicable"),
    Contradiction("file_ids and files exclude each other, in prose", "mutually_exclusive_parameters", "file_ids"),
    Contradiction("The limits of metadata are prose", "object_above_max_properties", "metadata"),
    Contradiction("The limits of metadata are prose", "property_name_above_max_length", "metadata"),
    Contradiction("The limits of metadata are prose", "string_above_max_length", r"metadata\..*"),
    Contradiction("A batch that has ended cannot be cancelled", None, "", "cannot be cancelled"),
    Contradiction("An empty file is refused", None, "file", "File is empty"),
    Contradiction("An object in a form has its members in brackets, as the official SDKs send them", "invalid_type", "expires_after"),
]  # fmt: skip

PAIRS = ("attributes", "metadata")  # their members are the client's
MEMBERS = {name for schema in SPEC["components"]["schemas"].values() for name in schema.get("properties", ())}

STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
ATTACHMENT = {
    "file_id": "file-new-01",
    "attributes": {"a": "b", "n": 1, "x": 0.5, "y": True},
    "chunking_strategy": STATIC,
}
COMPARISONS = [{"type": "eq", "key": "a", "value": "b"}, {"type": "in", "key": "n", "value": [1, "2"]}]

# Bodies with all members, whose parts are then replaced, removed and added
BODIES = {
    "POST /vector_stores": {
        "name": "n",
        "description": "d",
        "file_ids": ["file-new-01"],
        "chunking_strategy": STATIC,
        "expires_after": {"anchor": "last_active_at", "days": 7},
        "metadata": {"a": "b"},
    },
    "POST /vector_stores/{vector_store_id}": {
        "name": "n",
        "expires_after": {"anchor": "last_active_at", "days": 7},
        "metadata": {"a": "b"},
    },
    "POST /vector_stores/{vector_store_id}/search": {
        "query": ["refund", "policy"],
        "rewrite_query": True,
        "max_num_results": 5,
        "filters": {"type": "and", "filters": [*COMPARISONS, {"type": "or", "filters": COMPARISONS}]},
        "ranking_options": {"ranker": "auto", "score_threshold": 0.5},
    },
    "POST /vector_stores/{vector_store_id}/files": ATTACHMENT,
    "POST /vector_stores/{vector_store_id}/files/{file_id}": {"attributes": {"a": "b", "n": 1}},
    "POST /vector_stores/{vector_store_id}/file_batches": {
        "file_ids": ["file-new-01", "file-new-02"],
        "files": [ATTACHMENT, {"file_id": "file-new-02"}],
        "attributes": {"a": "b"},
        "chunking_strategy": {"type": "auto"},
    },
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 5000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(MEMBERS)) | st.text(), inner),
    max_leaves=5,
)


@st.composite
def changed(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """The body with up to three of its parts replaced, removed or added."""
    whole = {"body": copy.deepcopy(body)}
    for _ in range(draw(st.integers(1, 3))):
        places = list(parts(whole))
        holder, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(["replace", "remove", "remove", "add"]))
        if action == "remove" and holder is not whole:
            del holder[key]
        elif action == "add" and isinstance(holder[key], dict):
            holder[key][draw(st.sampled_from(sorted(MEMBERS)) | st.text())] = draw(VALUES)
        else:
            holder[key] = draw(VALUES)
    return whole["body"]


def parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each part at any depth, as what holds it and its key or index."""
    for key in list(value) if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        yield value, key
        yield from parts(value[key])


def without_nulls(value: Any) -> Any:
    """The body as it is read: null stands for absence, which clients send although the description has no null."""
    if isinstance(value, dict):
        given = {name: member for name, member in value.items() if member is not None or name not in MEMBERS}
        return {name: m if name in PAIRS else without_nulls(m) for name, m in given.items()}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def is_described(operation: str, body: Any, query: dict[str, Any]) -> bool:
    """Whether the description allows the body, with null for absence, and the query."""
    parameters = {p["name"]: p["schema"] for p in described(operation).get("parameters", ()) if p["in"] == "query"}
    if parameters and not all(n in parameters and validator(parameters[n]).is_valid(v) for n, v in query.items()):
        return False
    if "requestBody" not in described(operation):
        return True
    check = body_validator(operation, "request")
    return bool(check.is_valid(body) or check.is_valid(without_nulls(body)))


def generated(value: Any) -> Any:
    """The description without minItems at strings, which means nothing there, and from which nothing is generated."""
    if isinstance(value, dict):
        dropped = {"minItems"} if value.get("type") == "string" else set()
        return {name: generated(member) for name, member in value.items() if name not in dropped}
    return [generated(member) for member in value] if isinstance(value, list) else value


@pytest.fixture
def fuzzed() -> Iterator[Any]:
    """A sandbox with the description's spelling of a batch's object, which every example adds to."""
    with sandbox_package.run(quirks=Quirks(plural_object=True)) as sandbox:
        yield sandbox


@pytest.mark.slow
@pytest.mark.parametrize("operation", [operation for operation, _, _ in OPERATIONS])
def test_fuzzing_finds_only_known_contradictions(fuzzed: Any, operation: str) -> None:
    """Both ways: what is described is accepted, what is not is refused."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is in the extra `slow`")
    method, path = operation.split(" ")
    from_description = schemathesis.openapi.from_dict(generated(SPEC))[path][method]
    cases = [from_description.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)]
    if operation in BODIES:
        cases.append(st.builds(with_body, cases[0], changed(BODIES[operation])))
    if not operation.endswith("/search"):  # schemathesis cannot negate filters that contain filters
        cases.append(from_description.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(cases),
        known=st.sampled_from([True, True, True, False]),
        used=st.sampled_from(["file-demo-01", "file-demo-02"]),
    )
    def fuzz(case: Any, known: bool, used: str) -> None:
        if known:  # random ids do not reach far
            case.path_parameters = {n: {**NAMES, "file_id": used}[n] for n in case.path_parameters or {}}
        send(case)

    def send(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {fuzzed.api_key}"}
        judge(operation, case, case.call(base_url=fuzzed.base_url, session=session))

    with http.Session() as session:
        fuzz()


def with_body(case: Any, body: Any) -> Any:
    """The case with another body."""
    case.body = body
    return case


def judge(operation: str, case: Any, response: Any) -> None:
    """The response is what the description and the contradictions say."""
    assert response.status_code < 500, response.text
    if response.status_code == 200:
        check_answer(operation, 200, response.content)
    else:
        error = response.json()["error"]
        body_validator(operation, "error").validate(response.json())
    allowed = is_described(operation, case.body, case.query or {})
    if not allowed and operation != "POST /files":
        assert response.status_code in (400, 404), (case.body, case.query)
    elif allowed and response.status_code != 200:
        # without_nulls() knows the names of all members, but not where each belongs
        null = error["code"] == "unknown_parameter" and without_nulls(case.body) != case.body
        explained = null or any(contradiction.explains(error) for contradiction in CONTRADICTIONS)
        assert response.status_code in (404, 405) or explained, (error, case.body)
