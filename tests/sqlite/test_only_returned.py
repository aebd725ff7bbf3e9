"""Programs of statements that return a column of a virtual table, and of those that use its value."""

from __future__ import annotations

import apsw
import pytest

from openai_vtab.sqlite.only_returned import only_returned

TABLE = "json_each('[1, 2]')"  # a virtual table of SQLite's own
ID = 4  # the number of its column `id`

RETURNED = [
    f"SELECT id FROM {TABLE}",
    f"SELECT *, value, id, upper(type) FROM {TABLE} WHERE key > 0 AND value = 2",
    f"SELECT id FROM {TABLE} ORDER BY value LIMIT 1",
    f"SELECT id FROM {TABLE} ORDER BY id DESC",
    f"SELECT rowid, id, value FROM {TABLE} ORDER BY rowid LIMIT 101",
    f"SELECT n, id, upper(type) FROM mine, {TABLE} ORDER BY n, value DESC LIMIT 2, 3",
    f"SELECT DISTINCT id FROM {TABLE}",
    f"SELECT DISTINCT id, value FROM {TABLE} ORDER BY value",
    f"SELECT id FROM {TABLE} WHERE value > 5 UNION ALL SELECT 1",
    f"SELECT id FROM (SELECT id, value FROM {TABLE}) WHERE value = 1",
    f"SELECT id FROM (SELECT id, value FROM {TABLE} ORDER BY value LIMIT 9)",
]
USED = [
    f"SELECT value FROM {TABLE} WHERE id > 1",
    f"SELECT id FROM {TABLE} WHERE id > 1",
    f"SELECT id FROM {TABLE} WHERE value = 1 OR id = 1",
    f"SELECT value FROM {TABLE} WHERE id BETWEEN 1 AND 2",
    f"SELECT value FROM {TABLE} WHERE NOT id",
    f"SELECT value FROM {TABLE} WHERE id LIKE '1%'",
    f"SELECT value FROM {TABLE} WHERE id IN (SELECT n FROM mine)",
    f"SELECT lower(value), count(*) FROM {TABLE} WHERE id > 1 GROUP BY lower(value)",
    f"SELECT id + 1 FROM {TABLE}",
    f"SELECT abs(id) FROM {TABLE}",
    f"SELECT max(id) FROM {TABLE}",
    f"SELECT CASE id WHEN 1 THEN 2 END FROM {TABLE}",
    f"SELECT 1 FROM {TABLE} AS e CROSS JOIN mine WHERE e.id = mine.n",
    f"SELECT 1 FROM {TABLE} AS e CROSS JOIN mine WHERE e.id = mine.rowid",
    f"SELECT 1 FROM {TABLE} AS e LEFT JOIN mine ON e.id = mine.n",
    f"SELECT 1 FROM {TABLE} AS e CROSS JOIN json_tree(e.id)",
    f"SELECT id FROM (SELECT id FROM {TABLE} LIMIT 5) WHERE id > 1",
    f"SELECT value FROM (SELECT id, value FROM {TABLE} ORDER BY value LIMIT 9) WHERE id = 5",
    f"WITH e AS MATERIALIZED (SELECT id, value FROM {TABLE}) SELECT value FROM e WHERE id > 5",
    f"SELECT n FROM mine WHERE n IN (SELECT id FROM {TABLE})",
    f"SELECT 5 IN (SELECT id FROM {TABLE})",
    f"SELECT value FROM {TABLE} ORDER BY id",
    f"SELECT id, value FROM {TABLE} ORDER BY value, id + 1",
    f"SELECT id, value, id + 1 FROM {TABLE} ORDER BY value",
    f"SELECT id, count(*) FROM {TABLE} GROUP BY id",
    f"SELECT key FROM {TABLE} GROUP BY 1 HAVING count(id) > 5",
    f"SELECT key, sum(id) FROM {TABLE} GROUP BY key",
    f"SELECT sum(id) OVER () FROM {TABLE}",
    f"SELECT id FROM {TABLE} UNION SELECT 1",
    f"SELECT id FROM {TABLE} INTERSECT SELECT 1",
    f"INSERT INTO mine SELECT id FROM {TABLE}",
    f"SELECT value FROM {TABLE}",
]


@pytest.mark.parametrize(("sql", "expected"), [*((sql, True) for sql in RETURNED), *((sql, False) for sql in USED)])
def test_column_that_is_only_returned_is_told_from_one_that_is_used(sql: str, expected: bool) -> None:
    """The same column may be returned and compared, in registers that SQLite uses again."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE mine (n); CREATE INDEX mine_n ON mine (n)")
    program = connection.execute(f"EXPLAIN {sql}").fetchall()
    scan = next(row[5] for row in program if row[1] == "VFilter")
    assert only_returned(program, scan, ID) is expected
