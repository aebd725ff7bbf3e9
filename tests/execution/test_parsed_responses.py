"""Parsed responses: how much of them a statement keeps."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from openai_vtab.execution import parsed_responses
from openai_vtab.execution.parsed_responses import ParsedResponses
from openai_vtab.protocol import Response
from openai_vtab.protocol import responses as protocol_responses
from openai_vtab.schema.spool import Spooled
from openai_vtab.schema.values import load_json


def at_once(response: Response, parse: Callable[[Response], Any]) -> Any:
    return parse(response)


def kept_of(responses: ParsedResponses, body: bytes) -> bytes | Spooled:
    return responses.parse("", Response(200, {}, body, ""), bool, keeps=True)[1]


class Result:
    """What a response means. Unlike a dict, it can be referred to weakly."""


@pytest.mark.parametrize(("size", "alive"), [(1, 10), (40, 2), (60, 1), (1000, 1)])
def test_memory_of_results(monkeypatch: pytest.MonkeyPatch, size: int, alive: int) -> None:
    """The latest result is kept, and others up to a number of bytes."""
    monkeypatch.setattr(parsed_responses, "RESULT_BYTES", 100)
    responses = ParsedResponses(at_once)
    made: list[weakref.ref[Result]] = []
    others: list[int] = []

    def parse(_: Response) -> Result:
        others.append(sum(each() is not None for each in made))
        made.append(weakref.ref(result := Result()))
        return result

    for number in range(10):
        responses.parse(str(number), Response(200, {}, b"x" * size, ""), parse, keeps=False)
    assert sum(each() is not None for each in made) == alive
    assert max(others) <= max(alive - 1, 1 if alive > 1 else 0)  # the others are gone before a response is parsed
    responses.forget("9")
    assert made[-1]() is None
    responses.close()
    assert not any(each() for each in made)


class Text(str):
    """A text that can be referred to weakly."""


@pytest.mark.parametrize(
    ("sql", "member"),
    [
        (
            "SELECT length(status) FROM vector_store_file_batches WHERE vector_store_id = 'vs_1' "
            "AND batch_id IN ('vsfb_1', 'vsfb_2', 'vsfb_3')",
            "status",
        ),
        (
            "SELECT length(text) FROM vector_store_file_content WHERE vector_store_id = 'vs_1' "
            "AND file_id IN ('file-1', 'file-2', 'file-3')",
            "text",
        ),
        (
            "WITH k (key) AS (VALUES ('file-1'), ('file-2'), ('file-3')) SELECT length(text) "
            "FROM k CROSS JOIN vector_store_file_content WHERE vector_store_id = 'vs_1' AND file_id = key",
            "text",
        ),
    ],
    ids=["look-ups", "lists", "join"],
)
def test_memory_of_rows_that_have_been_read(
    connect: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch, sql: str, member: str
) -> None:
    """They are gone before the next response is parsed. A replay parses none, because it would hold another row."""
    monkeypatch.setattr(parsed_responses, "RESULT_BYTES", 1)
    sandbox.add_store("vs_1")
    for number in (1, 2, 3):
        sandbox.add_file(f"{number}.txt", id=f"file-{number}", content=b"some text")
        sandbox.add_batch("vs_1", [f"file-{number}"], id=f"vsfb_{number}")
    made: list[weakref.ref[Text]] = []
    others: list[int] = []

    def load(body: bytes) -> Any:
        others.append(sum(each() is not None for each in made))
        answer = load_json(body)
        for each in answer.get("data", [answer]):
            each[member] = text = Text(each[member])
            made.append(weakref.ref(text))
        return answer

    monkeypatch.setattr(protocol_responses, "load_json", load)
    assert len(connect().execute(sql).fetchall()) == 3
    assert others == [0, 0, 0]


def test_memory_of_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those above the bound are in a file, and come back as they were."""
    monkeypatch.setattr(parsed_responses, "BODY_BYTES", 100)
    responses = ParsedResponses(at_once)
    bodies = [b"%d" % number * 40 for number in range(5)]
    kept = [kept_of(responses, body) for body in bodies]
    assert [isinstance(body, Spooled) for body in kept] == [False, False, True, True, True]
    assert [Response(200, {}, body, "").body for body in kept] == bodies
    responses.close()


def test_memory_of_bodies_without_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_responses, "BODY_BYTES", 100)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert kept_of(ParsedResponses(at_once), b"x" * 200) == b"x" * 200
