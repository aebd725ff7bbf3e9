"""SQL over the table: every way to give the keys, the exact requests, and the plan."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.vtable import best_index

from ..support.meeting import meeting

T = "vector_store_file_batches"
DEMO = "/vector_stores/vs_demo/file_batches/"
FINISHED, RUNNING, FAILURES = (f"vsfb_demo_{name}" for name in ("finished", "running", "failures"))
BY_KEYS = f"SCAN {T} VIRTUAL TABLE INDEX 4:vector_store_id,batch_id"

Requests = Callable[[], list[str]]


def plan(db: apsw.Connection, sql: str) -> list[str]:
    return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]


@pytest.fixture
def local(db: apsw.Connection) -> apsw.Connection:
    """A connection with a local table that names three batches, one of them unknown."""
    db.execute("CREATE TABLE documents (title TEXT, vector_store_id TEXT, batch_id TEXT)")
    db.execute(
        "INSERT INTO documents VALUES ('a', 'vs_demo', ?), ('b', 'vs_demo', ?), ('c', 'vs_demo', 'vsfb_none')",
        (FINISHED, RUNNING),
    )
    return db


@pytest.mark.parametrize(
    "where",
    [
        f"batch_id = '{FINISHED}' AND vector_store_id = 'vs_demo'",
        f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}'",
        f"'vs_demo' = vector_store_id AND '{FINISHED}' = id",
        f"vector_store_id IS 'vs_demo' AND id IS '{FINISHED}'",
        f"vector_store_id IN ('vs_demo') AND id IN ('{FINISHED}')",
        f"(vector_store_id, batch_id) = ('vs_demo', '{FINISHED}')",
        f"(vector_store_id, batch_id) IN (VALUES ('vs_demo', '{FINISHED}'))",
        f"vector_store_id = (SELECT 'vs_demo') AND batch_id = (SELECT '{FINISHED}')",
        f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}' AND id = '{FINISHED}'",
        f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}' AND status = 'completed'",
        f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}' AND status LIKE 'comp%' AND created_at > 0",
    ],
)
def test_keys_in_any_form_are_one_request(db: apsw.Connection, requests: Requests, where: str) -> None:
    """However the keys are written, one GET is sent and one row comes."""
    assert db.execute(f"SELECT id, status FROM {T} WHERE {where}").fetchall() == [(FINISHED, "completed")]
    assert requests() == [f"GET {DEMO}{FINISHED}"]


@pytest.mark.parametrize("name", [T, f"openai.{T}", f"main.{T}", f'"openai.vector_stores.{T}"'])
def test_table_has_two_names(db: apsw.Connection, requests: Requests, name: str) -> None:
    """The plain name, any schema name, and StackQL's quoted id."""
    sql = f"SELECT id FROM {name} WHERE batch_id = ? AND vector_store_id = ?"
    assert db.execute(sql, (FINISHED, "vs_demo")).get == FINISHED
    assert requests() == [f"GET {DEMO}{FINISHED}"]


def test_select_star_returns_the_documented_columns(db: apsw.Connection, sandbox: Any) -> None:
    """Six columns in the documented order; hidden ones are not among them."""
    cursor = db.execute(f"SELECT * FROM {T} WHERE batch_id = ? AND vector_store_id = ?", (FAILURES, "vs_demo"))
    names = [column[0] for column in cursor.get_description()]
    assert names == ["id", "created_at", "file_counts", "object", "status", "vector_store_id"]
    (row,) = cursor.fetchall()
    truth = sandbox.batches["vs_demo", FAILURES]
    counts = truth["file_counts"]
    assert row == (
        FAILURES,
        truth["created_at"],
        '{"in_progress":%(in_progress)d,"completed":%(completed)d,"failed":%(failed)d,"cancelled":%(cancelled)d,'
        '"total":%(total)d}' % counts,
        "vector_store.file_batch",
        "completed",
        "vs_demo",
    )
    hidden = "in_progress_count, completed_count, failed_count, cancelled_count, total_count, file_ids, batch_id"
    (row,) = db.execute(f"SELECT {hidden} FROM {T} WHERE id = ? AND vector_store_id = 'vs_demo'", (FAILURES,))
    assert row == (
        *(counts[k] for k in ("in_progress", "completed", "failed", "cancelled", "total")),
        None,
        FAILURES,
    )
    assert counts["failed"] > 0


