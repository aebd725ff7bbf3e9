"""What is fuzzed: each target takes bytes, and fails when something happens that must not.

Shared by the long run (python -m tests.fuzz) and the tests (test_targets.py). A target raises what the code under
test must not raise: anything but the package's errors. It must not know who makes up the bytes.

>>> answers(b"\\x00\\x01…")
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import apsw

import openai_vtab
from openai_vtab import planner, protocol
from openai_vtab.ledger.store import Ledger
from openai_vtab.protocol import PageParameters, Request, Response
from openai_vtab.schema.decode import getter
from openai_vtab.schema.file_to_upload import FileToUpload
from openai_vtab.schema.table import Listing
from openai_vtab.schema.values import InvalidValue, Limits, shown_json
from openai_vtab.tables import TABLES
from openai_vtab.transport.client import Client
from openai_vtab.transport.limits import WaitBudget
from openai_vtab.transport.retries import retry_after, wait_before_retry

from .source import SpecialSource

KEYS = {"vector_store_id": "vs_1", "id": "vsfb_1", "file_id": "file-1", "query": "refunds"}
STATUSES = (200, 201, 204, 0, 302, 400, 401, 404, 408, 409, 429, 500, 502, 503, 504, 599)
HEADERS = ("retry-after", "retry-after-ms", "x-request-id", "openai-poll-after-ms")
TIMES = (
    "1",
    "-1",
    "1e400",
    "nan",
    "inf",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -9999",
    "",
    "1_0",
)
ANSWERED = ("id", "object", "status", "data", "content", "has_more", "last_id", "error", "detail", "message", "code")
ANSWERED += ("type", "param", "deleted", "created_at", "vector_store_id", "file_counts", "failed", "last_error")
ANSWERED += (
    "filename",
    "text",
    "score",
    "attributes",
    "metadata",
    "usage_bytes",
    "expires_after",
    "insufficient_quota",
)
CHECKS = [column.check for table in TABLES for column in table.columns if column.check is not None]
SQLITE = (int, float, str, bytes, type(None))


def sqlite_value(value: object) -> None:
    """Only what SQLite can store may come out of a column."""
    assert type(value) in SQLITE, value
    assert not isinstance(value, int) or -(2**63) <= value < 2**63, value
    assert not isinstance(value, float) or not math.isnan(value), value
    assert not isinstance(value, str) or value.encode("utf-8") is not None


def answers(data: bytes) -> None:
    """An answer of any status, headers and body, as each method of each table would read it."""
    source = SpecialSource(data)
    table = source.choice(TABLES)
    method = source.choice(table.methods)
    names = tuple(column.source for column in table.columns)
    status = source.choice(STATUSES)
    headers = {
        name: source.choice(TIMES) if source.byte() % 2 else source.text() for name in HEADERS if source.byte() % 4 == 0
    }
    uncertain = source.byte() % 2 == 1
    body = source.dumped(ANSWERED if source.byte() % 2 else names)
    response = Response(status, headers, body, "https://api.openai.com/v1", uncertain)
    absent_is_none = method.verb == "SELECT" and not method.listing
    target = re.sub(r"{\w+}", "vs_1", method.path)
    request = Request(
        method.http,
        target,
        idempotent=method.idempotent,
        absent_is_none=absent_is_none,
        route=method.path,
        verify_path=method.verify_path,
    )
    wait = wait_before_retry(request, response, 0)
    assert wait is None or (0 <= wait < math.inf if status == 429 else 0 <= wait <= 120), wait
    asked = retry_after(response)
    assert asked is None or 0 <= asked < math.inf, asked
    failure = protocol.failure(request, response)
    assert failure.request.endswith(target)
    assert len(str(failure)) < 7000, len(str(failure))
    keys = {source: KEYS[source] for source in table.key if source in KEYS}
    try:
        if method.listing:
            page = PageParameters(100) if method.listing is Listing.PAGES else None
            objects, after = protocol.listed(request, response, page)
            assert after is None or (isinstance(after, str) and page is not None)
        elif method.verb == "DELETE":
            objects = [protocol.deleted(request, response, keys)]
        elif not method.idempotent:
            found = protocol.created(table, request, response, {})
            assert all(isinstance(found[source], str) and found[source] for source in table.key)
            objects = [found]
        else:
            answer = protocol.parse_object(request, response)
            objects = [] if answer is None else [protocol.verify_keys(table, request, response, answer, keys)]
            assert all(item[source] == key for item in objects for source, key in keys.items())
    except openai_vtab.APIError as error:
        assert error.request.endswith(target)
        return
    for item in objects:
        for get in getters(table.name):
            sqlite_value(get(item))


@cache
def getters(name: str) -> tuple[Callable[[Any], Any], ...]:
    """How the columns of a table are read."""
    table = next(table for table in TABLES if table.name == name)
    return tuple(getter(column) for column in table.columns if not column.is_option)


class Stored:
    """What a ledger's shadow table gives, whoever has written it: in place of InternalSQL."""

    def __init__(self, sent: object) -> None:
        self.sent = sent

    def read(self, sql: str, bindings: Any = ()) -> Any:
        """What was sent, of any row."""
        return iter([(self.sent,)])


