"""Servers at which the connection of a create may carry the next one, and those that close it without notice.

Every create is sent once and carried out, and none is unknown unless its own connection broke under it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

import openai_vtab

from ..support.server import answer, request, serving
from ..support.waiting import until
from .creates import FILE, TLS, Connect, all_done, create, created, recorded, tunnel_to

pytestmark = pytest.mark.usefixtures("far")

CLOSES = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)


class Keeping:
    """Answers each request of each connection, `seconds` after it; closes where the request says so.

    asked: the number of the file and of the request on its connection, in the order of the requests. told: how many of
    them said "Connection: close". most_open: how many connections were open at once. ends: how many have ended.
    """

    def __init__(self, seconds: float = 0.01) -> None:
        self.asked: list[tuple[int, int]] = []
        self.received = self.in_flight = self.most_in_flight = self.told = 0
        self.open = self.most_open = self.ends = 0
        self.seconds = seconds
        self.limits_every = 0  # one of so many requests is answered by a 429 first; 0: none
        self.may_answer: Callable[[], object] = lambda: True
        self.after: Callable[[socket.socket, int], bool] = lambda connection, count: True  # whether it goes on
        self._lock = threading.Lock()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the files, in ascending order."""
        return sorted(number for number, _ in self.asked)

    @property
    def reused(self) -> int:
        """How many requests were not the first on their connections."""
        return sum(count > 1 for _, count in self.asked)

    def __call__(self, connection: socket.socket) -> None:
        count = 0
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            while asked := request(connection):
                count += 1
                if not self.answer(connection, asked, count):
                    break
        finally:
            with self._lock:
                self.open -= 1
                self.ends += 1

    def answer(self, connection: socket.socket, asked: bytes, count: int) -> bool:
        """Answer one request; returns whether another may follow."""
        is_last = CLOSES.search(asked) is not None
        with self._lock:
            self.received += 1
            is_limited = self.limits_every and not self.received % self.limits_every
        if is_limited:
            connection.sendall(answer({"error": {"message": "wait"}}, 429, {"retry-after-ms": "1"}))
            return True
        with self._lock:
            number = int(FILE.findall(asked)[0])
            self.asked.append((number, count))
            self.told += is_last
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        with suppress(AssertionError):  # the test will see it
            until(self.may_answer)
        time.sleep(self.seconds)
        with self._lock:
            self.in_flight -= 1
        connection.sendall(answer(created(number), headers={"connection": "close"} if is_last else {}))
        return self.after(connection, count) and not is_last


# what is used again


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connection_of_a_create_carries_the_next_one(connect_to: Connect, scheme: str) -> None:
    """Few connections carry all; the last ones say that nothing follows, and none is left open."""
    server_side = Keeping()
    with serving(server_side, TLS if scheme == "https" else None) as server:
        server_side.may_answer = lambda: server.connections >= 4  # both creates, and those that come next
        db = connect_to(server.url(scheme))
        create(db, 40)
        assert recorded(db) == all_done(40)
        assert server_side.numbers == list(range(40))
        assert server_side.reused > 20
        assert server.connections + server_side.reused == 40
        assert server_side.most_in_flight == 2
        assert server_side.told >= 1
        until(lambda: server_side.ends == server.connections)
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