@pytest.mark.parametrize(
    ("where", "missing"),
    [
        ("1", "vector_store_id, batch_id"),
        (f"batch_id = '{FINISHED}'", "vector_store_id"),
        ("vector_store_id = 'vs_demo'", "batch_id"),
        (f"vector_store_id = 'vs_demo' AND batch_id > '{FINISHED}'", "batch_id"),
        (f"vector_store_id = 'vs_demo' AND batch_id LIKE '{FINISHED}'", "batch_id"),
        (f"vector_store_id = 'vs_demo' OR batch_id = '{FINISHED}'", "vector_store_id"),
        (f"vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}' COLLATE NOCASE", "batch_id"),
        (f"vector_store_id = 'vs_demo' AND lower(batch_id) = '{FINISHED}'", "batch_id"),
    ],
)
def test_missing_keys_are_named_without_a_request(
    db: apsw.Connection, requests: Requests, where: str, missing: str
) -> None:
    """The error names the table and what is missing; nothing is sent."""
    with pytest.raises(openai_vtab.MissingColumnsError) as caught:
        db.execute(f"SELECT * FROM {T} WHERE {where}").fetchall()
    assert str(caught.value).startswith(
        f"{T} needs vector_store_id = … AND batch_id = … (or IN) in WHERE or ON, from values"
    )
    assert str(caught.value).rpartition("missing: ")[2].startswith(missing)
    assert requests() == []


def test_collation_nocase_is_left_to_sqlite(db: apsw.Connection, requests: Requests) -> None:
    """A NOCASE term is not pushed, but re-checked: the BINARY one is the key."""
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND id = '{FINISHED}' AND batch_id = ? COLLATE NOCASE"
    assert db.execute(sql, (FINISHED.upper(),)).fetchall() == [(FINISHED,)]
    assert db.execute(sql, ("other",)).fetchall() == []
    assert requests() == [f"GET {DEMO}{FINISHED}"] * 2


@pytest.mark.parametrize("key", [None, b"vsfb_demo_finished", "", ".", ".."])
def test_id_that_cannot_be_one_sends_nothing(db: apsw.Connection, requests: Requests, key: object) -> None:
    """NULL and BLOBs equal no text; an empty or dotted path segment would reach another endpoint."""
    assert db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (key,)).fetchall() == []
    assert db.execute(f"SELECT * FROM {T} WHERE vector_store_id = ? AND id IN (?, NULL)", (key, key)).fetchall() == []
    assert requests() == []


@pytest.mark.parametrize("condition", ["batch_id IS NULL", "batch_id = NULL", "batch_id IN (NULL)", "batch_id IN ()"])
def test_null_matches_nothing(db: apsw.Connection, requests: Requests, condition: str) -> None:
    """As over an ordinary table whose keys are never NULL."""
    assert db.execute(f"SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND {condition}").fetchall() == []
    assert requests() == []


