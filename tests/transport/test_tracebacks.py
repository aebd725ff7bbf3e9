"""Tracebacks: what an error reporter, rich or pytest -l prints of an exception, and the key is in none of it."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.sandbox import Answer, Cut, Raw, Slow

from ..support.waiting import when

KEY = "sk-proj-Ab3_dEf-6hIjKlMnOpQrStUvWx"
T = "vector_store_file_batches"
STATEMENTS = {
    "SELECT": f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'",
    "list": "SELECT * FROM vector_stores",
    "IN": f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_1', 'vsfb_2', 'vsfb_3')",
    "join": "SELECT f.id FROM json_each('[1,2,3,4]') AS n JOIN files AS f ON f.id = 'file-' || n.value",
    "INSERT": f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')",
    "rows": f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"a\"]'), ('vs_demo', '[\"b\"]')",
    "upload": "INSERT INTO files (filename, content, purpose) VALUES ('a', 'b', 'assistants')",
    "UPDATE": f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'",
    "function": "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
}
FEW = {name: STATEMENTS[name] for name in ("SELECT", "INSERT", "rows")}  # where only the door differs
OURS = ("openai_vtab", "urllib3", "requests", "http.")


def within(value: object, seen: set[int], depth: int = 8) -> Iterator[str]:
    """The repr of a value, of what containers hold, and of the attributes of objects that requests go through."""
    if id(value) in seen or not depth:
        return
    seen.add(id(value))
    yield repr(value)
    inner: list[object] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = list(value)
    elif type(value).__module__.startswith(OURS) and not callable(value):
        inner = list(getattr(value, "__dict__", {}).values())
    for each in inner:
        yield from within(each, seen, depth - 1)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it leads to."""
    pending, seen = [error], set[int]()
    while pending:
        error = pending.pop()
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            pending += [each for each in (error.__cause__, error.__context__) if each is not None]


def assert_no_key(error: BaseException, key: str = KEY) -> None:
    """In no local variable of a frame that is not this file's own, and not in what the exceptions say and hold."""
    seen: set[int] = set()
    frames = 0
    for each in chain(error):
        for text in (str(each), *within(each.args, seen), *within(vars(each), seen)):
            assert key not in text
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename == __file__:
                continue
            frames += 1
            for name, value in frame.f_locals.items():
                for text in within(value, seen):
                    assert key not in text, f"{frame.f_code.co_qualname}: {name}"
    assert frames
    own = Path(__file__).name
    printed = traceback.TracebackException.from_exception(error, capture_locals=True)
    while printed is not None:
        for summary in printed.stack:
            assert own in summary.filename or key not in str(summary.locals), f"{summary.name}: {summary.locals}"
        printed = printed.__cause__ or printed.__context__


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)


def nobody() -> str:
    """A port at which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


def by_apsw(**settings: Any) -> Callable[[str], Any]:
    """Run SQL on a connection of openai_vtab's."""
    db = openai_vtab.connect(api_key=settings.pop("api_key", KEY), max_retries=1, timeout=0.2, **settings)
    return lambda sql: db.execute(sql).fetchall()


def by_dbapi(**settings: Any) -> Callable[[str], Any]:
    """Run SQL on a PEP 249 connection, and commit."""
    db = dbapi.connect(":memory:", api_key=settings.pop("api_key", KEY), max_retries=1, request_timeout=0.2, **settings)

    def run(sql: str) -> None:
        with db:
            db.execute(sql).fetchall()

    return run


def by_sqlalchemy(**settings: Any) -> Callable[[str], Any]:
    """Run SQL in a transaction of SQLAlchemy's."""
    given = {"api_key": settings.pop("api_key", KEY), "max_retries": 1, "request_timeout": 0.2, **settings}
    engine = sqlalchemy.create_engine("sqlite+openai_vtab://", connect_args=given)

    def run(sql: str) -> None:
        with engine.begin() as connection:
            result = connection.execute(sqlalchemy.text(sql))
            if result.returns_rows:
                result.fetchall()

    return run


DOORS = [by_apsw, by_dbapi, by_sqlalchemy]
ERRORS = (openai_vtab.Error, apsw.Error, sqlalchemy.exc.DBAPIError)

