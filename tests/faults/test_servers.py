"""Faults that need a server of their own: TLS, proxies, uploads that nobody reads, answers that come too late.

The server is a socket and a function for each of its connections.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import apsw
import pytest
import trustme

import openai_vtab
from openai_vtab.sandbox import Answer, Raw, Wire

from ..support.server import answer, request, serving
from ..support.slow import few_and_many

T = "vector_store_file_batches"
SELECT = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_1' AND batch_id = '%s'"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_1', '[\"file-1\"]')"
UPLOAD = "INSERT INTO files (filename, content, purpose) VALUES ('a.bin', zeroblob(30000000), 'assistants')"
AUTHORITY = trustme.CA()  # who signs for the servers here
TLS = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
AUTHORITY.issue_cert("127.0.0.1").configure_cert(TLS)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SLOW_HEADERS = OK + b"".join(b"x-%d: y\r\n" % n for n in range(90))

Connection = socket.socket


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority's certificate in a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting before a repetition takes no time, and an upload is not waited for by its size."""
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)
    monkeypatch.setattr("openai_vtab.transport.deadline.SLOWEST_UPLOAD", 1e9)


@contextmanager
def connected(port: int, scheme: str = "http", host: str = "127.0.0.1", **settings: Any) -> Iterator[apsw.Connection]:
    """A connection to 127.0.0.1 on this port; to another host by a proxy alone."""
    url = f"{scheme}://{host}:{port}/v1"
    db = openai_vtab.connect(base_url=url, api_key="sk-raw-servers", **{"max_retries": 1, **settings})
    yield db
    db.close()


def batch(asked: bytes) -> dict[str, str]:
    """The batch that a GET names, or a new one."""
    name = re.search(rb"file_batches/(\w+)", asked)
    return {"id": name[1].decode() if name else "vsfb_new", "vector_store_id": "vs_1", "status": "completed"}


def page(asked: bytes, store: str = "vs_1") -> dict[str, Any]:
    """A page of two files, and always more."""
    after = int((re.search(rb"after=file-(\d+)", asked) or [b"", b"0"])[1])
    files = [{"id": f"file-{n}", "vector_store_id": store, "created_at": -n} for n in (after + 1, after + 2)]
    return {"object": "list", "data": files, "has_more": True}


def drip(connection: Connection, data: bytes) -> None:
    """Byte by byte."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.03)


def seconds(call: Callable[[], object], error: type[Exception], match: str) -> float:
    """How long it takes to fail."""
    began = time.monotonic()
    with pytest.raises(error, match=match):
        call()
    return time.monotonic() - began


# answers that are another's


def test_response_that_comes_second_is_never_the_next_requests() -> None:
    """When it comes before the next request, the connection is given up; when it comes later, it names another."""
    go_on = threading.Event()

    def serve(connection: Connection) -> None:
        first = answer(batch(request(connection)))
        connection.sendall(first)
        go_on.wait(5)  # the next request is on its way
        connection.sendall(first)
        while asked := request(connection):
            connection.sendall(answer(batch(asked)))

    with serving(serve) as server, connected(server.port, max_concurrency=1) as db:
        assert db.execute(SELECT % "vsfb_a").get == "vsfb_a"
        threading.Timer(0.1, go_on.set).start()
        with pytest.raises(openai_vtab.APIError, match="asked for id 'vsfb_b', but the response is about 'vsfb_a'"):
            db.execute(SELECT % "vsfb_b").fetchall()
        assert db.execute(SELECT % "vsfb_c").get == "vsfb_c"
    go_on.set()
    with serving(serve) as server, connected(server.port, max_concurrency=1) as db:
        for name in ("vsfb_a", "vsfb_b", "vsfb_c"):
            assert db.execute(SELECT % name).get == name
            time.sleep(0.05)  # the second answer comes
        assert server.connections == 3


def test_pagination_of_another_store_raises() -> None:
    """Its objects would be shown as this store's."""

    def serve(connection: Connection) -> None:
        while asked := request(connection):
            connection.sendall(answer(page(asked, "vs_2")))

    sql = "SELECT id FROM vector_store_files WHERE vector_store_id = 'vs_1'"
    with serving(serve) as server, connected(server.port) as db:
        seconds(
            lambda: db.execute(sql).fetchall(),
            openai_vtab.APIError,
            "asked for vector_store_id 'vs_1', but the response is about 'vs_2'",
        )


def test_pagination_without_end_raises() -> None:
    """With ever new ids: after max_rows; what LIMIT asks for comes, and the error says what to do."""
    asked: list[bytes] = []

    def serve(connection: Connection) -> None:
        while one := request(connection):
            asked.append(one)
            connection.sendall(answer(page(one)))

    sql = "SELECT id FROM vector_store_files WHERE vector_store_id = 'vs_1'"
    with serving(serve) as server, connected(server.port, max_rows=50) as db:
        cursor = db.execute(sql)
        assert len([next(cursor) for _ in range(50)]) == 50
        with pytest.raises(
            openai_vtab.OperationalError, match=r"more than 50 rows \(max_rows\); write LIMIT, or a larg"
        ):
            next(cursor)
        assert len(asked) < 30
        assert len(db.execute(f"{sql} LIMIT 50").fetchall()) == 50


