"""What the queue does when an interrupt and the last answer come at once: the network is a plain function here."""

from __future__ import annotations

import threading
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.api import Object, Request, Response
from openai_vtab.fetch import Fetch
from openai_vtab.http import Client
from openai_vtab.outbox import Outbox, Write
from openai_vtab.settings import Settings


@pytest.mark.parametrize("reader", [None, "a SELECT"])
def test_an_interrupt_at_the_last_answer_is_not_taken_for_success(
    monkeypatch: pytest.MonkeyPatch, reader: object
) -> None:
    """COMMIT would keep rows of which nothing was told: it fails, and says that they were carried out."""
    asked, settled = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def send(client: Client, request: Request, abandoned: threading.Event) -> Response:
        asked.wait(5)
        return Response(200, {}, b"", "")

    def settle(response: Response) -> Object:
        settled.set()
        return {"id": "vsfb_1"}

    def interrupted() -> bool:
        asked.set()
        assert settled.wait(5)
        fetch.close()
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
        return True

    monkeypatch.setattr(Client, "send", send)
    fetch = Fetch(Client(Settings(max_concurrency=1)), interrupted)
    outbox = Outbox(fetch)
    told: list[Any] = []
    request = Request("POST", "/vector_stores/vs_1/file_batches", repeatable=False)
    outbox.add(Write(request, 1, settle, landed=told.append, lost=lambda object: told.append(("lost", object))))
    with pytest.raises(openai_vtab.WriteError, match="interrupted while writing") as caught:
        outbox.flush(reader)
    assert (caught.value.done, caught.value.not_done, caught.value.unknown) == ([(1, "vsfb_1")], [], [])
    if reader is not None:  # the transaction goes on
        assert told == []
        outbox.flush()
        assert told == [{"id": "vsfb_1"}]
    else:
        assert told == [("lost", {"id": "vsfb_1"})]


@pytest.mark.parametrize("refusal", [apsw.InterruptError, apsw.FullError])
def test_what_cannot_be_told_here_does_not_hide_what_is_unknown(
    monkeypatch: pytest.MonkeyPatch, refusal: type[apsw.Error]
) -> None:
    """One was carried out and SQLite will not have its row; nobody knows of the other: the error names both."""

    def send(client: Client, request: Request, abandoned: threading.Event) -> Response:
        if request.target == "/cut":
            raise openai_vtab.APIConnectionError("the connection broke", request="POST /cut", sent=True)
        return Response(200, {}, b"", "")

    def landed(written: Object) -> None:
        raise refusal("not now")

    monkeypatch.setattr(Client, "send", send)
    outbox = Outbox(Fetch(Client(Settings(max_concurrency=1)), lambda: False))
    told: list[str] = []
    for rowid, target in ((1, "/done"), (2, "/cut")):
        request = Request("POST", target, repeatable=False)
        write = Write(request, rowid, lambda _: {"id": "vsfb_1"}, landed=landed)
        write.lost = lambda written: told.append("lost")
        write.unknown = lambda: told.append("unknown")
        outbox.add(write)
    with pytest.raises(openai_vtab.WriteError) as caught:
        outbox.flush()
    assert caught.value.done == [(1, "vsfb_1")]
    assert [rowid for rowid, _ in caught.value.unknown] == [2]
    assert caught.value.not_done == []
    assert told == ["unknown", "lost"]
    assert outbox.is_empty
    outbox.fetch.close()
