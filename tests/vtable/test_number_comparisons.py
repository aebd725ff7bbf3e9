"""Comparisons of a number with a text: refused in DELETE and UPDATE, otherwise SQLite's rows and a warning."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.vtable import best_index, number_comparisons

from ..shell.command import run_process

WARNING = "%s compares Unix seconds with a text, and every number is less than any text; write %s"
BYTES = "%s compares a number with a %s, and every number is less than any %s; write a number, such as bytes %s 1000"
HANDBOOK = "CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')"
LATE = "'2026-01-31'"
# What a value may be, and the text that it is
TEXTS = {
    "a literal": (LATE, (), "2026-01-31"),
    "a parameter": ("?", ("2026-01-31",), "2026-01-31"),
    "date()": ("date(1769817600, 'unixepoch')", (), "2026-01-31"),
    "datetime()": ("datetime(1769817600, 'unixepoch')", (), "2026-01-31 00:00:00"),
    "strftime()": ("strftime('%Y-%m', 1769817600, 'unixepoch')", (), "2026-01"),
    "a subquery": ("(SELECT max(d) FROM days)", (), "2026-01-31"),
    "an expression": ("'2026-01' || '-31'", (), "2026-01-31"),
    "a common table expression": ("(WITH x AS (SELECT d FROM days) SELECT d FROM x)", (), "2026-01-31"),
}
OPERATORS = ("<", "<=", ">", ">=", "<>", "IS", "IS NOT")
NUMBERS = {
    "an integer": ("1769817600", ()),
    "a real": ("1769817600.5", ()),
    "a text with a number": ("'1769817600'", ()),
    "a parameter with a number": ("?", ("1769817600",)),
    "a number with blanks": ("?", (" 1.7e9\n",)),
    "unixepoch()": ("unixepoch('2026-01-31')", ()),
    "seconds of strftime()": ("strftime('%s', '2026-01-31')", ()),
    "the year of strftime()": ("strftime('%Y', 'now')", ()),
    "NULL": ("NULL", ()),
    "a parameter with NULL": ("?", (None,)),
    "a subquery without a row": ("(SELECT d FROM days WHERE false)", ()),
}


@pytest.fixture
def db(db: apsw.Connection) -> apsw.Connection:
    """A connection with a table of days, a documents table and an ordinary copy of files."""
    db.execute("CREATE TABLE days (d TEXT); INSERT INTO days VALUES ('2026-01-31')")
    db.execute("CREATE TABLE copy AS SELECT id, bytes, created_at FROM files")
    db.execute(HANDBOOK)
    return db


@pytest.mark.sample(10)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", TEXTS)
def test_number_comparison_in_a_write_is_refused(
    db: apsw.Connection, requests: Callable[[], list[str]], value: str, operator: str
) -> None:
    """With every operator and kind of value, before a request; the error says what to write."""
    sql, bindings, text = TEXTS[value]
    requests()
    for statement in (
        f"DELETE FROM files WHERE created_at {operator} {sql}",
        f"UPDATE vector_stores SET name = 'x' WHERE created_at {operator} {sql}",
    ):
        with pytest.raises(openai_vtab.ProgrammingError, match="is refused and nothing was sent") as raised:
            db.execute(statement, bindings)
        assert f"'{text}' compares Unix seconds with a text" in str(raised.value)
        assert "unixepoch('2026-01-31" in str(raised.value)
    assert requests() == []


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (f"DELETE FROM files WHERE created_at BETWEEN 0 AND {LATE}", f"files.created_at <= {LATE}"),
        (f"DELETE FROM files WHERE {LATE} > created_at AND purpose = 'assistants'", f"files.created_at < {LATE}"),
        ("DELETE FROM files WHERE (created_at, id) < (date('now'), 'x')", "files.created_at <= '2"),
        ("DELETE FROM files WHERE bytes < 'big'", "files.bytes < 'big'"),
        ("DELETE FROM files WHERE bytes < x'31'", "files.bytes < a BLOB of 1 bytes"),
        ("DELETE FROM files WHERE expires_at <= ''", "files.expires_at <= ''"),
        ("DELETE FROM openai.files WHERE bytes <> 'big'", "files.bytes <> 'big'"),
        ("UPDATE vector_stores SET name = 'x' WHERE usage_bytes < 'big'", "vector_stores.usage_bytes < 'big'"),
        (f"UPDATE vector_stores SET name = 'x' WHERE created_at = {LATE}", f"vector_stores.created_at = {LATE}"),
        (f"DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND created_at < {LATE}", f"< {LATE}"),
        (f"DELETE FROM files WHERE id IN (SELECT id FROM files WHERE created_at < {LATE})", f"< {LATE}"),
        (f"DELETE FROM handbook WHERE created_at < {LATE}", f"handbook.created_at < {LATE}"),
        ("UPDATE vector_stores SET name = d FROM days WHERE id = 'vs_' || 'demo' AND created_at < (SELECT d)", ""),
    ],
)
def test_number_comparison_of_other_forms_in_a_write(db: apsw.Connection, sql: str, named: str) -> None:
    """BETWEEN, the other way round, a row value, other columns and tables, a subquery; a column of a join is not seen."""
    with pytest.raises(openai_vtab.ProgrammingError) if named else nullcontext() as raised:
        db.execute(sql)
    assert raised is None or named in str(raised.value)


@pytest.mark.sample(12)
@pytest.mark.parametrize(
    ("sql", "bindings", "said"),
    [
        ("DELETE FROM files WHERE created_at < date('now') OR bytes = 0", (), "with date(…)"),
        (f"DELETE FROM files WHERE bytes = 0 OR {LATE} > created_at", (), f"with {LATE}"),
        ("DELETE FROM files WHERE created_at < ? OR bytes = ?", ("2026-01-31", 0), f"with {LATE}"),
        ("DELETE FROM files WHERE NOT created_at >= datetime('now')", (), "with datetime(…)"),
        (f"DELETE FROM files WHERE created_at NOT BETWEEN {LATE} AND 0", (), f"with {LATE}"),
        (f"UPDATE vector_stores SET name = 'x' WHERE CASE WHEN created_at < {LATE} THEN 1 ELSE name = 'y' END", (), f"with {LATE}"),
        ("DELETE FROM files WHERE bytes < 'big' OR bytes = 0", (), "files.bytes is compared with 'big'"),
        ("DELETE FROM handbook WHERE created_at < date('now') OR bytes = 0", (), "handbook.created_at is compared"),
        ("DELETE FROM files WHERE created_at < current_timestamp OR bytes = 0", (), "with current_timestamp(…)"),
        ("DELETE FROM files WHERE created_at < strftime('%Y-%m', 'now') OR bytes = 0", (), "with strftime(…)"),
        ("DELETE FROM files WHERE created_at < (SELECT date('now')) OR bytes = 0", (), "with date(…)"),
        (f"DELETE FROM files WHERE iif(created_at < {LATE}, 1, 0)", (), f"with {LATE}"),
        (f"DELETE FROM files WHERE (created_at < {LATE}) = 1", (), f"with {LATE}"),
        (f"DELETE FROM files WHERE (\"created_at\" < {LATE}) IS TRUE", (), f"with {LATE}"),
        ("DELETE FROM files WHERE created_at + 86400 < date('now')", (), "with date(…)"),
        ("DELETE FROM files WHERE created_at + 86400 < '1769817600'", (), "with '1769817600'"),
        ("DELETE FROM files WHERE coalesce(expires_at, created_at, 0) < ?", ("2026-01-31",), f"with {LATE}"),
        (
            "DELETE FROM files WHERE id IN (SELECT file_id FROM vector_store_files WHERE vector_store_id = 'vs_demo' "
            "AND (created_at < date('now') OR status = 'failed'))", (), "vector_store_files.created_at is compared",
        ),
        (f"DELETE FROM files WHERE {' OR '.join(f'bytes = {n} AND id = {n}' for n in range(300))} OR bytes < 'x'", (), "with 'x'"),
        ("DELETE FROM batches WHERE created_at < date('now') OR batch_id = 'x'", (), "vector_store_file_batches.created_at"),
    ],
)  # fmt: skip
def test_number_comparison_in_an_expression_is_refused(
    db: apsw.Connection, requests: Callable[[], list[str]], sql: str, bindings: tuple[Any, ...], said: str
) -> None:
    """Below OR, NOT, CASE or a function, SQLite offers no term to a table; its program for the statement has it."""
    db.execute("CREATE VIRTUAL TABLE batches USING vector_store_file_batches")
    db.execute("INSERT INTO batches (vector_store_id, batch_id) VALUES ('vs_demo', 'vsfb_demo_finished')")
    requests()
    with pytest.raises(
        openai_vtab.ProgrammingError, match="is refused and nothing was sent; compare it with"
    ) as raised:
        db.execute(sql, bindings)
    assert said in str(raised.value)
    assert [request for request in requests() if not request.startswith("GET")] == []


@pytest.mark.sample(12)
@pytest.mark.parametrize(
    ("sql", "bindings"),
    [
        ("DELETE FROM {} WHERE created_at < 1000 OR bytes = 30", ()),
        ("DELETE FROM {} WHERE created_at < '1000' OR bytes = ?", (30,)),
        ("DELETE FROM {} WHERE created_at < CAST('2026-01-31' AS INTEGER) OR bytes = 30", ()),
        ("DELETE FROM {} WHERE created_at < ? OR bytes = ?", ("1000", "30")),
        ("DELETE FROM {} WHERE NOT created_at > unixepoch('now') + 1000", ()),
        ("DELETE FROM {} WHERE id = '2026-01-31' OR bytes = 30", ()),
        ("DELETE FROM {} WHERE NOT date(created_at, 'unixepoch') < date('now', '-1 day')", ()),
        ("DELETE FROM {} WHERE typeof(created_at) = 'text' OR bytes = strftime('%d', 30 * 86400)", ()),
        ("DELETE FROM {} WHERE CASE WHEN bytes > 40 THEN created_at < CASE WHEN 1 THEN 5 ELSE 'x' END ELSE 0 END", ()),
        ("DELETE FROM {} WHERE created_at IS NOT NULL AND (bytes = 30 OR id LIKE '%01')", ()),
        ("DELETE FROM {} WHERE id NOT IN (SELECT id FROM copy WHERE created_at < '2026-01-31' OR bytes = 0)", ()),
        ("DELETE FROM {} WHERE created_at < strftime('%s', '2000-01-31') OR bytes = 30", ()),
        ("DELETE FROM {} WHERE coalesce(nullif(bytes, 30), 'none') = 'none'", ()),
        ("DELETE FROM {} WHERE CASE WHEN bytes = 30 THEN 'none' ELSE bytes END = 'none'", ()),
        ("DELETE FROM {} WHERE CASE WHEN bytes = 30 THEN id ELSE created_at END > 'file'", ()),
        ("DELETE FROM {} WHERE iif(bytes > 30, 'big', 'small') = 'small'", ()),
        ("DELETE FROM {} WHERE CAST(created_at AS TEXT) < '2026-01-31' AND NOT bytes > 30", ()),
        ("DELETE FROM {} WHERE created_at || '' < '2026-01-31' AND NOT bytes > 30", ()),
        ("DELETE FROM {} WHERE typeof(bytes) || bytes = 'integer30'", ()),
        (f"DELETE FROM {{}} WHERE bytes{' + 1' * 300} = 330", ()),
        ("DELETE FROM {} WHERE bytes = CAST((SELECT min(d) FROM days) AS INTEGER) OR bytes = 30", ()),
    ],
)
def test_number_comparison_below_or_with_a_number_is_left_alone(
    db: apsw.Connection, sql: str, bindings: tuple[Any, ...]
) -> None:
    """The statement runs, and deletes what it deletes of an ordinary table."""
    db.execute("CREATE TABLE other AS SELECT * FROM copy")
    for table in ("files", "other"):
        db.execute(sql.replace("{}", table), bindings)
    left = [db.execute(f"SELECT id FROM {table} ORDER BY id").fetchall() for table in ("files", "other")]
    assert left[0] == left[1]


@pytest.mark.skipif(not best_index.TAKES_WHOLE_LISTS, reason="this APSW delivers no IN list as one set")
def test_number_comparison_with_a_list(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> None:
    """Of literals, of parameters, of a subquery: the first text that is no number."""
    for values, bindings in (("'1', 'x'", ()), ("?, ?", ("1", "x")), ("SELECT 'x' UNION SELECT 1", ())):
        with pytest.raises(openai_vtab.ProgrammingError, match=r"files\.bytes IN \(… 'x' …\) compares"):
            db.execute(f"DELETE FROM files WHERE bytes IN ({values})", bindings)
    assert db.execute("SELECT count(*) FROM files WHERE bytes IN ('x', 'y')").get == 0
    assert len(caplog.messages) == 1
    assert db.execute("SELECT count(*) FROM files WHERE bytes IN (SELECT bytes FROM copy)").get > 0
    assert len(caplog.messages) == 1


@pytest.mark.sample(10)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", TEXTS)
def test_number_comparison_in_a_query_is_that_of_an_ordinary_table(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture, value: str, operator: str
) -> None:
    """The rows are the same, with one warning."""
    sql, bindings, text = TEXTS[value]
    query = f"SELECT id FROM {{}} WHERE created_at {operator} {sql} ORDER BY id"
    ours, theirs = (db.execute(query.format(table), bindings).fetchall() for table in ("files", "copy"))
    assert ours == theirs
    assert [f"'{text}' compares Unix seconds with a text" in message for message in caplog.messages] == [True]


@pytest.mark.sample(6)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", NUMBERS)
def test_number_comparison_with_a_number_is_left_alone(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture, value: str, operator: str
) -> None:
    """Whatever SQLite converts into a number, and NULL: no warning, the same rows, and a DELETE runs."""
    sql, bindings = NUMBERS[value]
    where = f"created_at {operator} {sql}"
    ours, theirs = (
        db.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id", bindings).fetchall()
        for table in ("files", "copy")
    )
    assert ours == theirs
    db.execute(f"DELETE FROM files WHERE {where}; DELETE FROM copy WHERE {where}", bindings * 2)
    assert db.execute("SELECT count(*) FROM files").get == db.execute("SELECT count(*) FROM copy").get
    assert caplog.messages == []


def test_number_comparison_keeps_plans(db: apsw.Connection) -> None:
    """A number in the statement is not in the plan; a value of a join is, where the plan has another one of its table."""

    def plan(sql: str) -> list[str]:
        rows = db.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {sql}").fetchall()
        return [str(text).partition("INDEX ")[2] for *_, text in rows if "INDEX" in str(text)]

    assert plan("files WHERE created_at > 5 AND bytes = 5") == ["5:"]
    assert plan("files WHERE created_at > date('now') AND purpose = 'x'") == ["5:purpose,created_at>"]
    assert plan("files WHERE created_at > date('now') LIMIT 5") == ["5:created_at>"]
    assert plan("files WHERE (created_at, id) IN (SELECT 1, 'x')") == ["4:file_id"]
    assert plan("days JOIN files ON files.created_at > d") == ["5:"]
    assert plan("days CROSS JOIN files ON files.id = d AND files.created_at > d") == ["4:file_id,created_at>"]


def test_number_comparison_in_a_join_warns_once(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> None:
    """However many values the other table has."""
    db.execute("INSERT INTO days VALUES ('2026-02-01'), ('2026-02-02')")
    db.execute(
        "SELECT d, id FROM days CROSS JOIN files ON id = 'file-demo-01' || substr(d, 1, 0) AND bytes < d"
    ).fetchall()
    assert [message.partition(" compares")[0] for message in caplog.messages] == ["files.bytes < '2026-01-31'"]


def test_number_comparison_beside_a_writing_function_is_refused(
    db: apsw.Connection, requests: Callable[[], list[str]]
) -> None:
    """A query that cancels batches would cancel all of them."""
    db.execute("CREATE VIRTUAL TABLE batches USING vector_store_file_batches")
    db.execute("INSERT INTO batches (vector_store_id, batch_id) VALUES ('vs_demo', 'vsfb_demo_running')")
    requests()
    query = "SELECT cancel_vector_store_file_batch(vector_store_id, batch_id) FROM batches WHERE created_at <"
    with pytest.raises(openai_vtab.ProgrammingError, match="is refused and nothing was sent; write created_at <"):
        db.execute(f"{query} date('now')").fetchall()
    assert requests() == []
    assert len(db.execute(f"{query} unixepoch('now') + 1000").fetchall()) == 1


def test_number_comparison_in_a_local_write_is_a_warning(db: apsw.Connection, caplog: pytest.LogCaptureFixture) -> None:
    """A DELETE from an ordinary table and an INSERT are no DELETE from the API's."""
    db.execute("DELETE FROM copy WHERE id IN (SELECT id FROM files WHERE created_at < date('now'))")
    assert db.execute("SELECT count(*) FROM copy").get == 0
    db.execute("INSERT INTO copy (id) SELECT id FROM files WHERE created_at > date('now')")
    assert len(caplog.messages) == 2