# time


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("begun", [b"", OK, OK + b"content-length: 99\r\n\r\n"], ids=["status line", "headers", "body"])
def test_timeout_ends_a_dripping_response(bundle: str, scheme: str, begun: bytes) -> None:
    """Also under TLS."""

    def serve(connection: Connection) -> None:
        request(connection)
        connection.sendall(begun)
        drip(connection, SLOW_HEADERS)

    with (
        serving(serve, tls=TLS if scheme == "https" else None) as server,
        connected(server.port, scheme, timeout=0.3, ca_bundle=bundle) as db,
    ):
        sql = SELECT % "vsfb_a"
        # a busy machine may need the time for the handshake alone
        took = seconds(lambda: db.execute(sql).fetchall(), openai_vtab.APITimeoutError, r"no .* within 0\.3 s")
        assert took < 0.3 * 2 + 5
        assert server.connections == 2
        match = r"may have been carried out .*/files\)"
        assert seconds(lambda: db.execute(INSERT), openai_vtab.APITimeoutError, match) < 5
        assert server.connections == 3


def test_timeout_ends_an_endless_response() -> None:
    """Bytes that never stop, of headers that never end: there is always something to read."""

    def serve(connection: Connection) -> None:
        request(connection)
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with serving(serve) as server, connected(server.port, timeout=0.3, max_retries=0) as db:
        sql = SELECT % "vsfb_a"
        assert seconds(lambda: db.execute(sql).fetchall(), openai_vtab.APITimeoutError, "no response within") < 20


def test_timeout_ends_a_tls_handshake() -> None:
    """Whoever accepts and says nothing; and nothing was sent."""
    with (
        serving(lambda connection: time.sleep(30)) as server,
        connected(server.port, "https", timeout=0.3) as db,
    ):
        assert seconds(lambda: db.execute(INSERT), openai_vtab.APITimeoutError, r"no connection within 0\.3 s$") < 20
        assert server.connections == 2


def test_tls_refuses_an_untrusted_certificate() -> None:
    """Nothing was sent, and a create is as it was."""
    with serving(lambda connection: None, tls=TLS) as server, connected(server.port, "https") as db:
        with pytest.raises(
            openai_vtab.APIConnectionError, match=r"cannot connect: .*certificate verify fail"
        ) as caught:
            db.execute(INSERT)
        assert not caught.value.sent
        assert "may have" not in str(caught.value)


# uploads


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reads", [0, 1000], ids=["never", "slowly"])
def test_timeout_ends_an_upload_that_is_not_read(bundle: str, scheme: str, reads: int) -> None:
    """The time-out is for all of it, not for each part."""

    def serve(connection: Connection) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        for _ in range(600):
            if reads:
                connection.recv(reads)
            time.sleep(0.05)

    with (
        serving(serve, tls=TLS if scheme == "https" else None) as server,
        connected(server.port, scheme, timeout=0.5, ca_bundle=bundle) as db,
    ):
        match = r"no response within 0\.5 s; it may have been carried out .*\(GET /files\)"
        assert seconds(lambda: db.execute(UPLOAD), openai_vtab.APITimeoutError, match) < 20
        assert server.connections == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"], ids=["cut", "413"])
def test_upload_that_is_refused_in_its_midst(said: bytes) -> None:
    """The connection is closed while it is sent, with a word or without: an error, and sent once."""

    def serve(connection: Connection) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with serving(serve) as server, connected(server.port) as db:
        # what was said may be lost: the system drops it when it learns that nobody reads
        with pytest.raises(openai_vtab.OperationalError, match=r"answered 413|the connection broke: .*may have been"):
            db.execute(UPLOAD)
        assert server.connections == 1


# proxies


def test_proxy_gets_a_create_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """That closes instead of answering: for urllib3 an error of the proxy, as if it had not been reached."""
    seen: list[bytes] = []

    def serve(connection: Connection) -> None:
        seen.append(request(connection))

    with serving(serve) as server, connected(9, host="api.test", allow_http=True) as db:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        with pytest.raises(openai_vtab.APIConnectionError, match=r"the connection broke: .*may have been carried out"):
            db.execute(INSERT)
        assert [one.split(b" ")[1] for one in seen] == [b"http://api.test:9/v1/vector_stores/vs_1/file_batches"]


