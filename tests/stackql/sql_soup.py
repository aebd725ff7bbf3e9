"""Random SQL: statements that mostly parse, made of the words that StackQL's statements are made of.

>>> sql_texts().example()
'SELECT main.t.a IS NOT DISTINCT FROM openai.files.id FROM (t JOIN openai.files)'
"""

from __future__ import annotations

import re

import apsw
from hypothesis import strategies as st

SCHEMA = """
ATTACH ':memory:' AS openai;
CREATE TABLE t (a, b, "EXEC", files);
CREATE TABLE "from" (a, b);
CREATE TABLE openai.files (a, b, id);
CREATE TABLE openai.vector_stores (a, b, files);
"""
NAMES = ["t", "main.t", "openai.files", '"openai"."vector_stores"', "[openai].files", '"from"', "`t`", "main.[from]"]
COLUMNS = ["a", "b", "main.t.a", "openai.files.id", "openai.vector_stores.files", '"EXEC"', "'openai.files.files'"]
COLUMNS += [
    "x'00'",
    "1.5",
    "?",
    ":from",
    "@exec",
    "$a::b(c)",
    "NULL",
    "'EXEC openai.a.b.c'",
    "/* FROM a.b.c */ 1",
    "t.files",
]
COMMENTS = ["", " ", " -- FROM openai.files.files\n", "/* EXEC openai.a.b.c */", "\n", " /*+ create */ "]
SOUP = [
    *NAMES,
    *COLUMNS,
    *COMMENTS,
    *[
        "(",
        ")",
        ",",
        ".",
        ";",
        "=",
        "+",
        "-",
        "*",
        "@",
        "@@json",
        "{{",
        "}}",
        "EXEC",
        "SHOW",
        "DESCRIBE",
        "METHODS",
        "IN",
        "REGISTRY",
        "PULL",
    ],
]
SOUP += [
    "SELECT",
    "FROM",
    "WHERE",
    "JOIN",
    "ON",
    "UPDATE",
    "SET",
    "INSERT",
    "INTO",
    "VALUES",
    "DELETE",
    "IS",
    "NOT",
    "DISTINCT",
    "OR",
    "REPLACE",
    "AS",
    "WITH",
    "USING",
    "AUTH",
]
SOUP += [
    "ORDER",
    "BY",
    "LIMIT",
    "GROUP",
    "HAVING",
    "UNION",
    "ALL",
    "EXPLAIN",
    "QUERY",
    "PLAN",
    "CREATE",
    "TEMP",
    "VIEW",
    "TRIGGER",
    "BEGIN",
    "END",
    "AFTER",
    "VACUUM",
]
SOUP += [
    "openai",
    "vector_stores",
    "data__file_ids",
    "'",
    '"',
    "aws.ec2.instances",
    "openai.vector_stores.files",
    "\ufeff",
    "é",
]


def expressions() -> st.SearchStrategy[str]:
    """An expression, up to three deep."""
    return st.recursive(
        st.sampled_from(COLUMNS),
        lambda inner: st.one_of(
            st.builds("({} IS DISTINCT FROM {})".format, inner, inner),
            st.builds("{} IS NOT DISTINCT FROM {}".format, inner, inner),
            st.builds("coalesce({}, {})".format, inner, inner),
            st.builds("{} IN ({}, {})".format, inner, inner, inner),
            st.builds("(SELECT {} FROM {})".format, inner, sources()),
            st.builds("CASE WHEN {} THEN {} END".format, inner, inner),
        ),
        max_leaves=5,
    )


def sources() -> st.SearchStrategy[str]:
    """What may follow FROM."""
    return st.recursive(
        st.sampled_from(NAMES),
        lambda inner: st.one_of(
            st.builds("{}, {}".format, inner, inner),
            st.builds("{} JOIN {} ON {}".format, inner, inner, st.sampled_from(COLUMNS)),
            st.builds("({} JOIN {})".format, inner, inner),
            st.builds("(SELECT {}, {} FROM {}) AS s".format, st.sampled_from(COLUMNS), st.sampled_from(COLUMNS), inner),
            st.builds("json_each({}, {})".format, st.sampled_from(COLUMNS), st.sampled_from(COLUMNS)),
        ),
        max_leaves=4,
    )


def statements() -> st.SearchStrategy[str]:
    """A statement that mostly parses."""
    e, s, n = expressions(), sources(), st.sampled_from(NAMES)
    query = st.builds("SELECT {}, {} FROM {} WHERE {} ORDER BY {}, {}".format, e, e, s, e, e, e)
    return st.one_of(
        query,
        st.builds("SELECT {} FROM {} GROUP BY {}, {} HAVING {} LIMIT {}, {}".format, e, s, e, e, e, e, e),
        st.builds("WITH openai(a, b) AS ({}) SELECT {} FROM openai, {}".format, query, e, s),
        st.builds("UPDATE OR REPLACE {} SET a = {}, b = {} FROM {} WHERE {}".format, n, e, e, s, e),
        st.builds("INSERT INTO {} (a, b) {} ON CONFLICT DO UPDATE SET a = {}, b = {}".format, n, query, e, e),
        st.builds("INSERT INTO {} (a, b) VALUES ({}, {}), ({}, {}) RETURNING {}, {}".format, n, e, e, e, e, e, e),
        st.builds("DELETE FROM {} WHERE {} RETURNING {}, {}".format, n, e, e, e),
        st.builds("CREATE TEMP VIEW v AS {}".format, query),
        st.builds("CREATE TEMP TRIGGER r AFTER UPDATE OF a, b ON t BEGIN {}; DELETE FROM t; END".format, query),
        st.builds("EXPLAIN QUERY PLAN {}".format, query),
        st.builds("{} UNION ALL {}".format, query, query),
    )


def sql_texts() -> st.SearchStrategy[str]:
    """Statements, with comments and spaces between their words, and soups of words."""
    spaced = st.builds(lambda text, gap: text.replace(" ", gap or " "), statements(), st.sampled_from(COMMENTS))
    soup = st.lists(st.sampled_from(SOUP), max_size=14)
    return st.one_of(statements(), spaced, soup.map(" ".join), soup.map("".join))


def database() -> apsw.Connection:
    """A database with the tables that the statements name."""
    connection = apsw.Connection(":memory:")
    connection.execute(SCHEMA)
    return connection


def is_sql(connection: apsw.Connection, statement: str) -> bool:
    """Whether SQLite's grammar has the statement, which is not run."""
    cursor = connection.cursor()
    cursor.exec_trace = lambda *_: False
    try:
        cursor.execute(statement)
    except (apsw.ExecTraceAbort, apsw.BindingsError):
        return True
    except apsw.SQLError as error:
        return not re.search("syntax error$|^unrecognized token|^incomplete input", str(error))
    return True  # it is empty
