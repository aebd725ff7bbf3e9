"""Descriptions of tables: a mistake in one is found when it is made, before any query."""

from __future__ import annotations

from typing import Any

import pytest

from openai_vtab.schema import validators
from openai_vtab.schema.table import Column, Method, Table
from openai_vtab.tables import TABLES

ID = Column("id", "TEXT", "The id.")
NAME = Column("name", "TEXT", "The name.", check=validators.identifier)
GET = Method("SELECT", "GET /models/{id}")


def table(columns: tuple[Column, ...] = (ID, NAME), methods: tuple[Method, ...] = (GET,), **more: Any) -> Table:
    return Table("models", "The models.", columns, methods, object="model", **more)


def test_method_reads_its_route() -> None:
    """The verb, the template and its variables."""
    method = Method("SELECT", "GET /a/{x}/b/{y}", required=("z",))
    assert (method.http, method.path, method.variables, method.needs) == (
        "GET",
        "/a/{x}/b/{y}",
        ("x", "y"),
        ("x", "y", "z"),
    )


def test_schema_declares_every_column() -> None:
    """Hidden ones too."""
    hidden = Column("model_id", "TEXT", "The same as id.", hidden=True, source="id")
    assert table((ID, NAME, hidden)).schema == "CREATE TABLE models(id TEXT, name TEXT, model_id TEXT HIDDEN)"


def test_schema_key_is_that_of_the_first_get_by_source() -> None:
    """A variable that is another name of a column is that column."""
    hidden = Column("model_id", "TEXT", "The same as id.", hidden=True, source="id")
    assert table((ID, hidden), (Method("SELECT", "GET /models/{model_id}"),)).key == ("id",)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Column("x", "JSON", "A value."), "the type is 'JSON'; write one of TEXT"),
        (lambda: Column("x", "TEXT", "A value"), "write a sentence with a full stop"),
        (lambda: table((ID, ID)), "two columns have the same name"),
        (lambda: table(methods=(Method("LOOK", "GET /models/{id}"),)), "the verb is 'LOOK'; write one of SELECT"),
        (lambda: table(methods=(Method("SELECT", "GET /models/{key}"),)), "no column key"),
        (
            lambda: table(methods=(GET, Method("UPDATE", "POST /models/{id}", only_when_set_to={"stat": "x"}))),
            "no column stat",
        ),
        (lambda: table(methods=(GET, Method("INSERT", "POST /models", body=("id",)))), "no check for id"),
        (lambda: table((ID, Column("again", "INTEGER", "Ask again.", is_option=True))), "no check for again"),
    ],
)
def test_schema_description_that_is_wrong_raises_when_made(make: Any, problem: str) -> None:
    """At import, with the table and the name."""
    with pytest.raises(ValueError, match=problem):
        make()


@pytest.mark.parametrize("described", TABLES, ids=lambda t: t.name)
def test_schema_of_every_table_is_documented(described: Table) -> None:
    """Sentences for the table and its columns, and examples."""
    assert described.doc.endswith(".")
    assert described.examples
