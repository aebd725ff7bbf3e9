"""Servers to which connections are opened ahead: simple ones, those that limit connections, and those that end them.

Every create is sent once and carried out, whatever becomes of the connections that were opened for it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import apsw
import pytest

import openai_vtab

from ..support.server import answer, request, serving
from ..support.waiting import until, when
from .creates import FILE, TLS, Connect, all_done, create, created, recorded, tunnel_to

pytestmark = pytest.mark.usefixtures("far")


class Counting:
    """Answers each connection's only request, after `seconds`, and counts.

    The first requests wait until there are `in_flight` of them and `opened` connections.
    asked: the numbers of the files, in the order of the requests. most_open: how many connections were open at once.
    unused: how many ended without a request.
    """

    def __init__(self, seconds: float = 0.02, in_flight: int = 0, opened: int = 0) -> None:
        self._wanted = (in_flight, opened)
        self.asked: list[int] = []
        self.in_flight = self.most_in_flight = self.open = self.most_open = self.unused = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        asked = b""
        try:
            asked = request(connection)
        finally:
            if not asked:
                with self._lock:
                    self.open -= 1
                    self.unused += 1
        if asked:
            self.serve(connection, asked)

    def serve(self, connection: socket.socket, asked: bytes) -> None:
        """Answer one request."""
        with self._lock:
            self.asked.append(int(FILE.findall(asked)[0]))
            number = self.asked[-1]
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        with suppress(AssertionError):  # the test will see it
            until(lambda: self.most_in_flight >= self._wanted[0] and self.most_open >= self._wanted[1])
        time.sleep(self._seconds)
        with self._lock:
            self.in_flight -= 1
            self.open -= 1
        with suppress(OSError):
            connection.sendall(answer(created(number), headers={"connection": "close"}))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is not closed because a busy machine lets it wait for its create."""
    monkeypatch.setattr("openai_vtab.transport.turns.SILENT_SECONDS", 60.0)
    monkeypatch.setattr("openai_vtab.transport.creating.SILENT_SECONDS", 60.0)


# what is opened


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_ahead_opens_one_connection_for_each_create(connect_to: Connect, scheme: str) -> None:
    """Two are under way, and up to four more are open; none is opened in vain."""
    server_side = Counting(in_flight=2, opened=3)
    with serving(server_side, TLS if scheme == "https" else None) as server:
        db = connect_to(server.url(scheme))
        create(db, 20)
        assert recorded(db) == all_done(20)
        assert sorted(server_side.asked) == list(range(20))
        assert (server.connections, server_side.unused, server_side.most_in_flight) == (20, 0, 2)
        assert 2 < server_side.most_open <= 6


@pytest.mark.parametrize(("concurrency", "count"), [(1, 6), (4, 4)], ids=["one at a time", "no more than places"])
def test_ahead_opens_nothing_where_nothing_waits_or_one_connection_is_wanted(
    connect_to: Connect, concurrency: int, count: int
) -> None:
    """With max_concurrency = 1 there is one connection, and a small COMMIT has one for each row at once."""
    server_side = Counting()
    with serving(server_side) as server:
        create(connect_to(server.url(), max_concurrency=concurrency), count)
        assert (server.connections, server_side.unused) == (count, 0)
        assert server_side.most_open <= concurrency