def test_number_comparison_is_refused_through_every_door(sandbox: Any) -> None:
    """A parameter through the DB-API, as PEP 249 raises it; and through register()."""
    address = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    with dbapi.connect(":memory:", **address) as connection, pytest.raises(dbapi.ProgrammingError):
        connection.execute("DELETE FROM files WHERE created_at < ?", ("2026-01-31",))
    connection.close()
    plain = apsw.Connection(":memory:")
    openai_vtab.register(plain, **address)
    with pytest.raises(openai_vtab.ProgrammingError, match="created_at < unixepoch"):
        plain.execute("DELETE FROM files WHERE created_at < $day", {"day": "2026-01-31"})
    plain.close()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("files WHERE created_at > '2026-01-31'", [("files.created_at > '2026-01-31'", "created_at > unixepoch('2026-01-31')")]),
        (
            "vector_stores WHERE last_active_at BETWEEN '2026-01-31' AND '2026-02-28T12:00:00Z'",
            [
                ("vector_stores.last_active_at >= '2026-01-31'", "last_active_at >= unixepoch('2026-01-31')"),
                ("vector_stores.last_active_at <= '2026-02-28T12:00:00Z'", "last_active_at <= unixepoch('2026-02-28T12:00:00Z')"),
            ],
        ),
        ("files WHERE 'May' = created_at", [("files.created_at = 'May'", "created_at >= unixepoch('2026-01-31')")]),
        ("files WHERE created_at LIKE '2026%'", [("files.created_at LIKE '2026%'", "created_at >= unixepoch('2026-01-31')")]),
        ("handbook WHERE created_at < '2026-01-31'", [("handbook.created_at < '2026-01-31'", "created_at < unixepoch('2026-01-31')")]),
        ("files WHERE filename > '2026-01-31'", []),
        ("files WHERE bytes LIKE '1%'", []),
    ],
)  # fmt: skip
def test_number_comparisons_are_warned_of(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture, sql: str, expected: list[tuple[str, str]]
) -> None:
    """Once for each comparison of a connection."""
    for end in ("", " AND true"):
        db.execute(f"SELECT count(*) FROM {sql}{end}").fetchall()
    assert caplog.messages == [WARNING % pair for pair in expected]