def test_connection_of_a_create_carries_the_next_one_through_a_tunnel(
    connect_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy sees one CONNECT for several creates."""
    server_side = Keeping()
    with tunnel_to(server_side) as (proxy, seen):
        server_side.may_answer = lambda: proxy.connections >= 4
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        db = connect_to("https://api.test:9/v1")
        create(db, 40)
        assert recorded(db) == all_done(40)
        assert server_side.numbers == list(range(40))
        assert len(seen) + server_side.reused == 40
        assert server_side.reused > 20


@pytest.mark.parametrize("reason", ["near", "few", "forwarded"])
def test_connection_of_a_create_is_used_once(connect_to: Connect, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """Where opening one takes no time, where nothing waits for it, and where a proxy forwards the requests."""
    server_side = Keeping()
    with serving(server_side) as server:
        url = server.url()
        if reason == "near":
            monkeypatch.setattr("openai_vtab.transport.turns.NEAR_SECONDS", 60.0)
        if reason == "forwarded":
            monkeypatch.setenv("HTTP_PROXY", url)
            url = "http://api.test/v1"
        count = 2 if reason == "few" else 20
        create(connect_to(url, allow_http=True), count)
        assert (server.connections, server_side.reused) == (count, 0)
        assert server_side.numbers == list(range(count))


def test_connections_are_never_more_than_three_times_as_many_as_creates_in_flight(connect_to: Connect) -> None:
    """In use, opened ahead and resting; the last creates use those that rest, too.

    The server learns of the end of a connection later than of the beginning of the next one.
    """
    server_side = Keeping(0.02)
    with serving(server_side) as server:
        server_side.may_answer = lambda: server.connections >= 8
        db = connect_to(server.url(), max_concurrency=4)
        create(db, 80)
        assert server_side.numbers == list(range(80))
        assert server_side.most_open <= 12 + 4
        assert all(count > 1 for _, count in server_side.asked[-4:])


def test_trial_that_is_told_to_wait_is_a_success(connect_to: Connect) -> None:
    """A 429 is a response like any other: the create is sent again, and connections are used again."""
    server_side = Keeping()
    limited: list[int] = []

    def limits(connection: socket.socket) -> None:
        count = 0
        while asked := request(connection):
            count += 1
            if count == 2 and not limited:
                limited.append(count)
                connection.sendall(answer({"error": {"message": "wait"}}, 429, {"retry-after-ms": "1"}))
            elif not server_side.answer(connection, asked, count):
                break

    with serving(limits) as server:
        server_side.may_answer = lambda: server.connections >= 8
        db = connect_to(server.url(), max_concurrency=4)
        create(db, 80)
        assert recorded(db) == all_done(80)
        assert server_side.numbers == list(range(80))
        assert limited
        assert server_side.reused > 20


# servers that close it


@pytest.mark.sample(2)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("end", ["FIN", "RST", "surplus"])
def test_connection_that_is_closed_without_notice_carries_nothing_more(
    connect_to: Connect, monkeypatch: pytest.MonkeyPatch, scheme: str, end: str
) -> None:
    """Some time after the response, but before it has rested: the server is not trusted with it again."""
    monkeypatch.setattr("openai_vtab.transport.resting.REST_SECONDS", 1.0)
    monkeypatch.setattr("openai_vtab.transport.resting.LONGEST_REST", 1.0)
    monkeypatch.setattr("openai_vtab.transport.resting.IDLE_SECONDS", 5.0)
    server_side = Keeping()

    def closes(connection: socket.socket, count: int) -> bool:
        time.sleep(0.1)
        if end == "RST":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif end == "surplus":
            with suppress(OSError):
                connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                connection.settimeout(5)
                connection.recv(1)
        return False

    server_side.after = closes
    with serving(server_side, TLS if scheme == "https" else None) as server:
        db = connect_to(server.url(scheme), max_concurrency=4)
        for _ in range(2):
            create(db, 30)
            assert recorded(db) == all_done(30)
        assert server_side.numbers == sorted([*range(30), *range(30)])
        assert (server.connections, server_side.reused) == (60, 0)
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


def test_connection_that_is_closed_late_without_notice(connect_to: Connect) -> None:
    """When it is used again, its outcome is unknown; this happens to one create, and no other is used again."""
    server_side = Keeping()
    late: list[int] = []

    def closes_late(connection: socket.socket) -> None:
        if not (asked := request(connection)) or not server_side.answer(connection, asked, 1):
            return
        if asked := request(connection):  # it has seen the request, and looks as if it had not
            late.append(int(FILE.findall(asked)[0]))

    with serving(closes_late) as server:
        server_side.may_answer = lambda: server.connections >= 16
        db = connect_to(server.url(), max_concurrency=8)
        with pytest.raises(openai_vtab.WriteError) as caught:
            create(db, 60)
        assert (len(late), len(caught.value.unknown)) == (1, 1)
        create(db, 60)
        assert len(late) == 1


@pytest.mark.parametrize("most", [2, 3, 5])
def test_connection_that_serves_so_many_requests(connect_to: Connect, most: int) -> None:
    """A server that closes each connection after so many, without notice."""
    server_side = Keeping()
    server_side.after = lambda connection, count: count < most
    with serving(server_side) as server:
        server_side.may_answer = lambda: server.connections >= 8
        db = connect_to(server.url(), max_concurrency=4)
        create(db, 60)
        assert recorded(db) == all_done(60)
        assert server_side.numbers == list(range(60))
        assert server_side.reused > 0


def test_connection_that_breaks_under_its_second_create(connect_to: Connect) -> None:
    """The first byte has left: its outcome is unknown, it is not sent again, and no connection is used again."""
    server_side = Keeping()
    broken: list[int] = []

    def breaks(connection: socket.socket) -> None:
        for count in (1, 2):
            if not (asked := request(connection)):
                break
            if count == 2 and not broken:
                broken.append(int(FILE.findall(asked)[0]))
                break
            if not server_side.answer(connection, asked, count):
                break

    with serving(breaks) as server:
        server_side.may_answer = lambda: server.connections >= 8
        db = connect_to(server.url(), max_concurrency=4)
        with pytest.raises(openai_vtab.WriteError) as caught:
            create(db, 60)
        assert len(caught.value.unknown) == 1
        assert broken[0] not in server_side.numbers
        assert len(set(server_side.numbers)) == len(server_side.numbers)
        assert [id for id, status in recorded(db) if status == "unknown"] == [None]
        before, reused = server.connections, server_side.reused
        create(db, 20)
        assert (server.connections, server_side.reused) == (before + 20, reused)


# servers with few workers


def few(workers: int, serve: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Serve connections in the order of their arrival; each worker belongs to one until that is closed."""
    free, turns = threading.Condition(), iter(range(1000))
    busy, waiting = [0], []

    def serve_in_turn(connection: socket.socket) -> None:
        with free:
            mine = next(turns)
            waiting.append(mine)
            free.wait_for(lambda: waiting[0] == mine and busy[0] < workers)
            waiting.pop(0)
            busy[0] += 1
            free.notify_all()
        try:
            serve(connection)
        finally:
            with free:
                busy[0] -= 1
                free.notify_all()

    return serve_in_turn


def secured(serve: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Shake hands first."""

    def shake_hands(connection: socket.socket) -> None:
        with suppress(OSError), TLS.wrap_socket(connection, server_side=True) as tls:
            serve(tls)

    return shake_hands


@pytest.mark.sample(2)
@pytest.mark.parametrize("concurrency", [2, 8, 32])
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connection_that_rests_keeps_no_worker_from_the_others(
    connect_to: Connect, scheme: str, workers: int, concurrency: int
) -> None:
    """Each worker belongs to one connection until that is closed; the others wait in the order of their arrival."""
    server_side = Keeping(0.005)
    with serving(few(workers, secured(server_side) if scheme == "https" else server_side)) as server:
        db = connect_to(server.url(scheme), max_concurrency=concurrency)
        create(db, 100)
        assert recorded(db) == all_done(100)
        assert server_side.numbers == list(range(100))
        assert db.execute("SELECT sum(retries) FROM openai_requests").get == 0


@pytest.mark.slow
def test_connection_that_rests_keeps_no_worker_from_a_handshake(
    connect_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All threads of the COMMIT wait for the only worker, to which a connection belongs that rests."""
    monkeypatch.setattr("openai_vtab.transport.idle.LONGEST_OPENING", 60.0)
    server_side = Keeping(0.005)
    with serving(few(1, secured(server_side))) as server:
        db = connect_to(server.url("https"), max_concurrency=16)
        create(db, 20)
        assert recorded(db) == all_done(20)
        assert server_side.numbers == list(range(20))


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [3, 4])
def test_connection_that_is_ready_keeps_no_worker_from_the_others(connect_to: Connect, concurrency: int) -> None:
    """After a 429, its create may have to wait for one that waits for a worker."""
    server_side = Keeping(0.005)
    server_side.limits_every = 10
    with serving(few(2, server_side)) as server:
        db = connect_to(server.url(), max_concurrency=concurrency)
        create(db, 40)
        assert recorded(db) == all_done(40)
        assert server_side.numbers == list(range(40))


# the end of a COMMIT


def test_connections_of_a_commit_that_fails_are_closed(connect_to: Connect) -> None:
    """Those that rest, too; what has not been sent is not."""
    server_side = Keeping()

    def refuses(connection: socket.socket) -> None:
        count = 0
        while asked := request(connection):
            count += 1
            if len(server_side.asked) == 20:
                connection.sendall(answer({"error": {"message": "no"}}, 400))
                server_side.ends += 1
                return
            if not server_side.answer(connection, asked, count):
                break
        server_side.ends += 1

    with serving(refuses) as server:
        db = connect_to(server.url())
        with pytest.raises(openai_vtab.Error):
            create(db, 40)
        until(lambda: server_side.ends == server.connections)
        assert len(server_side.asked) <= 22


def test_connections_are_used_again_within_one_commit_only(connect_to: Connect) -> None:
    """The next COMMIT begins with new ones."""
    server_side = Keeping()
    with serving(server_side) as server:
        db = connect_to(server.url())
        for number in range(1, 4):
            opened = server.connections
            create(db, 20)
            until(lambda: server_side.ends == server.connections)
            assert server.connections >= opened + 2
            assert len(server_side.asked) == 20 * number
        assert json.dumps(server_side.asked).count(", 1]") == server.connections
