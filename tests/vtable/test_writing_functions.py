"""A user's SQL function that INSERTs within a statement: what SQLite undoes is not sent, what stands is not lost.

Each program is run twice: against the API's table, and against an ordinary table with the same rows, which is the
judge. Where nobody can say whether SQLite has undone a row, COMMIT refuses, and nothing is sent.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

import openai_vtab
import openai_vtab.sandbox

MODULE = "vector_store_file_batches"
OUTERS = {
    # an ordinary statement around the function, of one row and of several
    "SELECT": "SELECT f({a})",
    "SELECT of two": "SELECT f(value) FROM json_each('[{a}, {b}]')",
    "INSERT": "INSERT INTO local VALUES (f({a}))",
    "INSERT of two": "INSERT INTO local SELECT f(value) FROM json_each('[{a}, {b}]')",
    "UPDATE": "UPDATE local SET n = f({a}) WHERE n = 0",
    "DELETE": "DELETE FROM local WHERE n = 0 AND f({a})",
    "RETURNING": "INSERT INTO local SELECT f(value) FROM json_each('[{a}, {b}]') RETURNING n",
    "a constraint": "INSERT INTO local VALUES (f({a})), (NULL)",
    "OR FAIL": "INSERT OR FAIL INTO local VALUES (f({a})), (NULL)",
    "OR IGNORE": "INSERT OR IGNORE INTO local VALUES (f({a})), (NULL)",
    "OR ROLLBACK": "INSERT OR ROLLBACK INTO local VALUES (f({a})), (NULL)",
}
AROUND = {
    "autocommit": ([], []),
    "BEGIN": (["BEGIN"], ["COMMIT"]),
    "joined before": (["BEGIN", "w 90"], ["COMMIT"]),
    "SAVEPOINT": (["BEGIN", "SAVEPOINT s"], ["RELEASE s", "COMMIT"]),
    "SAVEPOINT, joined before": (["BEGIN", "SAVEPOINT s", "w 90"], ["RELEASE s", "COMMIT"]),
    "ROLLBACK TO": (["BEGIN", "w 90", "SAVEPOINT s"], ["ROLLBACK TO s", "COMMIT"]),
    "ROLLBACK": (["BEGIN", "w 90"], ["ROLLBACK"]),
}
FUNCTIONS = ("writes", "writes and fails", "inner fails and is caught", "writes two, one fails and is caught")


class Program:
    """One connection with the function f; `insert` is the text of an INSERT of the number n."""

    def __init__(self, db: apsw.Connection, insert: str, wrong: str, function: str) -> None:
        self.db = db
        self.insert = insert
        self.wrong = wrong
        self.function = function
        db.execute("CREATE TABLE local (n NOT NULL); INSERT INTO local VALUES (0)")
        db.create_scalar_function("f", self.f, 1)

    def write(self, n: int) -> None:
        self.db.execute(self.insert, (n,))

    def f(self, n: Any) -> int:
        if self.function.startswith("inner fails"):
            self.fail()
            return int(n)
        self.write(n)
        if "two" in self.function:
            self.fail()
            self.write(n + 100)
        if self.function == "writes and fails":
            raise ZeroDivisionError("the function's own")
        return int(n)

    def fail(self) -> None:
        with pytest.raises((openai_vtab.RowError, apsw.ConstraintError)):
            self.db.execute(self.wrong)

    def run(self, statements: list[str], first_row_only: bool) -> tuple[list[str], bool]:
        """Which statements have failed, and whether a WriteError has refused the commit."""
        failed, refused = [], False
        for sql in statements:
            try:
                if sql.startswith("w "):
                    self.write(int(sql[2:]))
                elif first_row_only and "f(" in sql:
                    cursor = self.db.execute(sql)
                    next(iter(cursor), None)
                    cursor.close()
                else:
                    self.db.execute(sql).fetchall()
            except openai_vtab.WriteError:
                refused = True
            except (apsw.Error, ZeroDivisionError, openai_vtab.Error) as error:
                failed.append(f"{sql}: {type(error).__name__}")
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        return failed, refused


def programs() -> Iterator[Any]:
    for outer, around, function, first in itertools.product(OUTERS, AROUND, FUNCTIONS, (False, True)):
        if not first or "RETURNING" in outer or "SELECT" in outer:
            yield pytest.param(outer, around, function, first, id=f"{outer}-{around}-{function}{'-first row' * first}")


@pytest.mark.sample(25)
@pytest.mark.parametrize(("outer", "around", "function", "first"), list(programs()))
def test_function_that_writes_sends_what_stands(
    shared: Any, outer: str, around: str, function: str, first: bool
) -> None:
    """What is created is what an ordinary table has; or COMMIT has refused, and nothing is created."""
    begin, end = AROUND[around]
    statements = [*begin, OUTERS[outer].format(a=1, b=2), "w 95" if begin else "w 96", *end]
    plain = apsw.Connection(":memory:")
    plain.execute("CREATE TABLE api (n CHECK (n >= 0))")
    judge = Program(plain, "INSERT INTO api VALUES (?)", "INSERT INTO api VALUES (50), (-1)", function)
    expected, _ = judge.run(statements, first)
    store = shared.add_store(f"vs_f{next(NUMBERS)}")
    insert = (
        f"INSERT INTO {MODULE} (vector_store_id, file_ids, attributes) "
        f"SELECT '{store}', json_array('file-new-01'), json_object('n', ?)"
    )
    wrong = (
        f"INSERT INTO {MODULE} (vector_store_id, file_ids, attributes) SELECT '{store}', json_array('file-new-01'), "
        "iif(value < 0, '[]', json_object('n', value)) FROM json_each('[50, -1]')"
    )
    db = openai_vtab.connect(base_url=shared.base_url, api_key=shared.api_key)
    try:
        ours = Program(db, insert, wrong, function)
        failed, refused = ours.run(statements, first)
        created = sorted(
            json.loads(request.raw)["attributes"]["n"]
            for request in list(shared.requests)
            if request.method == "POST" and f"/{store}/" in request.path
        )
        if refused:
            assert created in ([], [96])
            return
        assert [text.partition(":")[0] for text in failed] == [text.partition(":")[0] for text in expected]
        assert created == sorted(n for (n,) in plain.execute("SELECT n FROM api"))
        assert (
            db.execute("SELECT n FROM local ORDER BY 1").fetchall()
            == plain.execute("SELECT n FROM local ORDER BY 1").fetchall()
        )
    finally:
        db.close()
        plain.close()


NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    """One sandbox for all programs: each has a store of its own."""
    with openai_vtab.sandbox.run(processing_seconds=3600) as sandbox:
        yield sandbox
