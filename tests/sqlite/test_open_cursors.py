"""Cursors: which of them runs which statement."""

from __future__ import annotations

import apsw
import apsw.ext

from openai_vtab.sqlite.open_cursors import OpenCursors


def test_cursors_know_a_statement_with_its_bindings() -> None:
    """Whatever the cursor's class, by execute, executemany and in a text of several statements."""

    class Mine(apsw.Cursor):
        """A user's own."""

    cursors, db = OpenCursors(), apsw.Connection(":memory:")
    db.cursor_factory = cursors.factory(OpenCursors().factory(Mine))
    assert isinstance(db.cursor(), Mine)
    found: list[str | None] = []
    db.create_scalar_function("look", lambda sql, _: found.append(cursors.with_values(sql)))
    db.execute("SELECT look('SELECT look(', ?)", (1,)).fetchall()
    assert found.pop() == "SELECT look("  # no parameter in it
    for sql, bindings in {"SELECT look(:sql, :b), :b": {"sql": "SELECT look(?", "b": "it's"}}.items():
        db.execute(sql, bindings).fetchall()
        assert found.pop() == "SELECT look('SELECT look(?', 'it''s'), 'it''s'"
    db.executemany("SELECT look(?, ?)", [("SELECT look(?", 1.5), ("SELECT look(?", b"x")]).fetchall()
    assert found == ["SELECT look('SELECT look(?', 1.5)", "SELECT look('SELECT look(?', x'78')"]
    found.clear()
    db.execute("SELECT 1, ?; SELECT look(?, ?)", (1, "SELECT look(?", None)).fetchall()
    assert found == ["SELECT look('SELECT look(?', NULL)"]


def test_cursors_cannot_tell_two_bindings_apart() -> None:
    """Then nothing is predicted."""
    cursors, db = OpenCursors(), apsw.Connection(":memory:")
    db.cursor_factory = cursors.factory(db.cursor_factory)
    sql = "SELECT value FROM json_each(?)"
    first, second = db.execute(sql, ("[1, 2]",)), db.execute(sql, ("[3, 4]",))
    assert (next(first), next(second)) == ((1,), (3,))
    assert cursors.with_values(sql) is None
    second.close()
    assert cursors.with_values(sql) == "SELECT value FROM json_each('[1, 2]')"


def test_cursors_of_any_factory() -> None:
    """What is no cursor of APSW is not asked."""
    cursors, db = OpenCursors(), apsw.Connection(":memory:")
    made = object()
    assert cursors.factory(lambda connection: made)(db) is made
    assert cursors.with_values("SELECT ?") is None
