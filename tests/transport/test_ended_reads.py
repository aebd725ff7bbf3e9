"""Reads that are under way when their statement is interrupted: their connections are closed at once.

Each request may take ten minutes here, and the servers never respond, so that only the interrupt can close them.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import apsw
import pytest
import trustme

import openai_vtab
from openai_vtab.transport.limits import CancelFlag, EndedBy

from ..support.server import answer, request, serving
from ..support.waiting import until

SELECT = "SELECT status FROM vector_store_file_batches WHERE vector_store_id = 'vs_1' AND batch_id IN ('a', 'b')"
INSERT = "INSERT INTO vector_stores (name) VALUES ('x')"
HALF = b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{"
SETTINGS: dict[str, Any] = {"api_key": "key-of-the-tests", "timeout": 600, "max_concurrency": 2, "read_ahead": False}


class Silent:
    """Serves connections: what it has received on each, and what the end of each was."""

    def __init__(self, response: bytes = b"") -> None:
        self.received: queue.Queue[bytes] = queue.Queue()
        self.ends: queue.Queue[bytes] = queue.Queue()
        self._response = response

    def __call__(self, connection: socket.socket) -> None:
        self.received.put(request(connection))
        connection.sendall(self._response)
        self.ends.put(connection.recv(1))


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ssl.SSLContext | None, dict[str, Any]]:
    """The server's context, and the settings that trust it."""
    if request.param == "http":
        return None, {}
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, {"ca_bundle": str(bundle)}


@pytest.fixture
def interrupted() -> Iterator[Callable[[Any, Callable[[], object]], threading.Thread]]:
    """Interrupts a connection, in another thread, once something has happened."""
    threads = []

    def interrupt(db: Any, after: Callable[[], object]) -> threading.Thread:
        threads.append(threading.Thread(target=lambda: (after(), db.interrupt())))
        threads[-1].start()
        return threads[-1]

    yield interrupt
    for thread in threads:
        thread.join(20)


@pytest.mark.parametrize("response", [b"", HALF], ids=["no response", "half a response"])
def test_interrupt_closes_the_connections_of_reads(tls: Any, interrupted: Any, response: bytes) -> None:
    """The server sees the end of both, and the connection to the database works on."""
    context, settings = tls
    silent = Silent(response)
    with serving(silent, context) as server:
        db = openai_vtab.connect(base_url=server.url("https" if context else "http"), **SETTINGS, **settings)
        interrupted(db, lambda: [silent.received.get(timeout=20) for _ in range(2)])
        with pytest.raises(apsw.InterruptError, match="interrupted"):
            db.execute(SELECT).fetchall()
        assert [silent.ends.get(timeout=20) for _ in range(2)] == [b"", b""]
        until(lambda: db.execute("SELECT count(error) FROM openai_requests").get == 2)
        errors = db.execute("SELECT error FROM openai_requests").get
        assert all(error.endswith("the connection broke: interrupted") for error in errors)
        db.close()


@pytest.mark.parametrize("end", ["an interrupt between two rows", "close()"])
def test_reads_ahead_are_closed_with(end: str) -> None:
    """The first row was read, and nobody waits for the next one at that moment."""
    silent = Silent()

    def serve(connection: socket.socket) -> None:
        head = request(connection)
        if b"/a " not in head:
            silent.received.put(head)
            silent.ends.put(connection.recv(1))
            return
        batch = {"id": "a", "object": "vector_store.file_batch", "vector_store_id": "vs_1", "status": "completed"}
        connection.sendall(answer(batch, headers={"connection": "close"}))

    with serving(serve) as server:
        db = openai_vtab.connect(base_url=server.url(), **SETTINGS)
        rows = db.execute(SELECT)
        next(rows)
        silent.received.get(timeout=20)
        if end == "close()":
            db.close(True)
        else:
            db.interrupt()
            with pytest.raises(apsw.InterruptError):
                next(rows)
        assert silent.ends.get(timeout=20) == b""
        db.close(True)


