"""The API key: whatever happens, it is in nothing that this package says, shows or keeps, however it is spelled."""

from __future__ import annotations

import base64
import gc
import io
import json
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.sandbox import Answer, Cut, Raw, Slow
from openai_vtab.settings import Settings
from openai_vtab.shell.app import Shell
from openai_vtab.transport.redaction import KnownKey, redact_body

from ..support.slow import slow_except

T = "vector_store_file_batches"
SELECT = f"SELECT * , raw FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
LIST = "SELECT *, raw FROM vector_stores"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
UPDATE = f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'"
FUNCTION = "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')"
LEDGER = "SELECT *, raw FROM mine WHERE refresh = 1"

KEYS = ["sk-proj-Ab3_dEf-6hIjKlMnOpQrStUvWx", 'sk-a/b+c=="d', "sk+/%2F\\key'<&>"]


def spellings(key: str) -> set[str]:
    """Raw, percent-encoded, as JSON escapes it, and what base64 makes of it at each place in something longer."""
    found = {key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], json.dumps(key)[1:-1].replace("/", "\\/")}
    for before in ("", "x", "xx", "Bearer "):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(f"{before}{key}".encode()).decode()
            found.add(whole[(len(before) * 8 + 5) // 6 : len(f"{before}{key}") * 8 // 6])
    return found | {quote(text, safe="") for text in found}


def assert_no_key(key: str, *texts: object) -> None:
    """In no spelling."""
    for text in texts:
        said = text.decode("latin-1") if isinstance(text, bytes) else text if isinstance(text, str) else repr(text)
        for spelling in spellings(key):
            assert spelling not in said


def all_of(error: BaseException | None) -> Iterator[object]:
    """Whatever an exception says, and those behind it."""
    while error is not None:
        yield from (str(error), repr(error), error.args, vars(error), "".join(traceback.format_exception(error)))
        if isinstance(error, openai_vtab.Error):
            yield pickle.dumps(error)
        error = error.__cause__ or error.__context__


def quotations(key: str) -> dict[str, Any]:
    """What a server may answer that quotes the key, in every place and spelling."""
    bearer = f"Bearer {key}"
    spelled = {
        "raw": key,
        "percent": quote(key, safe=""),
        "base64": base64.b64encode(key.encode()).decode(),
        "base64 of the header": base64.b64encode(bearer.encode()).decode(),
        "base64 of a login": base64.b64encode(f":{key}".encode()).decode(),
        "base64 in a URL": base64.urlsafe_b64encode(f"k:{key}".encode()).decode(),
    }
    found: dict[str, Any] = {}
    for name, said in spelled.items():
        error = {"message": f"who is {said}?", "type": said, "param": said, "code": said}
        headers = {"x-request-id": said, "x-echo": bearer, "set-cookie": f"k={said}"}
        found[f"401, {name}"] = Answer({"error": error}, status=401, headers=headers)
        found[f"500 of another server, {name}"] = Answer({"detail": [{"msg": said}]}, status=500, headers=headers)
        found[f"HTML, {name}"] = Answer(f"<p>{said}</p>".encode(), headers=headers)
        found[f"a redirect, {name}"] = Answer(b"", status=307, headers={"location": f"http://127.0.0.1:9/?{said}"})
        echo = {"id": said, "object": said, "status": said, "name": said, "data": [{"id": said}], "x": {"y": [said]}}
        found[f"an echo, {name}"] = Answer(echo)
        found[f"an error with 200, {name}"] = Answer({"error": error})
    found["slashes escaped"] = Answer(json.dumps({"error": {"message": key}}).replace("/", "\\/").encode(), status=401)
    escaped = "".join(c if c.isalnum() else f"\\u{ord(c):04X}" for c in key)
    found["all escaped"] = Answer(f'{{"error": {{"message": "{escaped}"}}}}'.encode(), status=403)
    found["no list"] = Answer([bearer])
    found["in the status line"] = Raw(f"HTTP/1.1 {bearer}\r\n\r\n".encode())
    found["instead of one"] = Raw(f"{bearer}\r\n\r\n".encode())
    found["in broken headers"] = Raw(f"HTTP/1.1 200 OK\r\nauthorization {bearer}\r\nx: y\r\n\r\n{{}}".encode())
    found["in the length"] = Raw(f"HTTP/1.1 200 OK\r\ncontent-length: {bearer}\r\n\r\n{{}}".encode())
    found["in a chunk's length"] = Raw(f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{key}\r\n".encode())
    found["in the encoding"] = Raw(f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, {bearer}\r\n\r\n{key}".encode())
    found["too long"] = Answer(bearer.encode() * 1000)
    return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai_vtab.transport.retries.FIRST_WAIT", 0.001)


@pytest.mark.parametrize(
    ("key", "spelled"), [(KEYS[1], "raw"), *(pytest.param(key, "", marks=pytest.mark.slow) for key in KEYS)]
)
def test_redaction_of_any_response(
    key: str, spelled: str, sandbox: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In no row, exception, log line or file, by any statement; the quotation is there, with [key] in it."""
    caplog.set_level(logging.DEBUG)
    sandbox._server.api.api_key = key
    file = tmp_path / "a.db"
    told: list[object] = []
    db = openai_vtab.connect(
        str(file), base_url=sandbox.base_url, api_key=key, max_retries=1, max_answer_bytes=10_000, progress=told.append
    )
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.execute("INSERT INTO mine (id, vector_store_id) VALUES ('vsfb_demo_running', 'vs_demo')")
    db.execute("CREATE TABLE copied (a, b)")
    as_rows = openai_vtab.connect(base_url=sandbox.base_url, api_key=key, max_retries=1, errors="row")
    said = 0
    faults = [fault for name, fault in quotations(key).items() if "," not in name or name.endswith(spelled)]
    for fault in faults:
        for sql in (SELECT, LIST, INSERT, UPDATE, FUNCTION, LEDGER, f"INSERT INTO copied SELECT id, raw FROM ({LIST})"):
            sandbox.inject(fault, times=2)
            try:
                rows = db.execute(sql).fetchall()
            except (openai_vtab.Error, apsw.Error) as error:
                assert_no_key(key, *all_of(error))
                said += "[key]" in str(error)
            else:
                assert_no_key(key, *rows)
                said += "[key]" in str(rows)
            sandbox.clear_faults()
        for sql in (SELECT, LIST):
            sandbox.inject(fault, times=2)
            rows = as_rows.execute(sql.replace("raw", "raw, error", 1)).fetchall()
            assert_no_key(key, *rows)
            said += "[key]" in str(rows)
            sandbox.clear_faults()
    assert said > 4 * len(faults)
    requests = db.execute("SELECT * FROM openai_requests").fetchall()
    assert len(requests) > 3 * len(faults)
    plans = [
        db.execute(f"{explain} {sql}").fetchall()
        for explain in ("EXPLAIN", "EXPLAIN QUERY PLAN")
        for sql in (SELECT, INSERT, UPDATE)
    ]
    schema = db.execute("SELECT * FROM sqlite_schema").fetchall()
    assert_no_key(key, *requests, *plans, *schema, *told, caplog.text, [vars(record) for record in caplog.records])
    db.close()
    as_rows.close()
    assert_no_key(key, *(path.read_bytes() for path in tmp_path.iterdir()))
    assert b"[key]" in file.read_bytes()


def test_redaction_leaves_a_response_where_the_key_is_a_word() -> None:
    """Servers of one's own take "test" for a key: a file of that name keeps it; an error's words need not."""
    body = b'{"id": "file-1", "filename": "test.md, by lm-studio"}'
    assert redact_body(200, body, KnownKey("test")) is body
    assert redact_body(200, body, KnownKey("lm-studio")) is body
    assert redact_body(401, body, KnownKey("test")) == b'{"id": "file-1", "filename": "[key].md, by lm-studio"}'
    assert redact_body(200, b'{"a": "\xff sk-0123456789"}', KnownKey("sk-0123456789")) == b'{"a": "\xff [key]"}'


def mixed(key: str) -> dict[str, str]:
    """The key in encodings that a server's words may have, and which a reader can undo."""
    encoded = base64.b64encode(key.encode()).decode()
    return {
        "percent of every character": "".join(f"%{ord(c):02x}" for c in key),
        "percent of percent": quote(quote("".join(f"%{ord(c):02X}" for c in key))),
        "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in key),
        "JSON in JSON in JSON": json.dumps(json.dumps("".join(f"\\u{ord(c):04X}" for c in key))),
        "JavaScript escapes": "".join(f"\\x{ord(c):02x}" for c in key),
        "UTF-16": key.encode("utf-16-le").decode("latin-1"),
        "HTML": "".join(f"&#{ord(c)};" for c in key),
        "HTML, hexadecimal": "".join(f"&#x{ord(c):x};" for c in key),
        "hexadecimal": key.encode().hex(),
        "hexadecimal, apart": key.encode().hex(":"),
        "hexadecimal of base64": encoded.encode().hex(),
        "base64 of base64": base64.b64encode(encoded.encode()).decode(),
        "base64 of percent": base64.b64encode(quote(f"key={key}", safe="").encode()).decode(),
        "upper case": key.upper(),
        "swapped case": key.swapcase(),
        "a line break within": f"{key[:9]}\n{key[9:]}",
        "spaces within": " ".join(key),
    }


@pytest.mark.sample(17)
@pytest.mark.parametrize("name", mixed(""))
@pytest.mark.parametrize("status", [401, 404, 500])
def test_redaction_of_an_error_in_any_encoding(name: str, status: int, sandbox: Any) -> None:
    """A failed response is searched as a reader would decode it: its message gives way, the rest of the error stays."""
    key = "sk-proj-AbC_123-xyzXYZ0987654321"
    sandbox._server.api.api_key = key
    said = mixed(key)[name]
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key, max_retries=0)
    error = {"message": f"no key: {said}", "code": "invalid", "param": said}
    for body in (json.dumps({"error": error}).encode(), f"<p>{said}</p>".encode(), json.dumps([{said: said}]).encode()):
        sandbox.inject(Answer(body, status=status, headers={"x-request-id": quote(said)}), times=1)
        with pytest.raises(openai_vtab.APIError) as caught:
            db.execute(LIST).fetchall()
        kept = str(db.execute("SELECT * FROM openai_requests").fetchall())
        for text in (str(caught.value), repr(vars(caught.value)), kept):
            assert said not in text
            assert repr(said)[1:-1] not in text
            assert quote(said) not in text
        shown = str(caught.value).replace("\\x00", "").replace("\\u0000", "")
        assert "[key]" in shown or "[the server's message quotes the key]" in shown
    db.close()


def test_redaction_leaves_an_error_without_the_key_as_it_is() -> None:
    """Byte for byte, whatever it is encoded in."""
    for body in (b'{"error": {"message": "\\u0041 %41 &amp; c2stcHJvag=="}}', b"<p>%73%6b</p>", bytes(range(256))):
        assert redact_body(401, body, KnownKey(KEYS[0])) == body


@pytest.mark.parametrize(
    "body",
    [
        rb'{"filename": "C:\\u0041dir", "purpose": "KEY", "x": "\u00e9 \u0041 \/ %41"}',
        rb"KEY=\u0041 \\u0041 %4b %254B \x00\xff KEY",
        "ключ \\u0041 KEY \ud800".encode("utf-16", "surrogatepass"),
        "\ufeffключ KEY".encode("utf-16-be"),
        "ключ KEY".encode("utf-32"),
    ],
)
def test_redaction_leaves_the_other_bytes_of_an_answer(body: bytes) -> None:
    """Only the key's own bytes are replaced in an answer that is right."""
    key = KEYS[0]
    for between in ("", "\0", "\0\0\0"):
        body = body.replace(between.join("KEY").encode(), between.join(key).encode())
    want = body
    for between in ("", "\0", "\0\0\0"):
        want = want.replace(between.join(key).encode(), between.join("[key]").encode())
    assert want != body
    assert redact_body(200, body, KnownKey(key)) == want


def test_redaction_of_a_short_key_takes_whole_words() -> None:
    """A short key may be a part of the words of an error; with an escape before it, it is a word."""
    body = b'{"error": "wrongly: wrong, \\nwrong, the-wrong, key%20wrong, WRONG_wrong"}'
    clean = b'{"error": "wrongly: [key], \\n[key], the-wrong, key%20[key], WRONG_wrong"}'
    assert redact_body(401, body, KnownKey("wrong")) == clean


def test_redaction_of_a_key_of_an_earlier_attempt(sandbox: Any) -> None:
    """A function may give another key for each attempt: the answer is searched for all of them."""
    sent: list[str] = []

    def key() -> str:
        sent.append(f"sk-rotating-key-number-{len(sent):04}")
        return sent[-1]

    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key)
    sandbox.inject(Answer({}, status=429, headers={"retry-after-ms": "1"}), times=1)
    sandbox.inject(Answer({"error": {"message": "sk-rotating-key-number-0000 is used up"}}, status=401), times=2)
    for _ in range(2):  # the second statement has another key, and is told of the first one's
        with pytest.raises(openai_vtab.APIError, match=r"answered 401: \[key\] is used up") as caught:
            db.execute(LIST).fetchall()
        for known in sent:
            assert_no_key(known, *all_of(caught.value), *db.execute("SELECT * FROM openai_requests"))
    assert len(sent) == 3
    db.close()


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.sample(3)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("key", slow_except(KEYS, KEYS[1]))
def test_redaction_of_other_encodings_than_utf_8(key: str, encoding: str, sandbox: Any, tmp_path: Path) -> None:
    """JSON may be UTF-16 or UTF-32, and is read: in no row, ledger, exception or row of openai_requests."""
    sandbox._server.api.api_key = key
    db = openai_vtab.connect(str(tmp_path / "a.db"), base_url=sandbox.base_url, api_key=key, max_retries=0)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    said = 0
    for spelled in (key, quote(key, safe=""), base64.b64encode(key.encode()).decode()):
        batch = {"id": "vsfb_1", "vector_store_id": "vs_1", "status": f"you sent {spelled}", "more": "ключ\ud800"}
        texts = [json.dumps(batch, ensure_ascii=ascii) for ascii in (True, False)]
        texts += [json.dumps({"error": {"message": f"who is {spelled}?", "code": spelled}}), f"who is {spelled}?"]
        texts += ['{"error": {"message": "%s"}}' % "".join(f"\\u{ord(c):04x}" for c in spelled)]
        for text in texts:
            for status in (200, 401, 429):
                sandbox.inject(Answer(text.encode(encoding, "surrogatepass"), status=status), times=1)
                try:
                    rows = db.execute(
                        "SELECT *, raw FROM mine WHERE vector_store_id = 'vs_1' AND batch_id = 'vsfb_1' AND refresh = 1"
                    ).fetchall()
                except openai_vtab.APIError as error:
                    assert_no_key(key, *all_of(error))
                    said += "[key]" in str(error)
                else:
                    assert_no_key(key, *rows)
                    said += "[key]" in str(rows)
                sandbox.clear_faults()
    assert said >= 30
    assert_no_key(key, *db.execute("SELECT * FROM openai_requests"), *db.execute("SELECT * FROM mine_ledger"))
    db.close()
    assert_no_key(key, *(path.read_bytes() for path in tmp_path.iterdir()))


def test_redaction_leaves_what_has_no_key_as_it_is() -> None:
    """Also bytes that only look like UTF-16, such as a file's."""
    key = KEYS[0]
    for body in (
        b"",
        b"\0",
        b"a\0b",
        b"\0a\0b\0",
        b"\xff\xfe\0",
        "{}".encode("utf-16"),
        bytes(range(256)),
        b"\xff\xfe\x00\xd8",
    ):
        assert redact_body(200, body, KnownKey(key)) is body
    text = b"key: " + key.encode("utf-16-le") + b", and so on"
    assert redact_body(200, text, KnownKey(key)) == b"key: " + "[key]".encode("utf-16-le") + b", and so on"


@pytest.mark.parametrize("key", KEYS[1:2])
def test_redaction_without_a_response(key: str, sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Time-outs, cut and refused connections, proxies that are not there."""
    caplog.set_level(logging.DEBUG)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for base_url, fault, proxy in (
            (nobody, None, ""),
            ("https" + nobody[4:], None, ""),
            ("https://api.example.invalid/v1", None, nobody),
            ("https" + sandbox.base_url[4:], None, ""),  # it speaks no TLS
            (sandbox.base_url, Slow(1), ""),
            *((sandbox.base_url, Cut(when), "") for when in ("accept", "answer", "headers", "body")),
        ):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("HTTPS_PROXY", proxy)
                db = openai_vtab.connect(base_url=base_url, api_key=key, max_retries=1, timeout=0.2)
                for sql in (SELECT, INSERT, FUNCTION):
                    if fault:
                        sandbox.inject(fault, times=None)  # the server may see a request after its time-out
                    with pytest.raises(openai_vtab.APIConnectionError) as caught:
                        db.execute(sql).fetchall()
                    assert_no_key(key, *all_of(caught.value))
                    sandbox.clear_faults()
                assert_no_key(key, *db.execute("SELECT * FROM openai_requests"))
                db.close()
    assert_no_key(key, caplog.text)


def test_redaction_of_several_rows_that_fail(sandbox: Any) -> None:
    """A WriteError quotes what each was answered."""
    key = KEYS[1]
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key)
    sandbox.inject(Answer({"error": {"message": f"no {key}"}}, status=401), times=None)
    with pytest.raises(openai_vtab.WriteError) as caught:
        db.execute(INSERT + ", ('vs_demo', '[\"file-new-02\"]')")
    assert "no [key]" in str(caught.value)
    assert_no_key(key, *all_of(caught.value))
    db.close()


def test_redaction_of_a_key_that_changes(sandbox: Any) -> None:
    """Given by a function: each answer is searched for the key of its own request, also when it is repeated."""
    number = count()
    keys: list[str] = []

    def key() -> str:
        keys.append(f"sk-changing/{next(number)}+==")
        return keys[-1]

    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key, max_retries=2)
    for expected in range(3):  # OpenAI masks a key that it quotes; other servers do not
        message = f"Incorrect API key provided: sk-changing/{expected}+==."
        sandbox.inject(Answer({"error": {"message": message, "code": "invalid_api_key"}}, status=401))
        with pytest.raises(openai_vtab.APIError) as caught:
            db.execute(SELECT).fetchall()
        assert "Incorrect API key provided: [key]." in str(caught.value)
        for known in keys:
            assert_no_key(known, *all_of(caught.value), *db.execute("SELECT * FROM openai_requests"))
    assert len(keys) == 3
    db.close()


@pytest.mark.parametrize("end", ["\n", "\r\nX-Other: 1", " ", "\0", "ключ", "\x7f"])
def test_redaction_of_a_key_that_no_header_may_have(sandbox: Any, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Refused without showing it, given as it is, by a function, or by the environment."""
    caplog.set_level(logging.DEBUG)
    key = f"sk-not-a-header{end}"
    for given in (key, lambda: key):
        db = openai_vtab.connect(base_url=sandbox.base_url, api_key=given)
        for sql in (SELECT, INSERT, FUNCTION):
            with pytest.raises(openai_vtab.ConfigurationError, match="no HTTP header may have") as caught:
                db.execute(sql).fetchall()
            assert_no_key("sk-not-a-header", *all_of(caught.value))
        db.close()
    assert sandbox.requests == []
    assert_no_key("sk-not-a-header", caplog.text)


def test_redaction_of_an_address_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and not shown."""
    key = KEYS[0]
    for url in (f"https://{key}@api.example.org/v1", f"https://user:{key}@api.example.org/v1"):
        for open_it in (
            openai_vtab.connect,
            dbapi.connect,
            lambda **more: openai_vtab.register(apsw.Connection(""), **more),
        ):
            with pytest.raises(openai_vtab.ConfigurationError) as caught:
                open_it(":memory:", base_url=url) if open_it in (openai_vtab.connect, dbapi.connect) else open_it(
                    base_url=url
                )
            assert_no_key(key, *all_of(caught.value))


@pytest.mark.parametrize("schema", ["main", "temp"])
def test_api_key_in_sql_is_refused(tmp_path: Path, sandbox: Any, schema: str) -> None:
    """CREATE VIRTUAL TABLE takes no settings: the statement would be stored in the file. It is in none then."""
    key = KEYS[0]
    db = openai_vtab.connect(str(tmp_path / "a.db"), base_url=sandbox.base_url, api_key=key)
    db.execute("PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1)").fetchall()
    for mode in ("", "BEGIN; INSERT INTO t VALUES (2);"):
        db.execute(mode)
        with pytest.raises(
            openai_vtab.ProgrammingError, match="in SQL, a key would be stored in the database file"
        ) as caught:
            db.execute(f"CREATE VIRTUAL TABLE {schema}.mine USING {T}(api_key={key!r})")
        assert_no_key(key, str(caught.value), repr(caught.value))
        if mode:
            db.execute("COMMIT")
        assert db.execute(f"SELECT * FROM {schema}.sqlite_schema WHERE name LIKE 'mine%'").fetchall() == []
        assert_no_key(key, *(path.read_bytes() for path in tmp_path.iterdir()))
    db.close()
    assert_no_key(key, *(path.read_bytes() for path in tmp_path.iterdir()))


def test_redaction_of_every_repr(sandbox: Any, tmp_path: Path) -> None:
    """Of each object of this package that is alive, and of SQLAlchemy's that were given the key."""
    import sqlalchemy

    key = KEYS[1]
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=key)
    with pytest.raises(openai_vtab.APIError):
        db.execute(SELECT).fetchall()
    old = dbapi.connect(":memory:", base_url=sandbox.base_url, api_key=key)
    cursor = old.execute("SELECT 1")
    engine = sqlalchemy.create_engine(
        f"sqlite+openai_vtab:///{tmp_path}/a.db?base_url={sandbox.base_url}", connect_args={"api_key": key}
    )
    shell = Shell({"api_key": key}, stdout=io.StringIO(), stderr=io.StringIO())
    ours = [
        o
        for o in gc.get_objects()
        if str(type(o).__module__).startswith("openai_vtab.")
        and not str(type(o).__module__).startswith("openai_vtab.sandbox")
    ]
    assert {"Settings", "Client", "ConnectionContext", "WorkerPool", "VTable", "RequestLog", "KnownKey"} <= {
        type(o).__name__ for o in ours
    }
    assert Settings(api_key=key) == Settings(api_key=key)
    with engine.connect() as connection:
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            connection.execute(sqlalchemy.text(SELECT)).fetchall()
        assert_no_key(key, *all_of(caught.value), *map(repr, (connection, connection.connection.dbapi_connection)))
    for o in [*ours, shell, db, old, cursor, engine, engine.url, engine.dialect, engine.pool, Settings(api_key=key)]:
        if not isinstance(o, (str, bytes)):
            assert_no_key(key, repr(o), str(o))
    with pytest.raises(sqlalchemy.exc.ArgumentError, match="api_key does not belong in the URL") as refused:
        sqlalchemy.create_engine(f"sqlite+openai_vtab:///?api_key={quote(key, safe='')}").connect()
    assert_no_key(key, *all_of(refused.value))
    for connection in (db, old, engine):
        getattr(connection, "dispose", getattr(connection, "close", None))()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--read-only",)])
def test_redaction_in_the_shell(sandbox: Any, tmp_path: Path, options: tuple[str, ...]) -> None:
    """.requests, .schema, .dump, .connection, errors, dry runs; tracebacks are off."""
    key = KEYS[1]
    error = {"message": f"Incorrect API key provided: {key}", "code": "invalid_api_key"}
    for _ in range(20):  # OpenAI masks a key that it quotes; other servers do not
        sandbox.inject(Answer({"error": error}, status=401))
    commands = [
        f"CREATE VIRTUAL TABLE mine USING {T};",
        f"{SELECT};",
        f"{INSERT};",
        f"{FUNCTION};",
        ".requests",
        ".schema",
    ]
    commands += [
        ".dump",
        ".connection",
        ".describe",
        ".databases",
        ".timer on",
        f"{SELECT};",
        ".batches",
        ".exceptions on",
    ]
    commands += [f"{SELECT};", "SELECT * FROM openai_requests;", ".show", ".log_handler on", f"{SELECT};"]
    done = subprocess.run(
        [sys.executable, "-m", "openai_vtab", "--base-url", sandbox.base_url, *options, str(tmp_path / "a.db")],
        input="\n".join(commands),
        env={**os.environ, "OPENAI_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = done.stdout + done.stderr
    assert ("Incorrect API key provided: [key]" in said) is (options != ("--dry-run",))
    assert "vsfb_demo_finished" in said
    assert_no_key(key, said, *(path.read_bytes() for path in tmp_path.iterdir()))


def test_redaction_in_a_dry_run(
    sandbox: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is not among what would be sent."""
    key = KEYS[1]
    for given in (key, None):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        db = openai_vtab.connect(base_url=sandbox.base_url, api_key=given, dry_run=True)
        for sql in (SELECT, INSERT, UPDATE, FUNCTION):
            db.execute(sql).fetchall()
        db.execute(
            f"INSERT INTO {T} (vector_store_id, file_ids, attributes) VALUES ('vs', '[\"f\"]', json_object('k', ?))",
            (key,),
        )
        assert "[key]" in caplog.text
        assert_no_key(key, caplog.text, *db.execute("SELECT * FROM openai_requests"))
        db.close()
    assert sandbox.requests == []


CRASH = """
import os, signal, sys, openai_vtab
db = openai_vtab.connect(sys.argv[1], max_retries=0)
db.execute(f"PRAGMA journal_mode = {sys.argv[2]}").fetchall()
db.execute("PRAGMA cache_size = 1; CREATE VIRTUAL TABLE mine USING vector_store_file_batches; CREATE TABLE t (a)")
db.execute("BEGIN; INSERT INTO mine (vector_store_id, file_ids) VALUES ('vs_demo', '[\\"file-new-01\\"]')")
db.execute("INSERT INTO t SELECT randomblob(5000) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
print(db.execute("SELECT count(*) FROM mine").get, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", slow_except(["wal", "delete"], "wal"))
def test_redaction_in_a_crash(sandbox: Any, tmp_path: Path, mode: str) -> None:
    """In the middle of a transaction: the file, its journal or its WAL."""
    key = sandbox.api_key
    sandbox.inject(Answer({"id": "vsfb_new", "status": "in_progress", "echo": f"Bearer {key}"}), method="POST")
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path / "a.db"), mode],
        env={**os.environ, "OPENAI_API_KEY": key, "OPENAI_BASE_URL": sandbox.base_url},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", -signal.SIGKILL)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(left) >= {"a.db", "a.db-wal" if mode == "wal" else "a.db-journal"}
    assert any(b"vsfb_new" in content or b"file-new-01" in content for content in left.values())
    assert_no_key(key, *left.values())


def test_redaction_in_the_cassettes() -> None:
    """Neither a key nor a header that has one."""
    found = list((Path(__file__).parents[2] / "cassettes").rglob("*.yaml"))
    assert found
    for path in found:
        text = path.read_text(encoding="utf-8").lower()
        assert_no_key(openai_vtab.sandbox.KEY, text)
        assert not any(secret in text for secret in ("authorization:", "bearer ", "api-key:", "sk-", "cookie:"))
