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
from openai_vtab.schema.spool import Spooled


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
