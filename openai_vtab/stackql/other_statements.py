"""Statements of StackQL's that have no counterpart here: what to write instead.

>>> refuse("AUTH", "LOGIN openai")
Traceback (most recent call last):
openai_vtab.errors.ProgrammingError: AUTH LOGIN openai: the key is read from OPENAI_API_KEY; …
"""

from __future__ import annotations

from typing import NoReturn

from ..errors import ProgrammingError
from .names import RESOURCES
from .parser import Reader

EXAMPLE = next(iter(RESOURCES))
INSTEAD = {
    "AUTH": "the key is read from OPENAI_API_KEY; set it before the start, or write connect(api_key=…)",
    "USE": f"there is no current provider; leave USE out, and write whole names such as {EXAMPLE}",
    "NATIVEQUERY": "only SQL runs here; .describe shows what the tables take",
    "PURGE": "nothing is cached between statements; leave it out",
    "REFRESH": "there are no materialized views; write DROP TABLE NAME and CREATE TABLE NAME AS SELECT … again",
}
VIEWS = {
    ("CREATE", "MATERIALIZED"): "SQLite has no materialized views; write CREATE TABLE NAME AS SELECT …",
    ("DROP", "MATERIALIZED"): "SQLite has no materialized views; write DROP TABLE NAME",
    (
        "CREATE",
        "OR",
    ): "SQLite has no OR REPLACE for views; write DROP VIEW IF EXISTS NAME; CREATE TEMP VIEW NAME AS SELECT …",
}


def refuse(verb: str, rest: str) -> NoReturn:
    """Raise ProgrammingError for a statement that begins with one of the verbs of INSTEAD."""
    raise ProgrammingError(f"{' '.join(f'{verb} {rest}'.split())[:60]}: {INSTEAD[verb]}")


def refuse_view(verb: str, reader: Reader) -> None:
    """Raise ProgrammingError for a statement about views that only StackQL has."""
    second = reader.word()
    third = reader.word()
    if (verb, second) in VIEWS and (second != "OR" or third == "REPLACE"):
        raise ProgrammingError(f"{verb} {second} {third}".rstrip() + f": {VIEWS[verb, second]}")