def remembered(data: bytes) -> None:
    """A row of a ledger that was edited by hand, or written from any answer."""
    source = SpecialSource(data)
    table = next(table for table in TABLES if table.remembered)
    names = tuple(column.source for column in table.columns)
    answer, sent = (source.dumped(names) if source.byte() % 4 else source.sql() for _ in range(2))
    ledger = Ledger(Stored(sent), table, "main", "mine", "")  # type: ignore[arg-type] - it is only read
    keys = tuple(source.sql() if source.byte() % 2 else "vs_1" for _ in table.key)
    entry = ledger.entry((1, *keys, source.sql(), answer))
    entries = [entry, entry.with_unknown_status()]
    response = Response(200, {}, source.dumped(names), "https://api.openai.com/v1")
    try:
        answered = protocol.parse_object(Request("GET", "/x"), response)
    except openai_vtab.APIError:
        pass
    else:
        entries.append(entry.with_response(answered or {}))
    for entry in entries:
        assert entry.askable in (True, False)
        assert ledger.is_final(entry) in (True, False)
        for get in getters(table.name):
            sqlite_value(get(entry))


def given(data: bytes) -> None:
    """Any SQL values for any columns of an INSERT or UPDATE: a checked request, or an error that names the column."""
    source = SpecialSource(data)
    table = source.choice(TABLES)
    limits = Limits(files_per_batch=3)
    method = source.choice([m for m in table.methods if m.verb in ("INSERT", "UPDATE")] or [None])
    known = sorted(method.accepts) if method is not None else []
    some = [column.name for column in table.columns if source.byte() % (2 if column.name in known else 16) == 0]
    row = {name: value for name in some if (value := source.sql()) is not None}
    try:
        if method is not None and method.verb == "UPDATE":
            chosen, sent = planner.update(table, row, limits)
            parameters = {**dict.fromkeys(map(table.source, chosen.variables), "id"), **sent}
        else:
            chosen, parameters = planner.insert(table, row, limits)
        request = protocol.build(table, chosen, parameters)
    except openai_vtab.Error as error:
        table_named, _, rest = str(error).partition(table.name)
        assert not table_named, error
        if method is not None:
            assert any(column.name in rest for column in table.columns), error
        return
    assert request.target.startswith("/")
    assert request.target.isascii()
    assert request.target.isprintable()
    assert " " not in request.target


def checked(data: bytes) -> None:
    """Any SQL value for the check of any column."""
    source = SpecialSource(data)
    check = source.choice(CHECKS)
    try:
        found = check(source.sql(), Limits(files_per_batch=3))
    except InvalidValue as refused:
        assert "; write " in str(refused)
        return
    assert found is None or isinstance(found, (str, bytes, int, float, list, dict, FileToUpload))
    assert not isinstance(found, float) or math.isfinite(found)
    shown_json(found if not isinstance(found, (bytes, FileToUpload)) else None)


class Answering:
    """A Client.send that answers with what a source gives."""

    def __init__(self) -> None:
        self.source = SpecialSource(b"")

    def send(
        self,
        request: Request,
        patience: WaitBudget,
        predicted: bool = False,
        on_send: Callable[[], bool] | None = None,
    ) -> Response:
        """No request leaves."""
        assert on_send is None or on_send()
        body = self.source.dumped(ANSWERED)
        if self.source.byte() % 2 and request.absent_is_none:
            body = b'{"id": "vsfb_1", "vector_store_id": "vs_1", "status": "completed", "file_counts": ' + body + b"}"
        elif self.source.byte() % 2:
            body = b'{"has_more": false, "data": [' + body + b"]}"
        return Response(self.source.choice(STATUSES), {}, body, "https://api.openai.com/v1")


ANSWERING = Answering()
SELECTS = (
    "SELECT *, raw, failed_count FROM vector_store_file_batches WHERE vector_store_id = 'vs_1' AND batch_id = 'vsfb_1'",
    "SELECT *, raw, attributes FROM mine WHERE vector_store_id = 'vs_1' AND batch_id = 'vsfb_1'",
    "SELECT *, raw, file_ids FROM mine WHERE refresh = 1",
    "SELECT *, raw FROM vector_store_file_batch_files WHERE vector_store_id = 'vs_1' AND batch_id = 'vsfb_1'",
    "SELECT *, raw FROM vector_stores",
    "SELECT *, raw FROM vector_stores ORDER BY created_at DESC LIMIT 3",
    "SELECT *, raw FROM vector_store_files WHERE vector_store_id = 'vs_1' AND status = 'failed'",
    "SELECT *, raw FROM files",
    "SELECT *, raw FROM vector_store_search('vs_1', 'refunds')",
    "SELECT *, raw FROM vector_store_file_content('vs_1', 'file-1')",
    "INSERT INTO mine (vector_store_id, file_ids) VALUES ('vs_1', '[\"file-1\"]') RETURNING id",
    "UPDATE mine SET status = 'cancelled' WHERE vector_store_id = 'vs_1' AND batch_id = 'vsfb_1'",
    "DELETE FROM vector_stores WHERE vector_store_id = 'vs_1'",
)


@cache
def database() -> apsw.Connection:
    """Its requests go to ANSWERING; whoever runs `statements` puts it in Client.send's place."""
    db = openai_vtab.connect(api_key="key", base_url="http://127.0.0.1:9/v1", max_concurrency=1)
    db.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches")
    return db


def statements(data: bytes) -> None:
    """Real statements through SQLite, with any answers."""
    assert Client.send.__qualname__ == Answering.send.__qualname__
    ANSWERING.source = source = SpecialSource(data)
    db = database()
    try:
        for row in db.execute(source.choice(SELECTS)):
            for value in row:
                sqlite_value(value)
    except openai_vtab.Error:
        pass
    assert not db.in_transaction
    if db.execute("SELECT count(*) FROM mine_ledger").get > 100:
        db.execute("DELETE FROM mine")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (answers, remembered, given, checked, statements)
}