@pytest.mark.parametrize(
    ("key", "text"), [(5, "5"), (-7, "-7"), (2**62, str(2**62)), (1.5, "1.5"), (1e300, "1.0e+300")]
)
def test_number_is_the_text_that_sqlite_compares(
    db: apsw.Connection, sandbox: Any, requests: Requests, key: object, text: str
) -> None:
    """TEXT affinity turns the number into its text, and so does the request."""
    sandbox.add_batch("vs_demo", ["file-demo-01"], id=text)
    sandbox.quirks.batch_ids_without_prefix = True
    assert db.execute(f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?", (key,)).get == text
    assert requests() == [f"GET {DEMO}{text.replace('+', '%2B')}"]


@pytest.mark.parametrize(
    "key",
    ["../../files", "a/b", "a?x=1", "a#b", "a%2Fb", "naïve", "日本", "a b", "a\nb", "x" * 3000, "'; DROP", "a\x00b"],
)
def test_id_is_one_path_segment(db: apsw.Connection, sandbox: Any, requests: Requests, key: str) -> None:
    """Nothing in an id can reach another endpoint; it is percent-encoded and comes back as it was."""
    from urllib.parse import unquote

    sandbox.quirks.batch_ids_without_prefix = True
    sandbox.add_batch("vs_demo", ["file-demo-01"], id=key)
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
    assert db.execute(sql, (key,)).fetchall() == [(key,)]
    (sent,) = requests()
    assert sent.count("/") == 4
    assert unquote(sent.rpartition("/")[2]) == key


def test_in_list_is_fetched_concurrently(connect: Any, sandbox: Any, requests: Requests) -> None:
    """Forty ids are forty GETs, several at once, never more than max_concurrency, in a stable order of rows."""
    ids = [sandbox.add_batch("vs_demo", ["file-demo-01"]) for _ in range(40)]
    db = connect(max_concurrency=8)
    db.execute("CREATE TABLE wanted (id TEXT)")
    db.executemany("INSERT INTO wanted VALUES (?)", [(i,) for i in ids + ids])
    sandbox.reset_counters()
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (SELECT id FROM wanted)"
    last = "|".join(sorted(ids)[16:])
    with meeting(sandbox, 8, path=last):  # if SQLite gives the values one by one, after 16 of them
        first = db.execute(sql).fetchall()
    assert first == [(i,) for i in sorted(ids)]
    assert sorted(requests()) == sorted(f"GET {DEMO}{i}" for i in ids)
    assert sandbox.max_in_flight == 8
    assert db.execute(sql).fetchall() == first
    assert plan(db, sql)[0] == BY_KEYS


def test_in_list_of_both_keys_requests_every_pair(db: apsw.Connection, requests: Requests) -> None:
    """Two stores and two batches are four distinct pairs; those that do not exist are no rows."""
    sql = (
        f"SELECT vector_store_id, id FROM {T} WHERE vector_store_id IN ('vs_demo', 'vs_archive') "
        f"AND batch_id IN ('{FINISHED}', 'vsfb_archive_2025', '{FINISHED}') ORDER BY 1"
    )
    assert db.execute(sql).fetchall() == [("vs_archive", "vsfb_archive_2025"), ("vs_demo", FINISHED)]
    assert sorted(requests()) == sorted(
        f"GET /vector_stores/{store}/file_batches/{batch}"
        for store in ("vs_archive", "vs_demo")
        for batch in ("vsfb_archive_2025", FINISHED)
    )


def test_equality_is_preferred_to_in(db: apsw.Connection, requests: Requests) -> None:
    """With both on one column, `=` is one request, the list would be all of them."""
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (?, ?) AND id = ?"
    assert db.execute(sql, (FINISHED, RUNNING, FINISHED)).fetchall() == [(FINISHED,)]
    assert requests() == [f"GET {DEMO}{FINISHED}"]


def test_or_of_two_pairs_returns_both_rows(db: apsw.Connection, requests: Requests) -> None:
    """SQLite de-duplicates the branches by rowid, which is one for each object."""
    sql = (
        f"SELECT id FROM {T} WHERE (vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}') "
        "OR (vector_store_id = 'vs_archive' AND batch_id = 'vsfb_archive_2025') "
        f"OR (vector_store_id = 'vs_demo' AND id = '{FINISHED}')"
    )
    assert db.execute(sql).fetchall() == [(FINISHED,), ("vsfb_archive_2025",)]
    assert requests() == [f"GET {DEMO}{FINISHED}", "GET /vector_stores/vs_archive/file_batches/vsfb_archive_2025"]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"SELECT d.title, b.status FROM documents d JOIN {T} b USING (vector_store_id, batch_id)",
         [("a", "completed"), ("b", "in_progress")]),
        (f"SELECT d.title, b.status FROM {T} b JOIN documents d USING (vector_store_id, batch_id)",
         [("a", "completed"), ("b", "in_progress")]),
        (f"SELECT d.title, b.status FROM {T} b, documents d WHERE d.batch_id = b.id AND d.vector_store_id = b.vector_store_id",
         [("a", "completed"), ("b", "in_progress")]),
        (f"SELECT d.title, b.status FROM documents d LEFT JOIN {T} b USING (vector_store_id, batch_id)",
         [("a", "completed"), ("b", "in_progress"), ("c", None)]),
        (f"SELECT title FROM documents d WHERE EXISTS (SELECT 1 FROM {T} b WHERE b.vector_store_id = d.vector_store_id "
         "AND b.batch_id = d.batch_id)", [("a",), ("b",)]),
        (f"SELECT title FROM documents d WHERE NOT EXISTS (SELECT 1 FROM {T} b WHERE b.vector_store_id = d.vector_store_id "
         "AND b.batch_id = d.batch_id)", [("c",)]),
        (f"SELECT title, (SELECT status FROM {T} b WHERE b.vector_store_id = d.vector_store_id AND b.id = d.batch_id) "
         "FROM documents d", [("a", "completed"), ("b", "in_progress"), ("c", None)]),
        (f"SELECT status FROM {T} WHERE (vector_store_id, batch_id) IN (SELECT vector_store_id, batch_id FROM documents)",
         [("completed",), ("in_progress",)]),
    ],
    ids=["join", "join-written-the-other-way", "comma-join", "left-join", "exists", "not-exists", "correlated", "row-value-in"],
)  # fmt: skip
def test_join_requests_each_pair_once(
    local: apsw.Connection, requests: Requests, sql: str, rows: list[tuple[object, ...]]
) -> None:
    """Whatever the form, the API table is innermost and every pair is asked for once."""
    assert local.execute(sql).fetchall() == rows
    assert sorted(requests()) == sorted(f"GET {DEMO}{batch}" for batch in (FINISHED, RUNNING, "vsfb_none"))
    assert any(BY_KEYS.removeprefix(f"SCAN {T}") in line for line in plan(local, sql))