@pytest.mark.parametrize(
    ("said", "attempts", "match"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            1,
            r"cannot connect: Tunnel connection failed: 403 Forbidden \(1 attempt\); HTTPS_PROXY is 'http://127.*', a proxy",
        ),
        (
            b"HTTP/1.1 407 Who\r\n\r\n",
            1,
            r"cannot connect: Tunnel connection failed: 407 Who \(1 attempt\); HTTPS_PROXY is 'http://127.*', a proxy",
        ),
        (
            b"HTTP/1.1 502 No\r\n\r\n",
            2,
            r"cannot connect: Tunnel connection failed: 502 No \(2 attempts\); HTTPS_PROXY is 'http://127.*', a proxy",
        ),
        (b"", 2, "cannot connect: "),
        (SLOW_HEADERS, 2, r"no connection within 0\.4 s$"),
    ],
    ids=["403", "407", "502", "closed", "drip"],
)
def test_proxy_that_makes_no_tunnel(monkeypatch: pytest.MonkeyPatch, said: bytes, attempts: int, match: str) -> None:
    """Nothing was sent, so a create is retried, unless the proxy refuses it; the proxy never sees the key."""
    seen: list[bytes] = []

    def serve(connection: Connection) -> None:
        seen.append(request(connection))
        (drip if said is SLOW_HEADERS else Connection.sendall)(connection, said)

    with serving(serve) as server, connected(9, "https", "api.test", timeout=0.4) as db:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        assert seconds(lambda: db.execute(INSERT), openai_vtab.APIConnectionError, match) < 20
        assert [one[:20] for one in seen] == [b"CONNECT api.test:9 H"] * attempts
        assert not any(b"sk-raw" in one for one in seen)


# memory, and anything at all


@pytest.mark.sample(1)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_response_size_is_limited_in_memory(connect: Any, sandbox: Any, packed: bool) -> None:
    """100 MB, or what would be as much."""

    def parts(head: bytes, body: bytes) -> Iterator[bytes]:
        yield OK + (b"content-encoding: gzip\r\n\r\n" if packed else b"\r\n")
        packer = zlib.compressobj(wbits=31)
        for _ in range(1600):
            yield packer.compress(bytes(65536)) if packed else bytes(65536)

    db = connect(max_answer_bytes=1_000_000)
    sandbox.inject(Wire(parts))
    tracemalloc.start()
    with pytest.raises(openai_vtab.APIError, match="the response is longer than 1000000 bytes"):
        db.execute(SELECT % "vsfb_a").fetchall()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


@pytest.mark.parametrize("examples", few_and_many(20, 400))
def test_response_of_random_bytes_is_survived(connect: Any, sandbox: Any, examples: int) -> None:
    """A true one, cut, doubled and overwritten anywhere: rows of what was asked for, or an error of ours."""
    sql = f"SELECT id, vector_store_id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
    true = answer({**sandbox.batches["vs_demo", "vsfb_demo_finished"]})
    chance = random.Random(20)  # noqa: S311 - the same every time
    db = connect(timeout=5, max_retries=1)
    refused = 0
    for _ in range(examples):
        data = bytearray(true)
        for _ in range(chance.randint(1, 3)):
            place, length = chance.randrange(len(true)), chance.choice([0, 1, 1, 2, 20])
            some = chance.choice(
                [b"", b"\r\n", b"\x00", b"9", b'"', b"[", b"\xff", b"HTTP/1.1 200 OK\r\n", bytes(data[:40])]
            )
            data[place : place + length] = some
        injection = sandbox.inject(Raw(bytes(data)), times=None)
        try:
            assert db.execute(sql).fetchall() in ([("vsfb_demo_finished", "vs_demo")], [])
        except openai_vtab.OperationalError:
            refused += 1
        injection.times = 0
    assert examples / 4 < refused < examples
    assert db.execute(sql).fetchall() == [("vsfb_demo_finished", "vs_demo")]


@pytest.mark.parametrize("depth", [*range(940, 1000, 6), 3_000, 30_000])
def test_response_nested_as_deep_as_can_be_read(connect: Any, sandbox: Any, depth: int) -> None:
    """Reading and writing JSON do not end at the same depth: what was created is remembered all the same."""
    db = connect()
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    body = b'{"id": "vsfb_deep", "vector_store_id": "vs_1", "status": "completed", "deep": %b}'
    sandbox.inject(Answer(body % (b"[" * depth + b"]" * depth)), times=None)
    try:
        db.execute(INSERT.replace(T, "mine"))
        expected = ("vsfb_deep", "completed")
    except openai_vtab.APIError as error:
        assert "may have been carried out" in str(error)  # noqa: PT017 - either is right, the depth decides
        expected = (None, "unknown")
    assert db.execute("SELECT id, status FROM mine_ledger").fetchall() == [expected]
    with suppress(openai_vtab.APIError, openai_vtab.DataError):
        assert "[[[" in db.execute(SELECT.replace("id", "raw", 1) % "vsfb_deep").get


def test_pagination_in_an_order_that_cannot_be_checked_raises(connect: Any, sandbox: Any) -> None:
    """SQLite would not sort what it was promised in order."""
    files = [{"id": f"file-{n}", "created_at": at} for n, at in enumerate([5, None, 3])]
    sandbox.inject(Answer({"data": files, "has_more": False}), times=None)
    sql = "SELECT id FROM files ORDER BY {}created_at DESC"
    with pytest.raises(openai_vtab.OperationalError, match="not in the order of created_at; write ORDER BY \\+created"):
        connect().execute(sql.format("")).fetchall()
    assert connect().execute(sql.format("+")).fetchall() == [("file-0",), ("file-2",), ("file-1",)]
