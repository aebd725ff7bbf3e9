"""translate(): three-part names where a table stands, and every statement of SQLite's as it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from openai_vtab.errors import Error, ProgrammingError
from openai_vtab.sqlite.tokens import statements
from openai_vtab.stackql import divide, translate
from openai_vtab.tables import TABLES

from ..support.slow import few_and_many
from .sql_soup import database, is_sql, sql_texts

ROOT = Path(__file__).parent.parent.parent
FILES = '"openai.vector_stores.files"'

TRANSLATED = {
    "from": ("SELECT 1 FROM openai.vector_stores.files", f"SELECT 1 FROM {FILES}"),
    "old name": ("SELECT 1 FROM openai.vector_stores.vector_store_file_batches", 'SELECT 1 FROM "openai.vector_stores.vector_store_file_batches"'),
    "files of the account": ("DELETE FROM openai.files.files WHERE id = 'x'", "DELETE FROM \"openai.files.files\" WHERE id = 'x'"),
    "capitals": ("select 1 from OpenAI.Vector_Stores.FILES", f"select 1 from {FILES}"),
    "quoted parts": ('SELECT 1 FROM `openai`."vector_stores".[files] f', f"SELECT 1 FROM {FILES} f"),
    "spaces and comments": ("SELECT 1 FROM openai . vector_stores /* c */ . files -- d", f"SELECT 1 FROM {FILES} -- d"),
    "join": ("SELECT 1 FROM t JOIN openai.vector_stores.files AS f USING (id)", f"SELECT 1 FROM t JOIN {FILES} AS f USING (id)"),
    "comma": ("SELECT 1 FROM t, openai.vector_stores.files, u", f"SELECT 1 FROM t, {FILES}, u"),
    "comma after on": ("SELECT 1 FROM t JOIN u ON f(a, b.c.d), openai.vector_stores.files", f"SELECT 1 FROM t JOIN u ON f(a, b.c.d), {FILES}"),
    "parentheses": ("SELECT 1 FROM (t JOIN openai.vector_stores.files), (openai.vector_stores.files)", f"SELECT 1 FROM (t JOIN {FILES}), ({FILES})"),
    "subquery": ("SELECT (SELECT 1 FROM openai.vector_stores.files), a.b.c", f"SELECT (SELECT 1 FROM {FILES}), a.b.c"),
    "column beside it": ("SELECT openai.vector_stores.files FROM openai.vector_stores.files", f"SELECT openai.vector_stores.files FROM {FILES}"),
    "distinct": ("SELECT a IS NOT DISTINCT FROM b.c.d FROM openai.vector_stores.files", f"SELECT a IS NOT DISTINCT FROM b.c.d FROM {FILES}"),
    "cte": ("WITH openai AS (SELECT 1) SELECT 1 FROM openai, openai.vector_stores.files", f"WITH openai AS (SELECT 1) SELECT 1 FROM openai, {FILES}"),
    "function": ("SELECT 1 FROM openai.vector_stores.files('vs', 'file', a.b.c)", f"SELECT 1 FROM {FILES}('vs', 'file', a.b.c)"),
    "insert": ("/*+ create */ INSERT INTO openai.vector_stores.files (file_id) SELECT 'x'", f"/*+ create */ INSERT INTO {FILES} (file_id) SELECT 'x'"),
    "insert or ignore": ("INSERT OR IGNORE INTO openai.vector_stores.files VALUES (1)", f"INSERT OR IGNORE INTO {FILES} VALUES (1)"),
    "update": ("UPDATE openai.vector_stores.files SET attributes = '{}'", f"UPDATE {FILES} SET attributes = '{{}}'"),
    "update or": ("UPDATE OR FAIL openai.vector_stores.files SET attributes = 1", f"UPDATE OR FAIL {FILES} SET attributes = 1"),
    "data prefix": ("INSERT INTO openai.vector_stores.files (data__file_id, \"data__attributes\") SELECT 'data__file_id', 1", f"INSERT INTO {FILES} (file_id, attributes) SELECT 'data__file_id', 1"),
    "data prefix of a column": ("INSERT INTO openai.vector_stores.file_batches (data__file_ids) SELECT 1", 'INSERT INTO "openai.vector_stores.file_batches" (data__file_ids) SELECT 1'),
    "data prefix of a user's table": ("INSERT INTO openai.vector_stores.files AS f (data__file_id) SELECT m.data__file_id FROM mine m", f"INSERT INTO {FILES} AS f (file_id) SELECT m.data__file_id FROM mine m"),
    "data prefix in update": ("UPDATE OR FAIL openai.vector_stores.files SET (data__attributes) = (SELECT data__attributes FROM t), \"data__file_id\" = data__file_id FROM mine", f"UPDATE OR FAIL {FILES} SET (attributes) = (SELECT data__attributes FROM t), file_id = data__file_id FROM mine"),
    "data prefix in a query": ("SELECT f.data__file_id FROM openai.vector_stores.files f WHERE data__attributes = 1", f"SELECT f.file_id FROM {FILES} f WHERE attributes = 1"),
    "data prefix beside a function": ("SELECT data__file_id FROM openai.vector_stores.files, json_each('[]')", f"SELECT data__file_id FROM {FILES}, json_each('[]')"),
    "byte order mark": ("-- c\n\ufeffSELECT 1 FROM \ufeffopenai.vector_stores.files", f"-- c\n\ufeffSELECT 1 FROM \ufeff{FILES}"),
    "view": ("CREATE TEMP VIEW v AS SELECT 1 FROM openai.vector_stores.files", f"CREATE TEMP VIEW v AS SELECT 1 FROM {FILES}"),
    "trigger": ("CREATE TRIGGER r AFTER UPDATE ON t BEGIN SELECT 1; SELECT 1 FROM openai.vector_stores.files; END;", f"CREATE TRIGGER r AFTER UPDATE ON t BEGIN SELECT 1; SELECT 1 FROM {FILES}; END;"),
    "explain": ("EXPLAIN QUERY PLAN SELECT 1 FROM openai.vector_stores.files", f"EXPLAIN QUERY PLAN SELECT 1 FROM {FILES}"),
    "script": ("SELECT 'EXEC'; SELECT 1 FROM openai.vector_stores.files;\n-- end", f"SELECT 'EXEC'; SELECT 1 FROM {FILES};\n-- end"),
}  # fmt: skip
AS_THEY_ARE = [
    "", ";", "-- EXEC openai.files.files\n", "\ufeffSELECT 1", "SELECT 'x' FROM openai.files", "SELECT a.b.c, 'FROM openai.files.files' FROM t",
    'SELECT "FROM" . openai.files FROM t', "SELECT a /* FROM openai.files.files */ FROM t", "SELECT 1 FROM t WHERE x IS DISTINCT FROM main.t.a",
    'SELECT 1 FROM "openai.vector_stores.files"', "SELECT * FROM openai.vector_stores, t", "VACUUM INTO a.b.c", "PRAGMA table_info(exec)",
    "CREATE TABLE show (exec, describe)", "SELECT exec FROM show", "SELECT :from, @exec.a.b, $openai::b(c)", "SELECT 'unfinished FROM openai.files.files", "a.b.c",
]  # fmt: skip
REFUSED = {
    "SELECT 1 FROM openai.vector_stores.file_batch": "FROM openai.vector_stores.file_batch: openai has no such resource here; write openai.vector_stores.file_batches or openai.vector_stores.file_batch_files; SHOW RESOURCES IN openai.vector_stores lists all",
    "SELECT 1 FROM t, openai.models.models": "FROM …, openai.models.models: openai has no such service here; write openai.vector_stores or openai.files",
    "INSERT INTO aws.ec2.instances SELECT 1": "INTO aws.ec2.instances: the only provider here is openai; write a name such as openai.vector_stores.vector_store_file_batches, or SCHEMA.TABLE for a table of your own",
    "SELECT 1 FROM openai.vector_stores.files WHERE vector_store_id = 'a' AND OpenAI-Project = 'b'": "FROM openai.vector_stores.files: OpenAI-Project is the setting project here; leave it out, and set OPENAI_PROJECT_ID or write connect(project=…)",
    "INSERT INTO openai.vector_stores.files (file_id, OpenAI-Organization) SELECT 1, 2": "INTO openai.vector_stores.files: OpenAI-Organization is the setting organization here; leave it out, and set OPENAI_ORG_ID or write connect(organization=…)",
    "SELECT 1 FROM openai.files.files WHERE limit = 20": "FROM openai.files.files: limit = … is a parameter of StackQL's; write LIMIT 20 at the end of the query instead",
    "SELECT 1 FROM openai.files.files WHERE id = 1 AND order = 'asc'": "FROM openai.files.files: order = … is a parameter of StackQL's; write ORDER BY created_at DESC at the end of the query instead",
    "SELECT openai.files.files.id FROM openai.files.files": "openai.files.files.id: a column cannot have its table's whole name; give the table an alias, FROM openai.files.files AS t, and write t.id",
    "DELETE FROM openai.files.files WHERE file_id = '{{ file_id }}'": "no value for file_id; give each to the shell as --var NAME=VALUE or in --manifest FILE, and in Python to openai_vtab.stackql.fill()",
    "AUTH LOGIN openai": "AUTH LOGIN openai: the key is read from OPENAI_API_KEY; set it before the start, or write connect(api_key=…)",
    "USE openai;": "USE openai: there is no current provider; leave USE out, and write whole names such as openai.vector_stores.vector_store_file_batches",
    "CREATE OR REPLACE VIEW v AS SELECT 1": "CREATE OR REPLACE: SQLite has no OR REPLACE for views; write DROP VIEW IF EXISTS NAME; CREATE TEMP VIEW NAME AS SELECT …",
    "CREATE MATERIALIZED VIEW v AS SELECT 1": "CREATE MATERIALIZED VIEW: SQLite has no materialized views; write CREATE TABLE NAME AS SELECT …",
}  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), TRANSLATED.values(), ids=TRANSLATED)
def test_translation_of_three_part_names(sql: str, expected: str) -> None:
    """Where a table stands, and nowhere else; the rest of the text is the same."""
    assert translate(sql) == expected


@pytest.mark.parametrize("sql", AS_THEY_ARE)
def test_translation_leaves_other_text_alone(sql: str) -> None:
    """Strings, comments, names, parameters, and columns with their schema and table."""
    assert translate(sql) == sql


@pytest.mark.parametrize(("sql", "problem"), REFUSED.items())
def test_translation_says_what_to_write_instead(sql: str, problem: str) -> None:
    """The part of the statement, what is wrong, what to write."""
    with pytest.raises(ProgrammingError) as refused:
        translate(sql)
    assert str(refused.value) == problem


@pytest.mark.parametrize("examples", few_and_many(20, 1_000))
def test_translation_never_changes_sqlites_sql(examples: int) -> None:
    """A statement that SQLite's grammar has stays as it is, byte for byte; any other is translated or refused."""
    db = database()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(sql_texts())
    def check(text: str) -> None:
        assert "".join(statements(text)) == text
        for statement in statements(text):
            try:
                translated = translate(statement)
            except Error:
                translated = ""
            assert translated == statement or not is_sql(db, statement)

    check()
    db.close()