def test_cache_of_a_statement_has_each_pair_once(local: apsw.Connection, requests: Requests) -> None:
    """A statement sees one snapshot: rows that repeat a pair, and a self-join, cost no further request."""
    local.execute("INSERT INTO documents SELECT title || '2', vector_store_id, batch_id FROM documents")
    sql = (
        f"SELECT count(*) FROM documents d JOIN {T} a USING (vector_store_id, batch_id) "
        f"JOIN {T} b ON b.vector_store_id = a.vector_store_id AND b.batch_id = a.batch_id"
    )
    assert local.execute(sql).get == 4
    assert sorted(requests()) == sorted(f"GET {DEMO}{batch}" for batch in (FINISHED, RUNNING, "vsfb_none"))
    assert local.execute(sql).get == 4
    assert len(requests()) == 3, "the next statement asks again"


def test_cache_is_not_shared_with_a_statement_within_a_scan(
    db: apsw.Connection, sandbox: Any, requests: Requests
) -> None:
    """Polling while another statement is half-read is not answered from that statement's snapshot."""
    sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{RUNNING}'"
    outer = db.execute(sql + " UNION ALL SELECT 'second'")
    assert next(outer) == ("in_progress",)
    sandbox.finish()
    assert db.execute(sql).get == "completed"
    assert next(outer) == ("second",)
    assert len(requests()) == 2


@pytest.mark.parametrize("turned", [False, True])
def test_options_of_one_term_of_an_or_are_not_those_of_another(db: apsw.Connection, turned: bool) -> None:
    """SQLite uses one cursor for both terms, with a plan for each."""
    terms = [f"(batch_id = '{FINISHED}' AND wait_seconds = 0)", f"batch_id = '{FAILURES}'"]
    where = " OR ".join(reversed(terms) if turned else terms)
    query = f"FROM {T} WHERE vector_store_id = 'vs_demo' AND ({where})"
    rows = db.execute(f"SELECT batch_id, wait_seconds {query}").fetchall()
    assert sorted(rows) == [(FAILURES, None), (FINISHED, 0)]
    with pytest.raises(openai_vtab.ProgrammingError, match="wait_seconds: it has no value of its own"):
        db.execute(f"SELECT batch_id, wait_seconds + 1 {query}").fetchall()


def test_join_in_the_wrong_order_says_so(local: apsw.Connection, requests: Requests) -> None:
    """CROSS JOIN fixes the order; then the keys cannot reach the table, and the error says what would."""
    sql = f"SELECT title FROM {T} b CROSS JOIN documents d USING (vector_store_id, batch_id)"
    with pytest.raises(
        openai_vtab.MissingColumnsError,
        match="from a table that comes earlier in the join; missing: vector_store_id, batch_id",
    ):
        local.execute(sql).fetchall()
    assert requests() == []