FAULTS: dict[str, Any] = {
    "401 that quotes it": Answer({"error": {"message": f"no {KEY}", "code": KEY}}, status=401),
    "500 that quotes it": Answer({"detail": [{"msg": KEY}]}, status=500, headers={"x-request-id": KEY}),
    "a redirect": Answer(b"", status=307, headers={"location": f"http://127.0.0.1:9/?{KEY}"}),
    "no JSON": Answer(f"<p>{KEY}</p>".encode()),
    "another object": Answer({"id": KEY, "object": KEY, "vector_store_id": KEY, "data": [{"id": 1}]}),
    "no HTTP": Raw(f"Bearer {KEY}\r\n\r\n".encode()),
    "a broken chunk": Raw(f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{KEY}\r\n".encode()),
    "no gzip": Raw(f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 34\r\n\r\n{KEY}".encode()),
    "too long": Answer(b"[" + KEY.encode() * 1000),
    "cut at once": Cut("accept"),
    "cut in the headers": Cut("headers"),
    "cut in the body": Cut("body"),
    "too late": Slow(1),
    "UTF-16": Answer(f'{{"error": {{"message": "no {KEY}"}}}}'.encode("utf-16"), status=401),
    "UTF-32": Answer(f'{{"error": {{"message": "no {KEY}"}}}}'.encode("utf-32-be"), status=400),
    "UTF-16 within text": Answer(b"key: " + KEY.encode("utf-16-le"), status=400),
}


@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("door", DOORS)
def test_traceback_of_an_answer(sandbox: Any, door: Callable[..., Any], fault: Any) -> None:
    """Whatever a server answers, or does not."""
    run = door(base_url=sandbox.base_url, max_answer_bytes=10_000)
    raised = 0
    for sql in (STATEMENTS if door is by_apsw else FEW).values():
        sandbox.inject(fault, times=None)
        try:
            run(sql)
        except ERRORS as error:
            raised += 1
            assert_no_key(error)
        sandbox.clear_faults()
    assert raised


@pytest.mark.sample(1)
@pytest.mark.parametrize("door", DOORS)
def test_traceback_without_an_answer(sandbox: Any, door: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused connections, no TLS, no host, a proxy that is not there, certificates that are not there."""
    dead = nobody()
    plain = sandbox.base_url.removeprefix("http://")
    for base_url, variables in (
        (f"http://{dead}/v1", {}),
        (f"https://{plain}", {}),
        ("https://api.example.invalid/v1", {}),
        ("https://api.example.invalid/v1", {"HTTPS_PROXY": f"http://{dead}"}),
        ("https://api.example.invalid/v1", {"HTTPS_PROXY": f"http://{plain}"}),
        ("https://api.example.invalid/v1", {"HTTPS_PROXY": "socks5://[bad"}),
        ("https://api.example.invalid/v1", {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}),
        ("https://xn--a.example/v1", {}),
    ):
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            run = door(base_url=base_url)
            for sql in FEW.values():
                with pytest.raises(ERRORS) as caught:
                    run(sql)
                assert_no_key(caught.value)


def raising(error: BaseException) -> Callable[[], str]:
    """A key's function that has the key in its hands when it fails."""

    def key() -> str:
        token_in_hand = KEY
        assert token_in_hand
        raise error

    return key


@pytest.mark.parametrize("given", [KEY + "\n", KEY + "ключ", lambda: KEY + "\0"], ids=["LF", "letters", "NUL"])
@pytest.mark.parametrize("door", DOORS)
def test_traceback_of_a_key_that_cannot_be_sent(sandbox: Any, door: Callable[..., Any], given: Any) -> None:
    """It is not shown where it is refused."""
    run = door(base_url=sandbox.base_url, api_key=given)
    for sql in STATEMENTS.values():
        with pytest.raises(ERRORS, match="no HTTP header may have") as caught:
            run(sql)
        assert_no_key(caught.value)
    assert sandbox.requests == []


@pytest.mark.parametrize("door", [by_apsw, by_dbapi])
def test_traceback_of_a_key_in_bytes(sandbox: Any, door: Callable[..., Any]) -> None:
    """It is refused at connect with its type, and a function that returns bytes at the first request."""
    with pytest.raises(ERRORS, match="api_key is of type bytes; write a str") as caught:
        door(base_url=sandbox.base_url, api_key=KEY.encode())(STATEMENTS["SELECT"])
    assert_no_key(caught.value)
    with pytest.raises(ERRORS, match="the function given as api_key has returned bytes; return a str") as caught:
        door(base_url=sandbox.base_url, api_key=KEY.encode)(STATEMENTS["SELECT"])
    assert_no_key(caught.value)
    assert sandbox.requests == []


@dataclasses.dataclass
class Credentials:
    """A holder of a key, whose repr, and that of its method, shows the key."""

    key: str

    def current(self) -> str:
        """Return the key."""
        return self.key

    def __call__(self) -> str:
        """Return the key."""
        return self.key


CALLABLES = [Credentials(KEY).current, functools.partial(str, KEY), Credentials(KEY)]


@pytest.mark.parametrize("given", CALLABLES, ids=["method", "partial", "object"])
def test_traceback_of_a_callable_whose_repr_shows_the_key(sandbox: Any, given: Any, tmp_path: Path) -> None:
    """At a wrong setting, a database that cannot be opened, and a request."""
    nowhere = str(tmp_path / "none" / "a.db")
    for open_it in (
        lambda: openai_vtab.connect(api_key=given, timeout=-1),
        lambda: openai_vtab.connect(nowhere, api_key=given),
        lambda: dbapi.connect(nowhere, api_key=given),
        lambda: openai_vtab.register(apsw.Connection(""), api_key=given, timeout=-1),
        lambda: (
            openai_vtab.connect(api_key=given, base_url=sandbox.base_url, max_retries=0)
            .execute(STATEMENTS["SELECT"])
            .fetchall()
        ),
    ):
        with pytest.raises((openai_vtab.Error, apsw.Error)) as caught:
            open_it()
        assert_no_key(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_traceback_of_the_keys_function(sandbox: Any, door: Callable[..., Any]) -> None:
    """What it raises becomes an error of ours, from which no way leads to the function's variables."""
    run = door(base_url=sandbox.base_url, api_key=raising(ValueError("no token")))
    for sql in STATEMENTS.values():
        with pytest.raises(ERRORS, match=r"no token \(ValueError, raised by the function given as api_key\)") as caught:
            run(sql)
        assert_no_key(caught.value)
        frames = [frame for each in chain(caught.value) for frame, _ in traceback.walk_tb(each.__traceback__)]
        assert "token_in_hand" not in {name for frame in frames for name in frame.f_locals}
    assert sandbox.requests == []
    with pytest.raises(SystemExit) as ended:
        door(base_url=sandbox.base_url, api_key=lambda: sys.exit(5))(STATEMENTS["SELECT"])
    assert_no_key(ended.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"organization": "org\n"},
        {"project": "проект"},
        {"openai_beta": "assistants=v2\0"},
        {"base_url": "ftp://x/?k=" + KEY},
        {"default_headers": {"X-Gateway": KEY, "X-Line": "a\nb"}},
        {"default_headers": {"Authorization": "Bearer " + KEY}},
        {"default_query": {"code": KEY, "limit": 5}},
        {"default_headers": "X-Gateway: " + KEY},
        {"default_query": ["code", KEY]},
        {"base_url": "http://api.example.org/v1"},
        {"max_retries": -1},
        {"errors": "no"},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_traceback_of_a_wrong_setting(wrong: dict[str, Any]) -> None:
    """The key is among the keywords of the functions that refuse the other setting."""
    opened = [
        openai_vtab.connect,
        lambda **settings: openai_vtab.register(apsw.Connection(""), **settings),
        lambda **settings: dbapi.connect(":memory:", **settings),
    ]
    for open_it in opened:
        with pytest.raises((openai_vtab.Error, TypeError)) as caught:
            open_it(**{"api_key": KEY, "base_url": "http://127.0.0.1:9/v1", **wrong})
        assert_no_key(caught.value)


@pytest.mark.parametrize("variable", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"])
def test_traceback_of_a_wrong_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are made anew with what the environment says."""
    monkeypatch.setenv(variable, "no\n")
    for open_it in (openai_vtab.connect, dbapi.connect):
        with pytest.raises(openai_vtab.ConfigurationError) as caught:
            open_it(":memory:", api_key=KEY)
        assert_no_key(caught.value)


def test_traceback_of_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    """SQLite's own error, after the settings were given."""
    for open_it in (openai_vtab.connect, dbapi.connect):
        with pytest.raises((apsw.CantOpenError, openai_vtab.OperationalError)) as caught:
            open_it(str(tmp_path / "none" / "a.db"), api_key=KEY, base_url="http://127.0.0.1:9/v1")
        assert_no_key(caught.value)


@pytest.mark.sample(3)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_traceback_of_an_interrupt(sandbox: Any, sql: str) -> None:
    """By connection.interrupt(), by a signal, and by the progress function."""
    sandbox.latency = 60

    def stop(progress: Any) -> None:
        raise RuntimeError("enough")

    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=KEY, max_retries=0)
    interrupted = when(lambda: sandbox.requests, db.interrupt)
    with interrupted, pytest.raises((apsw.InterruptError, openai_vtab.WriteError)) as caught:
        db.execute(sql).fetchall()
    assert_no_key(caught.value)
    sandbox.latency = 0.5
    ended: KeyboardInterrupt | None = None
    for _ in range(5):  # Python loses a KeyboardInterrupt that comes while a weak reference's callback runs
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            db.execute(sql).fetchall()
        except KeyboardInterrupt as error:
            ended = error
            break
        except openai_vtab.Error:  # the key is not the sandbox's
            continue
        finally:
            timer.join()
    assert ended is not None
    assert_no_key(ended)
    told = openai_vtab.connect(base_url=sandbox.base_url, api_key=KEY, max_retries=0, progress=stop)
    try:
        told.execute(sql).fetchall()
    except RuntimeError as error:
        assert_no_key(error)
    except openai_vtab.Error as error:  # a write goes on, and is refused: the key is not the sandbox's
        assert_no_key(error)


def test_traceback_of_a_log_that_fails(sandbox: Any) -> None:
    """A dry run knows the key, so as not to show it."""
    import logging

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("no disk")

    handler = Failing()
    logging.getLogger("openai_vtab").addHandler(handler)
    try:
        db = openai_vtab.connect(base_url=sandbox.base_url, api_key=KEY, dry_run=True)
        for sql in STATEMENTS.values():
            with pytest.raises((RuntimeError, openai_vtab.WriteError)) as caught:
                db.execute(sql).fetchall()
            assert_no_key(caught.value)
    finally:
        logging.getLogger("openai_vtab").removeHandler(handler)
