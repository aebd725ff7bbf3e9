"""Statements of StackQL's that do not run here: what to write instead, with the names of the refused statement.

>>> refuse("DROP", Reader("MATERIALIZED VIEW IF EXISTS stores"))
Traceback (most recent call last):
openai_vtab.errors.ProgrammingError: DROP MATERIALIZED VIEW: …; write DROP TABLE IF EXISTS stores
"""

from __future__ import annotations

from ..errors import ProgrammingError
from .names import PROVIDER
from .parser import Reader

BATCHES = f"{PROVIDER}.vector_stores.file_batches"
INSTEAD = {
    "AUTH": "the key is read from OPENAI_API_KEY; set it before the start, or write connect(api_key=…)",
    "USE": f"there is no current provider; leave USE out, and write whole names, as in SELECT … FROM {BATCHES}",
    "NATIVEQUERY": "only SQL runs here; .describe shows what the tables take",
    "PURGE": "nothing is cached between statements; leave it out",
    "SLEEP": (
        f"nothing has to be polled; to wait until a batch has finished, write SELECT status FROM {BATCHES} "
        "WHERE vector_store_id = '…' AND batch_id = '…' AND wait_seconds = 600"
    ),
}
VERBS = (*INSTEAD, "REFRESH")  # no statement of SQLite's begins with them
LONGEST = 300  # characters of a statement in an error


def refuse(verb: str, reader: Reader) -> None:
    """Raise ProgrammingError for a statement that only StackQL has. The reader stands after the verb."""
    if verb in INSTEAD:
        raise ProgrammingError(f"{' '.join(f'{verb} {reader.rest}'.split())[:60]}: {INSTEAD[verb]}")
    if verb in ("CREATE", "DROP", "REFRESH"):
        _refuse_view(verb, reader)
    elif verb == "INSERT":
        _refuse_insert(reader)
    elif verb == "REPLACE" and not reader.takes("INTO"):
        _refuse_replace(reader)


def _refuse_view(verb: str, reader: Reader) -> None:
    replaces = verb == "CREATE" and reader.takes("OR") and reader.takes("REPLACE")
    is_materialized = reader.takes("MATERIALIZED")
    if not (replaces or is_materialized) or not reader.takes("VIEW"):
        return
    definition = reader.rest or ("NAME AS SELECT …" if verb == "CREATE" else "NAME")
    if reader.takes("IF"):
        reader.takes("NOT")
        reader.takes("EXISTS")
    name = ".".join(reader.dotted_name()) or "NAME"
    kind = "TABLE" if is_materialized else "VIEW"
    write = {
        "CREATE": f"CREATE {'TABLE' if is_materialized else 'TEMP VIEW'} {definition}",
        "DROP": f"DROP TABLE {definition}",
        "REFRESH": f"DELETE FROM {name}; INSERT INTO {name} SELECT …, with the query that {name} was made from",
    }[verb]
    if replaces:
        write = f"DROP {kind} IF EXISTS {name}; {write}"
    place = f"{verb}{' OR REPLACE' * replaces}{' MATERIALIZED' * is_materialized} VIEW"
    has_no = "materialized views" if is_materialized else "OR REPLACE for views"
    raise ProgrammingError(f"{place}: SQLite has no {has_no}; write {_shown(write)}")


def _refuse_insert(reader: Reader) -> None:
    """INSERT IGNORE, and INSERT without INTO."""
    ignores = reader.takes("IGNORE")
    if reader.takes("OR", "INTO") and not ignores:
        return
    problem = "the API knows no conflicts to ignore" if ignores else "INTO is missing"
    raise ProgrammingError(f"INSERT{' IGNORE' * ignores}: {problem}; write {_shown(f'INSERT INTO {reader.rest}')}")


def _refuse_replace(reader: Reader) -> None:
    """REPLACE NAME SET …: a PUT, which OpenAI's API does not have."""
    raise ProgrammingError(
        f"REPLACE: the API cannot replace an object as a whole; write {_shown(f'UPDATE {reader.rest}')}"
    )


def _shown(sql: str) -> str:
    """The statement, cut when it is long. Its line breaks stay: a comment may end at one."""
    return sql if len(sql) <= LONGEST else sql[:LONGEST] + "…"