def test_interrupt_of_a_body_without_length_is_no_response(interrupted: Any) -> None:
    """The end of the stream, which the interrupt has caused, would be the end of the body."""
    silent = Silent(b"HTTP/1.1 200 X\r\n\r\n{}")
    with serving(silent) as server:
        db = openai_vtab.connect(base_url=server.url(), **SETTINGS)
        interrupted(db, lambda: silent.received.get(timeout=20))
        with pytest.raises(apsw.InterruptError):
            db.execute("SELECT id FROM vector_stores").fetchall()
        until(lambda: db.execute("SELECT count(error) FROM openai_requests").get == 1)
        assert db.execute("SELECT status FROM openai_requests").get is None
        db.close()


@pytest.mark.parametrize("tls", ["https"], indirect=True)
def test_interrupt_during_a_handshake_closes_the_connection_after_it(tls: Any, interrupted: Any) -> None:
    """Nothing of the request is sent."""
    context, settings = tls
    begun, responds = threading.Event(), threading.Event()
    received: queue.Queue[bytes] = queue.Queue()

    def serve(connection: socket.socket) -> None:
        connection.recv(1, socket.MSG_PEEK)
        begun.set()
        assert responds.wait(20)
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                received.put(secured.recv(1))
        except OSError:  # the client is gone before it has read all of the handshake
            received.put(b"")

    with serving(serve) as server:
        db = openai_vtab.connect(base_url=server.url("https"), **SETTINGS, **settings)
        interrupted(db, lambda: begun.wait(20))
        with pytest.raises(apsw.InterruptError, match="interrupted"):
            db.execute("SELECT id FROM vector_stores").fetchall()
        responds.set()
        assert received.get(timeout=20) == b""
        db.close()


def test_cancelled_task_closes_the_connections_of_reads() -> None:
    """The same for asyncio."""
    silent = Silent()

    async def main(url: str) -> None:
        async with aclosing(await openai_vtab.connect_async(base_url=url, **SETTINGS)) as db:
            task = asyncio.create_task(db.execute(SELECT))
            for _ in range(2):
                await asyncio.to_thread(silent.received.get, timeout=20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await (await db.execute("SELECT 1")).get == 1
            for _ in range(2):
                assert await asyncio.to_thread(silent.ends.get, timeout=20) == b""

    with serving(silent) as server:
        asyncio.run(main(server.url()))


def test_interrupt_leaves_writes_to_their_end(interrupted: Any) -> None:
    """A create that is under way has its response, which the connection is kept open for."""
    received, responds = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        request(connection)
        received.set()
        assert responds.wait(20)
        connection.sendall(answer({"id": "vs_1", "name": "x", "object": "vector_store"}))

    with serving(serve) as server:
        db = openai_vtab.connect(base_url=server.url(), **SETTINGS)
        interrupted(db, lambda: received.wait(20))
        with pytest.raises(openai_vtab.WriteError, match="interrupted while writing"):
            db.execute(INSERT)
        responds.set()
        until(lambda: db.execute("SELECT status FROM openai_requests").get == 200)
        db.close()


def test_statement_that_ends_leaves_reads_to_their_end(sandbox: Any) -> None:
    """Without an interrupt, their connections are used again: opening one takes longer than a response."""
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "max_concurrency": 2}
    db = openai_vtab.connect(**options)
    found = db.execute("SELECT id FROM vector_store_files WHERE vector_store_id IN ('vs_demo', 'vs_archive')")
    next(found)
    until(lambda: len(sandbox.requests) == 2)  # what has not begun would be cancelled
    found.close()
    until(lambda: db.execute("SELECT count(status) FROM openai_requests").get == 2)
    connections = sandbox.connections
    db.execute("SELECT count(*) FROM vector_stores").fetchall()
    assert sandbox.connections == connections
    db.close()


def test_cancel_flag_ends_no_block_that_is_over() -> None:
    """The socket of a read may have another request by then; one that begins too late ends at once."""
    flag, ended = CancelFlag(), []
    with EndedBy(flag, lambda: ended.append("over")):
        pass
    with EndedBy(flag, lambda: ended.append("under way")):
        flag.end_reads()
        assert ended == ["under way"]
    with EndedBy(flag, lambda: ended.append("late")):
        assert ended == ["under way", "late"]
    assert flag.is_set
