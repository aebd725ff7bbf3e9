"""Bulk reading over SQLite and HTTP: pages of a list serve the look-ups of an IN list or of a join.

The server has as many files as a test says, in the account and in each vector store. It keeps every request.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import openai_vtab
from openai_vtab import connection
from openai_vtab.clock import REAL, Clock
from openai_vtab.settings import Settings
from openai_vtab.sqlite.programs import Instruction
from openai_vtab.vtable import statement_programs

from ..support.clock import FakeClock
from ..support.meeting import Meeting
from ..support.server import Wire, answer, wire
from ..support.waiting import when

NAMES = "SELECT id, filename FROM files WHERE id IN (SELECT value FROM json_each(?))"
ATTACHED = (
    "SELECT id, usage_bytes FROM vector_store_files "
    "WHERE vector_store_id = 'vs_1' AND file_id IN (SELECT value FROM json_each(?))"
)
JOIN = (
    "SELECT s.id, f.filename FROM vector_store_files AS s JOIN files AS f USING (file_id) "
    "WHERE s.vector_store_id = 'vs_1'"
)

JOINED = "SELECT j.value, f.filename FROM json_each(?) AS j LEFT JOIN files AS f ON f.id = j.value"


class Account:
    """What the server has: `count` files, newest first. `unlisted` are only found by their ids."""

    def __init__(self) -> None:
        self.count = 100
        self.unlisted: set[str] = set()
        self.left_out: tuple[str, ...] = ()  # members that the objects of the lists lack
        self.listed_store = "vs_1"  # the vector store that the lists' objects name
        self.without_name: set[str] = set()  # whose objects in the lists lack the filename
        self.list_response: bytes | None = None
        self.list_responses: list[bytes] = []  # the first ones
        self.failing: set[str] = set()
        self.deleted: set[str] = set()  # that the lists still have
        self.repeats = False  # each page is the first one
        self.largest_page = 10_000
        self.under_way = self.most_under_way = 0  # look-ups
        self.later = Meeting(0)  # of look-ups, from the fiftieth object on
        self._lock = threading.Lock()
        self.is_released = threading.Event()
        self.is_released.set()

    def id(self, number: int) -> str:
        return f"file-{number:05}"

    def ids(self, *numbers: int) -> list[str]:
        return [self.id(number) for number in numbers]

    def respond(self, head: bytes) -> bytes:
        target = urlsplit(head.split()[1].decode().removeprefix("/v1"))
        store = "vs_1" if target.path.startswith("/vector_stores") else ""
        if target.query:
            if not self.is_released.is_set():
                self.is_released.wait(60)
            if self.list_responses:
                return self.list_responses.pop()
            return self.list_response or answer(self.page(store, parse_qs(target.query)))
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        id = target.path.rpartition("/")[2]
        if id >= self.id(50):
            self.later.hold()
        with self._lock:
            self.under_way -= 1
        if id in self.failing:
            return answer({"error": {"message": "the server is broken"}}, 500)
        if head.startswith(b"DELETE"):
            return answer({"id": id, "deleted": True})
        if not id.startswith("file-") or int(id[5:]) >= self.count or id in self.deleted:
            return answer({"error": {"message": f"No such File object: {id}", "param": "id"}}, 404)
        return answer(self.object(store, id))

    def page(self, store: str, query: dict[str, list[str]]) -> dict[str, Any]:
        limit, after = min(int(query["limit"][0]), self.largest_page), query.get("after", [""])[0]
        begin = int(after[5:]) + 1 if after and not self.repeats else 0
        listed = [self.id(n) for n in range(begin, min(begin + limit, self.count)) if self.id(n) not in self.unlisted]
        data = [self.object(store, id) for id in listed]
        data = [{name: value for name, value in item.items() if name not in self.left_out} for item in data]
        for item in data:
            if store:
                item["vector_store_id"] = self.listed_store
            if item["id"] in self.without_name:
                del item["filename"]
        more = begin + limit < self.count
        return {"object": "list", "data": data, "has_more": more, "last_id": listed[-1] if listed else None}

    def object(self, store: str, id: str) -> dict[str, Any]:
        if store:
            return {"id": id, "vector_store_id": store, "usage_bytes": int(id[5:]), "status": "completed"}
        return {"id": id, "object": "file", "filename": f"{id}.md", "bytes": 1, "status_details": None}


Open = Callable[..., apsw.Connection]


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def server(account: Account) -> Iterator[Wire]:
    with wire(account.respond) as running:
        yield running


@pytest.fixture
def open_db(server: Wire) -> Iterator[Open]:
    opened: list[apsw.Connection] = []

    def open_connection(clock: Clock | None = None, **more: Any) -> apsw.Connection:
        given = {"base_url": server.url(), "api_key": "k", "max_concurrency": 4, **more}
        opened.append(connection.Connection(":memory:"))
        # on a clock that stands still, requests take what the rule assumes
        connection.register_tables(opened[-1], Settings(**given), clock=clock or FakeClock())
        return opened[-1]

    yield open_connection
    for each in opened:
        each.close(True)


def pages(server: Wire) -> int:
    """How many pages of lists were requested."""
    return sum("?limit=" in line for line in server.lines)


def names(ids: list[str]) -> list[tuple[str, str]]:
    return [(id, f"{id}.md") for id in ids]


def test_in_list_reads_a_page(open_db: Open, account: Account, server: Wire) -> None:
    """Two requests: the page, and one look-up whose time is compared with the page's."""
    wanted = account.ids(*range(0, 100, 2))
    db = open_db()
    assert sorted(db.execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert sorted(line.split()[1] for line in server.lines)[1:] == ["/v1/files?limit=10000&order=desc"]
    assert len(server.lines) == 2
    sql = "SELECT path, predicted FROM openai_requests WHERE path LIKE '%limit%'"
    assert db.execute(sql).fetchall() == [("/files?limit=10000&order=desc", 0)]


def test_in_list_reads_pages_in_turn(open_db: Open, account: Account, server: Wire) -> None:
    """Every second file of a vector store, by pages of a hundred."""
    account.count = 550
    wanted = account.ids(*range(0, 550, 2))
    rows = open_db(max_concurrency=1).execute(ATTACHED, (json.dumps(wanted),)).fetchall()
    assert sorted(rows) == [(id, int(id[5:])) for id in wanted]
    assert pages(server) == 6
    assert len(server.lines) == 7


def test_in_list_serves_more_keys_than_a_page_has(open_db: Open, account: Account, server: Wire) -> None:
    """Keys of one page are not together in the order of the keys."""
    account.count = 15_000
    wanted = account.ids(*range(0, 15_000, 4))
    assert sorted(open_db().execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert (pages(server), len(server.lines)) == (2, 3)


def test_in_list_below_ten_keys_is_looked_up(open_db: Open, account: Account, server: Wire) -> None:
    wanted = account.ids(*range(9))
    assert sorted(open_db(max_concurrency=1).execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert (pages(server), len(server.lines)) == (0, 9)


def test_absence_from_a_list_proves_nothing(open_db: Open, account: Account, server: Wire) -> None:
    """What the page does not have is looked up, and only a 404 is no row."""
    account.unlisted = set(account.ids(3, 4))
    wanted = account.ids(*range(40), 200, 201)
    assert sorted(open_db().execute(NAMES, (json.dumps(wanted),))) == names(account.ids(*range(40)))
    assert 5 <= len(server.lines) <= 6  # the first look-up may be one of the four


@pytest.mark.parametrize(
    "response",
    [
        answer({"error": {"message": "broken"}}, 500),
        answer({"error": {"message": "no such route"}}, 404),
        answer({"data": "nonsense"}),
        answer({"data": [{"no id": 1}], "has_more": False}),
        answer({"data": [], "has_more": True}),
    ],
    ids=["500", "404", "no list", "no ids", "an empty page that goes on"],
)
@pytest.mark.parametrize("errors", ["raise", "row"])
def test_errors_of_a_list_are_not_the_statements(
    open_db: Open, account: Account, server: Wire, response: bytes, errors: str
) -> None:
    """The look-ups are sent instead; a list that fails is not requested by the next statement."""
    account.list_response = response
    db = open_db(errors=errors, max_retries=0)
    wanted = account.ids(*range(40))
    sql = NAMES.replace("filename", "filename, error")
    for _ in range(2):
        assert sorted(db.execute(sql, (json.dumps(wanted),))) == [(*row, None) for row in names(wanted)]
    assert len(server.lines) == 80 + pages(server)
    assert pages(server) <= 2


def test_members_that_a_list_leaves_out_are_looked_up(open_db: Open, account: Account, server: Wire) -> None:
    """Only if the statement reads them: then all keys are looked up, and the page was in vain."""
    account.left_out = ("filename",)
    wanted = account.ids(*range(40))
    assert sorted(open_db().execute(NAMES.replace("filename", "bytes"), (json.dumps(wanted),))) == [
        (id, 1) for id in wanted
    ]
    assert len(server.lines) == 2
    server.heads.clear()
    assert sorted(open_db().execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert len(server.lines) == 41


@pytest.mark.parametrize("column", ["expires_at", "raw"])
def test_members_that_only_another_statement_reads(open_db: Open, account: Account, server: Wire, column: str) -> None:
    """The objects of a list need not have them."""
    account.left_out = ("expires_at",)
    db = open_db()
    db.execute(f"SELECT {column} FROM files WHERE id = ?", account.ids(0)).fetchall()
    server.heads.clear()
    assert sorted(db.execute(NAMES, (json.dumps(account.ids(*range(40))),))) == names(account.ids(*range(40)))
    assert (pages(server), len(server.lines)) == (1, 1)
    rows = db.execute(JOINED, (json.dumps(account.ids(*range(100))),)).fetchall()
    assert rows == names(account.ids(*range(100)))
    assert pages(server) == 2


@pytest.mark.parametrize(
    ("sql", "left_out", "times"),
    [
        (NAMES, "expires_at", 1),
        (NAMES, "filename", 1),
        (JOINED, "expires_at", 2),  # for the page, and for the look-ups that it serves
        (JOINED, "filename", 1),
    ],
    ids=["in list, another reads it", "in list, it reads it", "join, another reads it", "join, it reads it"],
)
def test_program_is_read_once_for_a_page(
    open_db: Open, account: Account, server: Wire, monkeypatch: pytest.MonkeyPatch, sql: str, left_out: str, times: int
) -> None:
    """All objects of the page lack a member, which either only another statement reads or this one."""
    account.left_out = (left_out,)
    wanted = account.ids(*range(100))
    read: list[str] = []

    def columns_read(program: list[Instruction], idxStr: str) -> set[int] | None:  # noqa: N803 - SQLite's name
        read.append(idxStr)
        return original(program, idxStr)

    original = statement_programs.columns_read
    monkeypatch.setattr(statement_programs, "columns_read", columns_read)
    db = open_db()
    db.execute("SELECT expires_at FROM files WHERE id = ?", account.ids(0)).fetchall()
    rows = db.execute(sql, (json.dumps(wanted),)).fetchall()
    assert sorted(rows) == names(wanted)
    assert pages(server) == 1
    assert read == ["file_id"] * times


def test_members_that_only_another_scan_reads(open_db: Open, account: Account, server: Wire) -> None:
    """What one scan of a table has read is the same object in another scan, which needs more of it."""
    account.left_out = ("filename",)
    wanted = json.dumps(account.ids(*range(40)))
    sql = f"SELECT a.bytes, b.filename FROM files AS a JOIN files AS b ON b.id = a.id || '' WHERE a.id IN (SELECT value FROM json_each('{wanted}'))"
    assert sorted(open_db().execute(sql)) == [(1, name) for _, name in names(account.ids(*range(40)))]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, bytes FROM files WHERE id IN (SELECT value FROM json_each(?1)) "
        "UNION ALL SELECT id, filename FROM copy WHERE id IN (SELECT value FROM json_each(?2))",
        "SELECT id, bytes FROM copy WHERE id IN (SELECT value FROM json_each(?1)) "
        "UNION ALL SELECT id, filename FROM files WHERE id IN (SELECT value FROM json_each(?2))",
        "SELECT id, bytes FROM files WHERE id IN (SELECT value FROM json_each(?1)) "
        "UNION ALL SELECT id, raw ->> 'filename' FROM copy WHERE id IN (SELECT value FROM json_each(?2))",
    ],
    ids=["a copy", "of a copy", "raw"],
)
def test_members_that_only_another_table_of_the_kind_reads(
    open_db: Open, account: Account, server: Wire, sql: str
) -> None:
    """Each scan looks at the objects by itself: the pages are those of the same list."""
    account.left_out = ("filename",)
    account.count, account.largest_page = 400, 100
    few, many = account.ids(*range(100)), account.ids(*range(100, 400))
    db = open_db()
    db.execute("CREATE VIRTUAL TABLE copy USING files")
    rows = db.execute(sql, (json.dumps(few), json.dumps(many))).fetchall()
    assert sorted(rows) == [*((id, 1) for id in few), *names(many)]


@pytest.mark.parametrize("where", ["id = ?", "id IN (SELECT value FROM json_each(json_array(?)))"])
def test_members_that_only_a_query_in_a_sql_function_reads(open_db: Open, account: Account, where: str) -> None:
    """It shares the pages and the responses of the statement that calls the function."""
    account.left_out = ("filename",)
    wanted = account.ids(*range(60))
    db = open_db()
    db.create_scalar_function("name_of", lambda id: db.execute(f"SELECT filename FROM files WHERE {where}", (id,)).get)
    rows = db.execute(
        "SELECT id, name_of(id) FROM files WHERE id IN (SELECT value FROM json_each(?)) AND bytes > 0",
        (json.dumps(wanted),),
    ).fetchall()
    assert sorted(rows) == names(wanted)


def test_query_in_a_sql_function_with_an_in_list(open_db: Open, account: Account) -> None:
    """Its own objects must have its own members."""
    account.left_out = ("filename",)
    account.count, account.largest_page = 400, 100
    outer, inner = account.ids(*range(60)), json.dumps(account.ids(*range(100, 300)))
    db = open_db()
    sql = "SELECT count(filename) FROM files WHERE id IN (SELECT value FROM json_each(?))"
    db.create_scalar_function("names", lambda: db.execute(sql, (inner,)).get, 0)
    rows = db.execute(
        "SELECT id, names() FROM files WHERE id IN (SELECT value FROM json_each(?)) AND bytes > 0",
        (json.dumps(outer),),
    ).fetchall()
    assert sorted(rows) == [(id, 200) for id in outer]


def test_absent_objects_that_a_list_shows_without_a_member(open_db: Open, account: Account) -> None:
    """If the list's object is not enough, the look-up alone tells whether the object exists."""
    account.left_out = ("filename",)
    account.deleted = set(account.ids(0, 7))
    rows = open_db().execute(NAMES, (json.dumps(account.ids(*range(40))),)).fetchall()
    assert sorted(rows) == names([id for id in account.ids(*range(40)) if id not in account.deleted])


def test_pages_that_repeat_end_the_list(open_db: Open, account: Account, server: Wire) -> None:
    """A server that does not know `after`."""
    account.repeats = True
    wanted = account.ids(*range(40), *range(200, 230))
    rows = open_db(max_concurrency=1).execute(ATTACHED, (json.dumps(wanted),)).fetchall()
    assert sorted(id for id, _ in rows) == account.ids(*range(40))
    assert pages(server) <= 2


def test_late_page_is_not_waited_for(open_db: Open, account: Account, server: Wire) -> None:
    """The look-ups begin when they would be over without it."""
    account.is_released.clear()
    wanted = account.ids(*range(40))
    assert sorted(open_db(REAL).execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert len(server.lines) == 41
    account.is_released.set()


def test_bulk_reading_waits_after_a_write(open_db: Open, account: Account, server: Wire) -> None:
    """Lists lag behind writes."""
    wanted = json.dumps(account.ids(*range(40)))
    db = open_db()
    db.execute("DELETE FROM vector_store_files WHERE vector_store_id = 'vs_1' AND file_id = 'file-00050'")
    server.heads.clear()
    assert len(db.execute(NAMES, (wanted,)).fetchall()) == 40
    assert (pages(server), len(server.lines)) == (0, 40)


def test_raw_is_the_look_ups_response(open_db: Open, account: Account) -> None:
    """It has members that the list leaves out."""
    account.left_out = ("status_details",)
    rows = open_db().execute(NAMES.replace("filename", "raw"), (json.dumps(account.ids(*range(40))),)).fetchall()
    assert [json.loads(raw) for id, raw in rows] == [account.object("", id) for id, raw in rows]


def test_errors_of_a_look_up_in_place_of_a_listed_object(open_db: Open, account: Account) -> None:
    account.left_out = ("filename",)
    account.failing = set(account.ids(5))
    wanted = json.dumps(account.ids(*range(40)))
    with pytest.raises(openai_vtab.APIError, match="the server is broken"):
        open_db(max_retries=0).execute(NAMES, (wanted,)).fetchall()
    rows = open_db(max_retries=0, errors="row").execute(NAMES, (wanted,)).fetchall()
    assert len(rows) == 40
    assert [id for id, name in rows if name is None] == account.ids(5)


@pytest.mark.parametrize("bulk_reading", [True, False])
def test_joins_read_a_page(open_db: Open, account: Account, server: Wire, bulk_reading: bool) -> None:
    """A few look-ups until the page has come; then none."""
    account.count = 350
    db = open_db(bulk_reading=bulk_reading)
    assert db.execute(JOIN).fetchall() == names(account.ids(*range(350)))
    listed = sum("/v1/files?limit=10000" in line for line in server.lines)
    assert listed == bulk_reading
    assert len(server.lines) <= 40 if bulk_reading else len(server.lines) == 4 + 350


def test_join_that_reads_raw_requests_no_page(open_db: Open, account: Account, server: Wire) -> None:
    """No list has what it reads. The look-ups are sent as if there were none."""
    account.later = Meeting(4)
    sql = JOINED.replace("filename", "raw")
    rows = open_db().execute(sql, (json.dumps(account.ids(*range(100))),)).fetchall()
    assert [json.loads(raw)["id"] for _, raw in rows] == account.ids(*range(100))
    assert (pages(server), len(server.lines), account.most_under_way) == (0, 100, 4)


def test_in_list_that_reads_raw_requests_no_page(open_db: Open, account: Account, server: Wire) -> None:
    wanted = json.dumps(account.ids(*range(40)))
    assert len(open_db().execute(NAMES.replace("filename", "raw"), (wanted,)).fetchall()) == 40
    assert (pages(server), len(server.lines)) == (0, 40)


def test_join_whose_page_lacks_a_member(open_db: Open, account: Account, server: Wire) -> None:
    """The page serves nothing, and the look-ups are sent concurrently."""
    account.left_out = ("filename",)
    account.later = Meeting(4)
    wanted = account.ids(*range(100))
    assert open_db().execute(JOINED, (json.dumps(wanted),)).fetchall() == names(wanted)
    assert (pages(server), len(server.lines), account.most_under_way) == (1, 101, 4)


def test_join_whose_page_lacks_a_member_of_some_objects(open_db: Open, account: Account, server: Wire) -> None:
    """These alone are looked up."""
    account.without_name = set(account.ids(*range(50, 60)))
    wanted = account.ids(*range(100))
    assert open_db().execute(JOINED, (json.dumps(wanted),)).fetchall() == names(wanted)
    assert pages(server) == 1
    assert set(account.without_name) <= {line.split()[1].rpartition("/")[2] for line in server.lines}
    assert len(server.lines) <= 40


def test_join_whose_page_has_other_keys(open_db: Open, account: Account, server: Wire) -> None:
    """Objects of another vector store. When the first is refused, all are looked up, and concurrently."""
    account.listed_store = "vs_2"
    account.later = Meeting(4)
    wanted = account.ids(*range(100))
    sql = (
        "SELECT f.id FROM json_each(?) AS j LEFT JOIN vector_store_files AS f "
        "ON f.vector_store_id = 'vs_1' AND f.file_id = j.value"
    )
    rows = open_db().execute(sql, (json.dumps(wanted),)).fetchall()
    assert rows == [(id,) for id in wanted]
    assert (pages(server), len(server.lines), account.most_under_way) == (1, 101, 4)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("sql", ["NAMES", "JOINED"])
def test_pages_are_not_retried(open_db: Open, account: Account, server: Wire, status: int, sql: str) -> None:
    """A limit of the list's own stops no look-up: the clock stands, and no wait has moved it."""
    account.list_response = answer({"error": {"message": "slow down"}}, status, {"Retry-After": "2"})
    clock = FakeClock()
    wanted = account.ids(*range(100))
    rows = open_db(clock).execute({"NAMES": NAMES, "JOINED": JOINED}[sql], (json.dumps(wanted),)).fetchall()
    assert sorted(rows) == names(wanted)
    assert pages(server) == 1
    assert len(server.lines) == 101
    assert clock.slept == 0


def test_scan_of_a_list_retries_the_page_of_bulk_reading(open_db: Open, account: Account, server: Wire) -> None:
    """The same page is optional for the look-ups, and not for a scan of the list."""
    account.list_responses = [answer({"error": {"message": "slow down"}}, 503)] * 2
    wanted = json.dumps(account.ids(*range(40)))
    sql = f"SELECT count(*) FROM ({NAMES}) UNION ALL SELECT count(*) FROM files"
    assert open_db().execute(sql, (wanted,)).fetchall() == [(40,), (100,)]
    assert (pages(server), len(server.lines)) == (3, 43)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 10])
def test_limit_costs_a_join_no_more(open_db: Open, account: Account, server: Wire, limit: int) -> None:
    """A page counts as one of the requests that read-ahead may have outstanding: one for each that was used."""
    account.count = 350
    assert open_db().execute(f"{JOIN} LIMIT {limit}").fetchall() == names(account.ids(*range(limit)))
    used = limit + 1  # APSW steps once more than it has been asked for
    assert len(server.lines) <= 1 + 2 * used


def test_limit_of_an_in_list_costs_no_more(open_db: Open, account: Account, server: Wire) -> None:
    """The next page is requested after the statement has read a row of this one."""
    account.count = 550
    rows = open_db(max_concurrency=1).execute(f"{ATTACHED} LIMIT 1", (json.dumps(account.ids(*range(0, 550, 2))),))
    assert len(rows.fetchall()) == 1
    assert pages(server) == 1
    assert len(server.lines) <= 2


def test_in_lists_of_one_statement_share_pages(open_db: Open, account: Account, server: Wire) -> None:
    """Two scans of one list, the second within the first."""
    account.count = 250
    outer, inner = account.ids(*range(0, 200, 2)), account.ids(*range(0, 250, 5))
    sql = (
        "SELECT count(*), count(DISTINCT a.id), count(DISTINCT b.id) "
        "FROM vector_store_files AS a CROSS JOIN vector_store_files AS b "
        "WHERE a.vector_store_id = 'vs_1' AND a.id IN (SELECT value FROM json_each(?)) "
        "AND b.vector_store_id = 'vs_1' AND b.id IN (SELECT value FROM json_each(?))"
    )
    found = open_db(max_concurrency=1).execute(sql, (json.dumps(outer), json.dumps(inner))).fetchall()
    assert found == [(100 * 50, 100, 50)]
    assert len(server.lines) == len(set(server.lines)) <= 1.1 * len({*outer, *inner})


def test_one_snapshot_with_a_list_of_the_same_table(open_db: Open, account: Account, server: Wire) -> None:
    """The page that serves the look-ups is the page of the list: it is requested once."""
    wanted = json.dumps(account.ids(*range(40)))
    sql = f"SELECT count(*) FROM ({NAMES}) UNION ALL SELECT count(*) FROM files"
    assert open_db().execute(sql, (wanted,)).fetchall() == [(40,), (100,)]
    assert (pages(server), len(server.lines)) == (1, 2)


def test_interrupt_while_a_page_is_under_way(open_db: Open, account: Account, server: Wire) -> None:
    account.is_released.clear()
    db = open_db()
    began = time.monotonic()
    with when(lambda: pages(server), db.interrupt), pytest.raises(apsw.InterruptError):
        db.execute(NAMES, (json.dumps(account.ids(*range(40))),)).fetchall()
    assert time.monotonic() - began < 30
    account.is_released.set()
    assert len(db.execute(NAMES, (json.dumps(account.ids(*range(40))),)).fetchall()) == 40


@pytest.mark.parametrize("settings", [{"dry_run": True}, {"bulk_reading": False}], ids=str)
def test_bulk_reading_is_off(open_db: Open, account: Account, settings: dict[str, Any]) -> None:
    """A dry run shows the look-ups, as they would be without lists."""
    db = open_db(**settings)
    db.execute(NAMES, (json.dumps(account.ids(*range(40))),)).fetchall()
    paths = [path for (path,) in db.execute("SELECT path FROM openai_requests")]
    assert sorted(paths) == [f"/files/{id}" for id in account.ids(*range(40))]


def test_in_list_without_read_ahead(open_db: Open, account: Account, server: Wire) -> None:
    wanted = account.ids(*range(40))
    assert sorted(open_db(read_ahead=False).execute(NAMES, (json.dumps(wanted),))) == names(wanted)
    assert len(server.lines) == 2


def test_request_log_of_bulk_reading(open_db: Open, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "openai_vtab"):
        open_db().execute(NAMES, (json.dumps(account.ids(*range(40))),)).fetchall()
    assert "bulk reading: 1 pages of /files had 39 keys" in caplog.messages


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.integers(1, 100), files=st.integers(10, 50_000), beyond=st.integers(0, 3), seed=st.integers(0, 2**32))
def test_bulk_requests_of_few_keys_are_bounded(
    open_db: Open, account: Account, server: Wire, keys: int, files: int, beyond: int, seed: int
) -> None:
    assert_bounded(open_db(), account, server, ATTACHED if seed % 2 else NAMES, keys, files, beyond, seed)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.integers(1, 5_000),
    files=st.integers(10, 50_000),
    beyond=st.integers(0, 3),
    concurrency=st.sampled_from([1, 16]),
    clock=st.sampled_from([REAL, FakeClock()]),
    sql=st.sampled_from([ATTACHED, NAMES]),
    seed=st.integers(0, 2**32),
)
def test_bulk_requests_are_bounded(
    open_db: Open, account: Account, server: Wire,
    keys: int, files: int, beyond: int, concurrency: int, clock: Clock, sql: str, seed: int,
) -> None:  # fmt: skip
    db = open_db(clock, max_concurrency=concurrency)
    assert_bounded(db, account, server, sql, keys, files, beyond, seed)


def assert_bounded(
    db: apsw.Connection, account: Account, server: Wire, sql: str, keys: int, files: int, beyond: int, seed: int
) -> None:
    """Never more than a tenth more requests than keys, and the rows that one by one has."""
    account.count = files
    server.heads.clear()
    among = files + beyond * files // 3  # some keys do not exist
    wanted = random.Random(seed).sample(range(min(among, 99_999)), min(keys, among))  # noqa: S311
    rows = db.execute(sql, (json.dumps(account.ids(*wanted)),)).fetchall()
    assert sorted(id for id, _ in rows) == sorted(account.ids(*(n for n in wanted if n < files)))
    assert len(server.lines) <= len(wanted) * 1.1
    assert len(wanted) >= 10 or pages(server) == 0
    db.close()