def test_aggregates_windows_and_json_are_sqlites_own(db: apsw.Connection) -> None:
    """What is not a key is evaluated by SQLite over the rows."""
    keys = f"vector_store_id = 'vs_demo' AND batch_id IN ('{FINISHED}', '{RUNNING}', '{FAILURES}')"
    rows = db.execute(
        f"SELECT status, count(*), sum(file_counts ->> 'total') = sum(total_count) FROM {T} WHERE {keys} GROUP BY status "
        "ORDER BY status"
    ).fetchall()
    assert rows == [("completed", 2, 1), ("in_progress", 1, 1)]
    rows = db.execute(f"SELECT id, row_number() OVER (ORDER BY id DESC) FROM {T} WHERE {keys} ORDER BY id").fetchall()
    assert rows == [(FAILURES, 3), (FINISHED, 2), (RUNNING, 1)]


def test_rowids_are_stable_and_distinct(db: apsw.Connection) -> None:
    """One object has one rowid as long as the connection lives, and the rowid finds it again."""
    sql = f"SELECT rowid, id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (?, ?)"
    first = dict(db.execute(sql, (FINISHED, RUNNING)).fetchall())
    again = dict(db.execute(sql, (RUNNING, FAILURES)).fetchall())
    assert len(first | again) == 3
    for rowid, batch in (first | again).items():
        assert db.execute(f"SELECT id FROM {T} WHERE rowid = ?", (rowid,)).fetchall() == [(batch,)]
    assert db.execute(f"SELECT id FROM {T} WHERE rowid IN ({', '.join(map(str, first))}, 999)").fetchall() == [
        (batch,) for _, batch in sorted(first.items())
    ]
    assert db.execute(f"SELECT id FROM {T} WHERE rowid = 'x'").fetchall() == []


def test_limit_stops_the_requests(connect: Any, sandbox: Any, requests: Requests) -> None:
    """LIMIT 1 of a long list asks for one window of it, not for all."""
    ids = [sandbox.add_batch("vs_demo", ["file-demo-01"]) for _ in range(50)]
    db = connect(max_concurrency=4)
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ({marks}) LIMIT 1"
    assert db.execute(sql, ids).fetchall() == [(min(ids),)]
    assert len(requests()) <= 8


def test_view_in_temp_works_and_a_stored_one_is_refused(connect: Any, tmp_path: Any, requests: Requests) -> None:
    """connect() does not trust what a database file contains: a stored view cannot reach the API."""
    db = connect(str(tmp_path / "my.db"))
    select = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}'"
    db.execute(f"CREATE TEMP VIEW mine AS {select}")
    db.execute(f"CREATE VIEW stored AS {select}")
    assert db.execute("SELECT * FROM mine").fetchall() == [(FINISHED,)]
    requests()
    with pytest.raises(apsw.SQLError, match="unsafe use of virtual table"):
        db.execute("SELECT * FROM stored").fetchall()
    assert requests() == []


def test_view_that_is_stored_works_with_trusted_schema(sandbox: Any, requests: Requests) -> None:
    """register() leaves the connection's own choice: trusted_schema is on by default."""
    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(f"CREATE VIEW stored AS SELECT vector_store_id AS v, id, status FROM {T}")
    assert db.execute("SELECT status FROM stored WHERE v = 'vs_demo' AND id = ?", (FINISHED,)).get == "completed"
    assert requests() == [f"GET {DEMO}{FINISHED}"]
    db.close()


def test_trigger_creates_batches_with_trusted_schema(sandbox: Any, requests: Requests) -> None:
    """A trigger on a local table writes to the API table; one request for each statement's commit."""
    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute("CREATE TABLE incoming (file_id TEXT)")
    db.execute(
        "CREATE TRIGGER ingest AFTER INSERT ON incoming BEGIN "
        f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', json_array(new.file_id)); END"
    )
    db.execute("INSERT INTO incoming VALUES ('file-new-01'), ('file-new-02')")
    assert requests() == ["POST /vector_stores/vs_demo/file_batches"] * 2
    db.close()


