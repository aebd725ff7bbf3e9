"""Compares each response of a run with OpenAI's description, and its members with the recorded cassettes.

>>> list(forms(client.records))
[Form("GET /files", "the cassettes", "file.sha256: a member that no cassette has", "…")]
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ..support.contract import check_answer, operation_of

CASSETTES = Path(__file__).parents[2] / "cassettes"
OF_THE_CLIENT = ("attributes", "metadata")  # whose members are not the API's


@dataclass(frozen=True)
class Form:
    """A response that is not as expected: by which source, and what was seen."""

    operation: str
    expected: str
    seen: str
    fix_in: str


@dataclass
class Members:
    """The members of one kind of object: the JSON types of each, and how many objects had it."""

    types: dict[str, set[str]]
    counts: dict[str, int]
    objects: int = 0


def forms(records: Iterable[dict[str, Any]]) -> Iterator[Form]:
    """The differences, each once."""
    found: dict[Form, None] = {}
    for record in records:
        response = as_json(record.get("response", ""))
        if not isinstance(response, dict):
            continue
        path = record["target"].partition("?")[0]
        try:
            operation = operation_of(record["method"], path)
        except AssertionError:  # a question may send what no operation is
            continue
        found |= dict.fromkeys(_from_description(operation, record["status"], record["response"]))
        if record["status"] == 200:
            found |= dict.fromkeys(_from_cassettes(operation, response))
    yield from found


def _from_description(operation: str, status: int, response: str) -> Iterator[Form]:
    try:
        check_answer(operation, status, response.encode())
    except jsonschema.ValidationError as error:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        problem = f"response{where}: {error.message}"
    except (AssertionError, KeyError, TypeError, ValueError) as error:  # what the description has only in prose
        problem = f"{type(error).__name__}: {error}"
    else:
        return
    fix_in = "tests/support/contract.py: check_answer"
    yield Form(operation, "OpenAI's description", f"{status} {problem[:200]}", fix_in)


def _from_cassettes(operation: str, response: Any) -> Iterator[Form]:
    fix_in = "sandbox/objects.py, sandbox/containers.py; the cassettes"
    for kind, item in objects(response):
        if kind not in recorded():
            yield Form(operation, "the cassettes", f"an object {kind!r}, which no cassette has", fix_in)
            continue
        known = recorded()[kind]
        for name, value in item.items():
            types = known.types.get(name)
            if types is None:
                yield Form(operation, "the cassettes", f"{kind}.{name}: a member that no cassette has", fix_in)
            elif value is not None and types != {"NoneType"} and type(value).__name__ not in types:
                yield Form(
                    operation, "the cassettes", f"{kind}.{name}: {type(value).__name__}, not {sorted(types)}", fix_in
                )
        for name, count in known.counts.items():
            if count == known.objects and name not in item:
                yield Form(operation, "the cassettes", f"{kind}.{name} is missing", fix_in)


@cache
def recorded() -> dict[str, Members]:
    """The members of every kind of object in the cassettes."""
    kinds: dict[str, Members] = defaultdict(lambda: Members(defaultdict(set), defaultdict(int)))
    for path in sorted(CASSETTES.rglob("*.yaml")):
        for interaction in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["interactions"]:
            for kind, item in objects(as_json(interaction["response"]["body"]["string"])):
                kinds[kind].objects += 1
                for name, value in item.items():
                    kinds[kind].types[name].add(type(value).__name__)
                    kinds[kind].counts[name] += 1
    return dict(kinds)


def objects(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects at any depth that say what they are. One that was deleted is of another kind."""
    if isinstance(value, dict):
        kind = value.get("object")
        if isinstance(kind, str):
            yield (f"deleted {kind}" if "deleted" in value else kind.replace("files_batch", "file_batch")), value
        value = [member for name, member in value.items() if name not in OF_THE_CLIENT]
    if isinstance(value, list):
        for member in value:
            yield from objects(member)


def as_json(text: Any) -> Any:
    """The JSON value, None if the text is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