def test_number_comparisons_of_other_numbers_are_warned_of(
    db: apsw.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """A number that is no time is compared with a number."""
    db.execute("SELECT 1 FROM files WHERE bytes > 'big'; SELECT 1 FROM files WHERE bytes < x'00'").fetchall()
    assert caplog.messages == [
        BYTES % ("files.bytes > 'big'", "text", "text", ">"),
        BYTES % ("files.bytes < a BLOB of 1 bytes", "BLOB", "BLOB", "<"),
    ]


def test_number_comparisons_are_remembered_up_to_a_number(
    connect: Callable[..., apsw.Connection], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that writes values into its SQL does not fill the memory, or the log."""
    monkeypatch.setattr(number_comparisons, "MAX_WARNINGS", 2)
    db = connect()
    for day in range(10, 15):
        db.execute(f"SELECT count(*) FROM files WHERE created_at > '2026-01-{day}'").fetchall()
    assert len(caplog.messages) == 2


@pytest.mark.slow
def test_number_comparisons_are_warned_of_in_the_shell() -> None:
    """On standard error."""
    done = run_process("--sandbox", ":memory:", "SELECT id FROM files WHERE created_at > '2026-01-31'")
    warning = WARNING % ("files.created_at > '2026-01-31'", "created_at > unixepoch('2026-01-31')")
    assert (done.stdout, done.stderr, done.returncode) == ("", f"warning: {warning}\n", 0)