@pytest.mark.parametrize("savepoint", ["", "SAVEPOINT s"])
@pytest.mark.parametrize("fails", [True, False])
def test_trigger_of_a_statement_that_fails_sends_nothing(
    sandbox: Any, requests: Requests, fails: bool, savepoint: str
) -> None:
    """It has queued one row; SQLite does not tell a table that a Python exception has undone the statement."""

    def check() -> None:
        if fails:
            raise ZeroDivisionError

    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.create_scalar_function("check_it", check, 0)
    db.execute(
        "CREATE TABLE incoming (file_id TEXT); CREATE TRIGGER ingest AFTER INSERT ON incoming BEGIN "
        f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', json_array(new.file_id)); "
        "SELECT check_it(); END"
    )
    db.execute(f"BEGIN; {savepoint}")
    with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
        db.execute("INSERT INTO incoming VALUES ('file-new-01')")
    db.execute("COMMIT")
    assert db.execute("SELECT count(*) FROM incoming").get == (not fails)
    assert requests() == ["POST /vector_stores/vs_demo/file_batches"] * (not fails)
    db.close()


@pytest.mark.parametrize("temp", ["", "TEMP"])
def test_trigger_cannot_write_without_trusted_schema(local: apsw.Connection, requests: Requests, temp: str) -> None:
    """With connect() a trigger cannot reach the API: SQLite makes no difference for TEMP triggers."""
    local.execute(
        f"CREATE {temp} TRIGGER ingest AFTER UPDATE OF title ON documents BEGIN "
        f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (new.vector_store_id, json_array(new.title)); END"
    )
    with pytest.raises(apsw.SQLError, match="unsafe use of virtual table"):
        local.execute("UPDATE documents SET title = 'file-new-01' WHERE title = 'a'")
    assert requests() == []


def test_join_of_attached_databases(connect: Any, tmp_path: Any) -> None:
    """The table joins with a table of an attached file."""
    db = connect()
    db.execute("ATTACH ? AS other", (str(tmp_path / "other.db"),))
    db.execute("CREATE TABLE other.wanted AS SELECT 'vs_demo' AS vector_store_id, ? AS batch_id", (FINISHED,))
    sql = f"SELECT status FROM other.wanted JOIN {T} USING (vector_store_id, batch_id)"
    assert db.execute(sql).fetchall() == [("completed",)]


def test_connections_are_independent(connect: Any, requests: Requests) -> None:
    """Each has its settings, its rowids and its requests."""
    one, two = connect(), connect(api_key="wrong")
    sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = '{FINISHED}'"
    assert one.execute(sql).get == "completed"
    with pytest.raises(openai_vtab.APIError) as caught:
        two.execute(sql).fetchall()
    assert caught.value.status == 401
    one.close()
    with pytest.raises(openai_vtab.APIError):
        two.execute(sql).fetchall()


def test_threads_use_their_own_connections(connect: Any, sandbox: Any) -> None:
    """Threads with a connection each run side by side."""
    results: list[list[tuple[object, ...]]] = []

    def work() -> None:
        db = connect()
        for _ in range(20):
            sql = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN (?, ?)"
            results.append(db.execute(sql, (FINISHED, RUNNING)).fetchall())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[(FINISHED,), (RUNNING,)]] * 40


def test_insert_select_from_the_table_itself(db: apsw.Connection, sandbox: Any, requests: Requests) -> None:
    """A statement that reads the table it writes reads first and writes at its end."""
    db.execute(
        f"INSERT INTO {T} (vector_store_id, file_ids) SELECT vector_store_id, json_array('file-new-01') FROM {T} "
        f"WHERE vector_store_id = 'vs_demo' AND batch_id IN ('{FINISHED}', '{RUNNING}')"
    )
    assert [r.partition(" ")[0] for r in requests()] == ["GET", "GET", "POST", "POST"]


def test_create_table_as_select(db: apsw.Connection) -> None:
    """The rows become a local table."""
    db.execute(f"CREATE TABLE mine AS SELECT * FROM {T} WHERE vector_store_id = 'vs_demo' AND id = '{FINISHED}'")
    assert db.execute("SELECT id, typeof(created_at), json_valid(file_counts) FROM mine").get == (
        FINISHED,
        "integer",
        1,
    )