@pytest.mark.parametrize("path", sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.sql"), ROOT / "README.md"]), ids=lambda p: p.name)  # fmt: skip
def test_translation_never_changes_the_documented_sql(path: Path) -> None:
    """Every statement of the documentation and the examples."""
    text = path.read_text(encoding="utf-8")
    for sql in [text] if path.suffix == ".sql" else re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        without_commands = "".join(line for line in sql.splitlines(True) if not line.startswith("."))
        assert translate(without_commands) == without_commands


def test_translation_knows_every_table() -> None:
    """By all of its names; the files of a vector store are never the files of the account."""
    for table in TABLES:
        assert table.aliases
        for alias in table.aliases:
            assert translate(f"SELECT 1 FROM {alias}") == f'SELECT 1 FROM "{alias}"'
    owners = {alias: table.name for table in TABLES for alias in table.aliases}
    assert owners["openai.vector_stores.files"] == "vector_store_files"
    assert owners["openai.files.files"] == "files"


def test_division_of_a_script_needs_a_sign_of_stackql() -> None:
    """Without one, SQLite gets the script as a whole."""
    plain = "CREATE TABLE t (a); INSERT INTO t VALUES ('we show, exec')"
    assert divide(plain) == [plain]
    trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END;"
    assert divide(f"{trigger} SHOW VERSION;\n") == [trigger, " SHOW VERSION;", "\n"]
    assert divide("SELECT 1; SELECT 2 FROM openai.files.files") == ["SELECT 1;", " SELECT 2 FROM openai.files.files"]
