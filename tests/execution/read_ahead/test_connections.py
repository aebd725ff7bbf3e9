"""The connections of a join to a server that counts as far away: they are opened before their requests are sent."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import apsw
import pytest
import trustme

import openai_vtab

from ...support.meeting import Meeting
from ...support.server import answer, request, serving

JOIN = (
    "SELECT b.status FROM json_each(?) JOIN vector_store_file_batches b "
    "ON b.vector_store_id = 'vs_1' AND b.batch_id = 'vsfb_' || value"
)
BATCH = re.compile(rb"file_batches/(\w+)")


@pytest.fixture(autouse=True)
def _far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server counts as far away, and a retry takes no time."""
    monkeypatch.setattr("openai_vtab.transport.idle.NEAR_SECONDS", 0.0)
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)


class Batches:
    """Has every batch, and counts. asked: the batches, in order. open, most_open: connections.

    later: holds the requests for all batches but the first ten.
    """

    def __init__(self, later: Meeting | None = None) -> None:
        self._later = later
        self.asked: list[bytes] = []
        self.open = self.most_open = 0
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            while asked := request(connection):
                self.answer(connection, asked)
        finally:
            with self._lock:
                self.open -= 1

    def answer(self, connection: socket.socket, asked: bytes) -> None:
        """Answer one request."""
        (batch,) = BATCH.findall(asked)
        self.asked.append(batch)
        if self._later is not None and len(batch) > len("vsfb_0"):
            self._later.hold()
        time.sleep(0.01)
        connection.sendall(answer({"id": batch.decode(), "vector_store_id": "vs_1", "status": "completed"}))


def join(db: apsw.Connection, count: int, rows: int) -> None:
    """Read so many rows of a join of `count` keys."""
    found = db.execute(JOIN, (json.dumps(list(range(count))),))
    assert [next(found) for _ in range(rows)] == [("completed",)] * rows
    found.close()


@dataclass
class TLS:
    """A server's side of TLS, and the certificate to trust."""

    server: ssl.SSLContext
    bundle: Path


@pytest.fixture
def tls(tmp_path: Path) -> TLS:
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return TLS(server, bundle)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_join_opens_no_more_connections_than_may_be_used(tls: TLS, scheme: str) -> None:
    """Each key is looked up once, and the next join opens none."""
    server_side = Batches(later=Meeting(8))
    with serving(server_side, tls.server if scheme == "https" else None) as server:
        db = openai_vtab.connect(
            base_url=server.url(scheme), api_key="key-of-the-tests", max_concurrency=8, ca_bundle=tls.bundle
        )
        for _ in range(2):
            join(db, 60, 60)
            assert (server.connections, server_side.most_open) == (8, 8)
        assert len(server_side.asked) == len(set(server_side.asked)) * 2 == 120
        db.close()


@pytest.mark.parametrize(("rows", "connections"), [(1, 6), (2, 12), (3, 18)])
def test_join_that_is_ended_opens_connections_by_what_it_has_used(rows: int, connections: int) -> None:
    """At most six times as many as it has looked up keys."""
    server_side = Batches()
    with serving(server_side) as server:
        db = openai_vtab.connect(base_url=server.url(), api_key="key-of-the-tests", max_concurrency=32)
        join(db, 60, rows)
        assert server.connections <= connections
        assert len(server_side.asked) <= 2 * rows
        db.close()


def test_join_does_without_a_connection_that_cannot_be_opened() -> None:
    """A server that allows two: the others end at once, and the keys are looked up over those."""
    server_side = Batches()

    def limited(connection: socket.socket) -> None:
        if server_side.open < 2:
            server_side(connection)

    with serving(limited) as server:
        db = openai_vtab.connect(base_url=server.url(), api_key="key-of-the-tests", max_concurrency=8, max_retries=20)
        join(db, 30, 30)
        assert len(set(server_side.asked)) == 30
        db.close()


@pytest.mark.parametrize(("keys", "connections"), [(30, 6), (3, 2)])
def test_connections_are_opened_while_the_first_request_waits(tls: TLS, keys: int, connections: int) -> None:
    """They carry nothing while one row is read, and are no more than there are keys."""
    enough = threading.Event()
    server_side = Batches()

    def waits(connection: socket.socket) -> None:
        if server.connections >= connections:
            enough.set()
        if asked := request(connection):
            enough.wait(20)
            server_side.answer(connection, asked)
            server_side(connection)

    with serving(waits, tls.server) as server:
        db = openai_vtab.connect(
            base_url=server.url("https"), api_key="key-of-the-tests", max_concurrency=8, ca_bundle=tls.bundle
        )
        join(db, keys, 1)
        assert (server.connections, server_side.asked) == (connections, [b"vsfb_0"])
        db.close()


def test_connection_is_opened_while_requests_are_in_flight() -> None:
    """The second key has no response until six connections are there: three are enough for what is sent.

    Eight are wanted, but the next two keys may take those that were opened for later ones.
    """
    six = threading.Event()
    waits_in_vain = threading.Event()
    server_side = Batches()

    def waits(connection: socket.socket) -> None:
        if server.connections >= 6:
            six.set()
        while asked := request(connection):
            if server_side.asked and not six.wait(10):
                waits_in_vain.set()
            server_side.answer(connection, asked)

    with serving(waits) as server:
        db = openai_vtab.connect(base_url=server.url(), api_key="key-of-the-tests", max_concurrency=8)
        join(db, 30, 30)
        assert six.is_set()
        assert not waits_in_vain.is_set()
        assert len(set(server_side.asked)) == 30
        db.close()


class OneByOne(BaseHTTPRequestHandler):
    """Python's own server: it serves one connection after another, each for one request."""

    def do_GET(self) -> None:
        time.sleep(0.05)
        batch = {"id": self.path.rpartition("/")[2], "vector_store_id": "vs_1", "status": "completed"}
        self.wfile.write(answer(batch).replace(b"HTTP/1.1", b"HTTP/1.0"))

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("keys", [3, 12])
def test_join_does_not_hold_up_a_server_with_one_worker(tls: TLS, scheme: str, keys: int) -> None:
    """It serves one connection after another, and would wait for a silent one: they are closed."""
    with HTTPServer(("127.0.0.1", 0), OneByOne) as server:
        server.socket.listen(64)
        if scheme == "https":
            server.socket = tls.server.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        url = f"{scheme}://127.0.0.1:{server.server_port}/v1"
        db = openai_vtab.connect(base_url=url, api_key="key-of-the-tests", ca_bundle=tls.bundle)
        join(db, keys, keys)
        assert db.execute("SELECT count(*), sum(retries) FROM openai_requests").fetchall() == [(keys, 0)]
        db.close()
        server.shutdown()
        thread.join()