@pytest.mark.parametrize("module", ["vector_stores", "files", "vector_store_search"])
def test_names_of_a_table_without_a_ledger(db: apsw.Connection, requests: Callable[[], list[str]], module: str) -> None:
    """It is renamed and dropped as any table, and nothing is sent; the table that is always there stays."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {module}; ALTER TABLE mine RENAME TO yours; DROP TABLE yours")
    assert db.execute("SELECT count(*) FROM sqlite_schema").get == 0
    assert db.execute(f"EXPLAIN SELECT * FROM {module}").fetchall() != []
    assert requests() == []


def test_rowids_kept_are_the_latest(db: apsw.Connection, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement needs all of its own; later ones find the latest, and what was inserted for ever."""
    monkeypatch.setattr("openai_vtab.sqlite.rowids.KEPT", 5)
    ids = [sandbox.add_batch("vs_demo", ["file-new-01"]) for _ in range(12)]
    listed = ", ".join(f"'{id}'" for id in ids)
    table = "vector_store_file_batches WHERE vector_store_id = 'vs_demo'"
    twice = f"SELECT rowid, id FROM {table} AND (batch_id IN ({listed}) OR id IN ({listed}))"
    rows = db.execute(twice).fetchall()
    assert sorted(id for _, id in rows) == sorted(ids)
    by_rowid = "SELECT id FROM vector_store_file_batches WHERE rowid = ?"
    latest = sorted(rows)[-5:]
    assert [db.execute(by_rowid, (rowid,)).get for rowid, _ in latest] == [id for _, id in latest]
    assert db.execute(by_rowid, (min(rows)[0],)).fetchall() == []
    db.execute(
        "INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
    )
    inserted = db.execute(by_rowid, (db.last_insert_rowid(),)).get
    assert inserted.startswith("vsfb_")
    for _ in range(3):
        db.execute(twice).fetchall()
    assert db.execute("SELECT id FROM vector_store_file_batches WHERE rowid = last_insert_rowid()").get == inserted
    same = f"SELECT rowid = last_insert_rowid() FROM {table} AND batch_id = ?"
    assert db.execute(same, (inserted,)).get == 1


WHERE_INSERTED = [
    "rowid IN (last_insert_rowid(), last_insert_rowid() - 1, last_insert_rowid() - 2)",
    "rowid = last_insert_rowid() OR rowid = last_insert_rowid() - 1 OR rowid = last_insert_rowid() - 2",
    "rowid IN (SELECT last_insert_rowid() - value FROM json_each('[0, 1, 2]'))",
    "rowid BETWEEN last_insert_rowid() - 2 AND last_insert_rowid()",
    "rowid <= last_insert_rowid() AND rowid > last_insert_rowid() - 3",
]


@pytest.mark.parametrize("where", WHERE_INSERTED)
def test_rowids_of_what_was_inserted_are_read_once(db: apsw.Connection, where: str) -> None:
    """INSERT … SELECT changes last_insert_rowid() with each row: SQLite must not compare with it again."""
    if " OR " in where and not best_index.TAKES_WHOLE_LISTS:
        pytest.skip("without whole lists, SQLite evaluates each term of an OR when it comes to it, over any table")
    db.execute("INSERT INTO files (filename, content, purpose) VALUES " + ", ".join(["('a', 'b', 'assistants')"] * 3))
    ids = [id for (id,) in db.execute(f"SELECT id FROM files WHERE {where}")]
    db.execute(
        f"INSERT INTO vector_store_files (vector_store_id, file_id) SELECT 'vs_demo', id FROM files WHERE {where}"
    )
    assert db.changes() == len(ids) == 3
    attached = {id for (id,) in db.execute("SELECT id FROM vector_store_files WHERE vector_store_id = 'vs_demo'")}
    assert attached.issuperset(ids)


@pytest.mark.parametrize("where", WHERE_INSERTED)
@pytest.mark.parametrize("target", ["CREATE TABLE u (id)", f"CREATE VIRTUAL TABLE u USING {T}"])
def test_rowids_of_a_ledger_are_read_once(db: apsw.Connection, sandbox: Any, where: str, target: str) -> None:
    """Whether the rows go into an ordinary table or into another ledger."""
    if " OR " in where and not best_index.TAKES_WHOLE_LISTS:
        pytest.skip("without whole lists, SQLite evaluates each term of an OR when it comes to it, over any table")
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}; {target}")
    new = ", ".join(["('vs_demo', json_array('file-new-01'))"] * 5)
    db.execute(f"INSERT INTO mine (vector_store_id, file_ids) VALUES {new}")
    columns = "vector_store_id, id" if "VIRTUAL" in target else "id"
    db.execute(f"INSERT INTO u ({columns}) SELECT {columns} FROM mine WHERE {where}")
    latest = "SELECT id FROM mine ORDER BY rowid DESC LIMIT 3"
    assert set(db.execute("SELECT id FROM u")) == set(db.execute(latest))