def test_ahead_opens_nothing_to_a_server_that_is_near(connect_to: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection is open at once, there is nothing to gain."""
    monkeypatch.setattr("openai_vtab.transport.turns.NEAR_SECONDS", 60.0)
    server_side = Counting()
    with serving(server_side) as server:
        create(connect_to(server.url()), 10)
        assert server.connections == 10
        assert server_side.most_open <= 2


def test_ahead_opens_nothing_before_commit(connect_to: Connect) -> None:
    """A ROLLBACK leaves no trace at the server."""
    with serving(Counting()) as server:
        db = connect_to(server.url())
        db.execute("BEGIN")
        create(db, 20)
        db.execute("ROLLBACK")
        assert server.connections == 0


def test_ahead_is_closed_when_a_create_fails(connect_to: Connect) -> None:
    """The others are not sent, and no connection and no thread is left."""
    server_side = Counting()

    def refuse(connection: socket.socket, asked: bytes) -> None:
        server_side.asked.append(0)
        server_side.open -= 1
        connection.sendall(answer({"error": {"message": "no"}}, 400))

    before = set(threading.enumerate())
    server_side.serve = refuse  # type: ignore[method-assign]
    with serving(server_side) as server:
        db = connect_to(server.url())
        with pytest.raises(openai_vtab.Error):
            create(db, 20)
        assert len(server_side.asked) <= 2
        db.close()
        until(lambda: server_side.open == 0, 20)
    until(
        lambda: not [each for each in set(threading.enumerate()) - before if each.name.startswith("openai_vtab-")], 20
    )


# servers that take it badly


class OneByOne(HTTPServer):
    """Python's own server: it serves one connection after another, and a silent one would hold up all others."""

    request_queue_size = 64

    def __init__(self, protocol: str) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = protocol

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                asked.append(int(FILE.findall(body)[0]))
                data = json.dumps(created(asked[-1])).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def one_by_one(protocol: str, tls: bool) -> Iterator[tuple[OneByOne, str]]:
    """Run it in a thread."""
    with OneByOne(protocol) as server:
        if tls:
            server.socket = TLS.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server, f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.sample(3)
@pytest.mark.parametrize("concurrency", [2, 16])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_ahead_does_not_hold_up_a_server_with_one_worker(
    connect_to: Connect, protocol: str, tls: bool, concurrency: int
) -> None:
    """Its next connection is always one whose turn it is: no silent one is waited for."""
    with one_by_one(protocol, tls) as (server, url):
        db = connect_to(url, max_concurrency=concurrency)
        began = time.monotonic()
        create(db, 60)
        assert time.monotonic() - began < 20
        assert recorded(db) == all_done(60)
        assert sorted(server.asked) == list(range(60))
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


def test_ahead_gives_way_when_a_silent_connection_holds_up_the_server(
    connect_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the newest connection first: the silent one is closed, and the requests go on."""
    monkeypatch.setattr("openai_vtab.transport.turns.SILENT_SECONDS", 0.05)
    monkeypatch.setattr("openai_vtab.transport.creating.SILENT_SECONDS", 0.05)
    waiting: list[threading.Event] = []
    busy, lock = threading.Lock(), threading.Lock()
    server_side = Counting(0.0)

    def newest_first(connection: socket.socket) -> None:
        mine = threading.Event()
        with lock:
            waiting.append(mine)
        while True:
            time.sleep(0.005)
            with lock:
                if waiting[-1] is mine and busy.acquire(blocking=False):
                    waiting.pop()
                    break
        with busy_until_done(busy):
            if asked := request(connection):
                server_side.serve(connection, asked)

    with serving(newest_first) as server:
        db = connect_to(server.url())
        create(db, 12)
        assert recorded(db) == all_done(12)
        assert sorted(server_side.asked) == list(range(12))


@contextmanager
def busy_until_done(busy: Any) -> Iterator[None]:
    """Release it with the block."""
    try:
        yield
    finally:
        busy.release()


@pytest.mark.parametrize("ends", ["FIN", "surplus"])
def test_ahead_discards_a_connection_that_the_server_has_ended(connect_to: Connect, ends: str) -> None:
    """After 50 ms: the create opens another one, and nothing is opened ahead any more."""
    server_side = Counting(0.2)

    def impatient(connection: socket.socket) -> None:
        connection.settimeout(0.05)
        try:
            asked = request(connection)
        except TimeoutError:
            if ends == "surplus":
                with suppress(OSError):
                    connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                    connection.settimeout(5)
                    connection.recv(1)
            return
        server_side.serve(connection, asked)

    with serving(impatient) as server:
        db = connect_to(server.url())
        create(db, 12)
        assert recorded(db) == all_done(12)
        assert sorted(server_side.asked) == list(range(12))
        assert 12 < server.connections <= 18  # those that were opened ahead before the first turn came
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


def test_ahead_needs_no_more_connections_than_the_server_allows(connect_to: Connect) -> None:
    """One that closes the fifth at once: the creates go on with two."""
    server_side = Counting(0.05, in_flight=2)

    def limited(connection: socket.socket) -> None:
        if server_side.open < 4:
            server_side(connection)

    with serving(limited) as server:
        db = connect_to(server.url())
        create(db, 20)
        assert recorded(db) == all_done(20)
        assert sorted(server_side.asked) == list(range(20))
        assert server_side.most_in_flight == 2


def test_ahead_that_never_shakes_hands_costs_nothing(connect_to: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The creates that are under way have the server to themselves; the others follow."""
    monkeypatch.setattr("openai_vtab.transport.idle.LONGEST_OPENING", 0.2)
    server_side = Counting(0.1)
    accepted = iter(range(1000))
    silent: list[socket.socket] = []

    def silent_at_first(connection: socket.socket) -> None:
        none_has_ended = next(accepted) >= 2 and len(server_side.asked) == server_side.in_flight
        if (none_has_ended or server_side.in_flight == 2) and len(silent) < 4:  # both turns are taken: opened ahead
            silent.append(connection)
            time.sleep(5)
            return
        with TLS.wrap_socket(connection, server_side=True) as secured:
            server_side(secured)

    with serving(silent_at_first) as server:
        db = connect_to(server.url("https"))
        create(db, 12)
        assert recorded(db) == all_done(12)
        assert sorted(server_side.asked) == list(range(12))
        assert silent
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


def test_ahead_that_breaks_under_its_create_is_unknown(connect_to: Connect) -> None:
    """The first byte has left: it is not sent again."""
    server_side = Counting(0.05)

    def cut(connection: socket.socket) -> None:
        asked = request(connection)
        if b'"file-7"' in asked:
            server_side.asked.append(7)
            return
        if asked:
            server_side.serve(connection, asked)

    with serving(cut) as server:
        db = connect_to(server.url())
        with pytest.raises(openai_vtab.WriteError) as caught:
            create(db, 20)
        assert len(caught.value.unknown) == 1
        assert server_side.asked.count(7) == 1
        assert len(set(server_side.asked)) == len(server_side.asked)
        assert (None, "unknown") in recorded(db)


@pytest.mark.usefixtures("patient")
def test_ahead_goes_through_a_proxy(connect_to: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tunnel is opened ahead, too; the proxy sees no key."""
    server_side = Counting(in_flight=2, opened=3)
    with tunnel_to(server_side) as (proxy, seen):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        db = connect_to("https://api.test:9/v1")
        create(db, 12)
        assert recorded(db) == all_done(12)
        assert (len(seen), server_side.unused, server_side.most_in_flight) == (12, 0, 2)
        assert 2 < server_side.most_open <= 6
        assert not any(b"sk-ahead" in one for one in seen)


def test_ahead_is_not_waited_for_by_an_interrupt(connect_to: Connect) -> None:
    """The connections are closed, and nothing more is sent."""
    server_side = Counting(30)
    with serving(server_side) as server:
        db = connect_to(server.url())
        interrupted = when(lambda: server_side.in_flight == 2, db.interrupt)
        began = time.monotonic()
        with interrupted, pytest.raises((apsw.InterruptError, openai_vtab.WriteError)):
            create(db, 20)
        assert time.monotonic() - began < 30
        until(lambda: server_side.open == 2, 20)  # the two that are under way
        assert len(server_side.asked) == 2


def test_ahead_serves_the_next_commit(connect_to: Connect) -> None:
    """What was learnt is kept, and no turn is left behind."""
    server_side: Counting = Counting(0.005)
    with serving(server_side) as server:
        db = connect_to(server.url())
        for _ in range(3):
            create(db, 8)
        assert len(server_side.asked) == server.connections == 24