def test_rowids_map_an_insert_back_to_its_rows(db: apsw.Connection) -> None:
    """They are consecutive, in the order of the SELECT. A subquery takes the last one once, for an INSERT, too."""
    db.execute("CREATE TABLE documents (path TEXT, file_id TEXT); CREATE TABLE found (path TEXT, file_id TEXT)")
    db.execute("INSERT INTO documents (path) VALUES ('x/c.md'), ('x/a.md'), ('y/a.md')")
    db.execute("SELECT count(*) FROM files").fetchall()
    insert = (
        "INSERT INTO files (filename, content, purpose) SELECT 'a.md', path, 'assistants' FROM documents ORDER BY path"
    )
    ids = (
        "(SELECT path, row_number() OVER (ORDER BY path) AS n FROM documents) AS d "
        "JOIN files AS f ON f.rowid = (SELECT last_insert_rowid() - changes()) + d.n"
    )
    db.execute(insert)
    db.execute(f"UPDATE documents SET file_id = f.id FROM {ids} WHERE documents.path = d.path")
    content = "SELECT count(*) FROM {} AS d JOIN files AS f ON f.id = d.file_id WHERE CAST(f.content AS TEXT) = d.path"
    assert db.execute(content.format("documents")).get == 3
    db.execute(insert)
    db.execute(f"INSERT INTO found SELECT d.path, f.id FROM {ids}")
    assert db.execute(content.format("found")).get == 3
    assert db.execute("SELECT count(*) FROM documents JOIN found USING (file_id)").get == 0


@pytest.mark.sample(12)
@pytest.mark.parametrize(
    "value", ["0", "3", "-1", "'3'", "3.0", "3.5", "' 3 '", "'3x'", "x'33'", "NULL", "9e999", "''"]
)
@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_rowids_compare_with_bounds_as_those_of_an_ordinary_table(
    db: apsw.Connection, operator: str, value: str
) -> None:
    """SQLite leaves this comparison to the table, too."""
    db.execute(
        "INSERT INTO files (filename, content, purpose) "
        "SELECT value || '.md', 'text', 'assistants' FROM json_each('[1, 2, 3, 4, 5]')"
    )
    rowids = db.execute("SELECT rowid FROM files").fetchall()
    db.execute("CREATE TABLE plain (x)")
    db.executemany("INSERT INTO plain (rowid) VALUES (?)", rowids)
    counts = [
        db.execute(f"SELECT count(*) FROM {name} WHERE rowid {operator} {value}").get for name in ("files", "plain")
    ]
    assert counts[0] == counts[1]


def test_rowids_with_bounds_do_not_limit_the_list(db: apsw.Connection, requests: Callable[[], list[str]]) -> None:
    """LIMIT counts the rows that satisfy them."""
    rows = db.execute("SELECT rowid, id FROM files").fetchall()
    requests()
    assert db.execute("SELECT rowid, id FROM files WHERE rowid > ? LIMIT 2", rows[9][:1]).fetchall() == rows[10:12]
    assert requests() == ["GET /files?limit=10000&order=desc"]


@pytest.mark.sample(12)
@pytest.mark.parametrize(
    ("value", "equal"),
    [("1", 1), ("'1'", 1), ("1.0", 1), ("' 1.0 '", 1), ("1.5", 0), ("'1x'", 0), ("x'31'", 0), ("NULL", 0), ("9e999", 0), ("''", 0)],
)  # fmt: skip
@pytest.mark.parametrize("term", ["rowid = {}", "rowid IN ({}, -1)", "rowid IN (SELECT {})", "rowid IS {}"])
def test_rowids_compare_as_those_of_an_ordinary_table(db: apsw.Connection, term: str, value: str, equal: int) -> None:
    """SQLite leaves the comparison to the table."""
    db.execute("INSERT INTO files (filename, content, purpose) VALUES ('a.md', 'text', 'assistants')")
    db.execute("CREATE TABLE plain (x); INSERT INTO plain VALUES (1)")
    for name in ("files", "plain"):
        assert db.execute(f"SELECT count(*) FROM {name} WHERE {term.format(value)}").get == equal
