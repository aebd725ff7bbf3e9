"""The rows that a ledger lacks for creates of transactions that are gone, made from their intents.

>>> forget, insert = statements('"main"."my_batches_ledger"', ("vector_store_id", "id"))
>>> connection.execute(insert, (values(intents, ("vector_store_id", "id")),))
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..schema.values import SQLiteValue
from .intents import Intent, Outcome
from .row import UNKNOWN, dumped, status_of

FIRST_WAITING = 1 << 59  # above every rowid of the shadow table, for rows that are not in it yet


def columns(key: Sequence[str]) -> list[str]:
    """Return the columns of a row, in the order of `values`."""
    return [*key, "status", "answer", "sent", "intent"]


def values(intents: Sequence[Intent], key: Sequence[str]) -> str:
    """Return the rows as a JSON array of arrays. The status of a create that the API has refused is null."""
    rows = []
    for intent in intents:
        created = intent.outcome is Outcome.CREATED and intent.answer is not None
        answer = intent.answer if created and intent.answer is not None else {"created_at": intent.at}
        status = status_of(answer) if created else UNKNOWN if intent.may_exist else None
        rows.append([*key_values(intent, key), status, dumped(answer), dumped(intent.sent), intent.id])
    return json.dumps(rows)


def key_values(intent: Intent, key: Sequence[str]) -> list[SQLiteValue]:
    """Return the values of the keys, None for each that is not known."""
    answer = intent.answer if intent.outcome is Outcome.CREATED and intent.answer is not None else {}
    keys = {**intent.keys, **{source: answer[source] for source in key if source in answer}}
    return [None if keys.get(source) is None else str(keys[source]) for source in key]


def with_rows(shadow: str, key: Sequence[str]) -> str:
    """Return what to select from, to read the shadow table as if it had the rows of `values`, its only parameter."""
    names = columns(key)
    places = ", ".join(f"value ->> {n}" for n in range(len(names)))
    return (
        f"(SELECT seq, {', '.join(names)} FROM {shadow} UNION ALL "
        f"SELECT {FIRST_WAITING} + key, {places} FROM openai.json_each(?) "
        f"WHERE value ->> {len(names) - 1} NOT IN (SELECT intent FROM {shadow} WHERE intent IS NOT NULL))"
    )


def statements(shadow: str, key: Sequence[str]) -> tuple[str, str]:
    """Return two statements that insert a row for each intent, or complete the row that has no id yet.

    Each has the parameter `values`. A row with the same keys that was looked up meanwhile stays, with its place and
    its newer response, and learns what was sent; the row without an id is then deleted. It is also deleted if the API
    has refused the create.
    """
    *_, last = key
    keys = ", ".join(key)
    names = columns(key)
    place = {name: f"value ->> {n}" for n, name in enumerate(names)}
    same = " AND ".join(f"known.{source} = new.{place[source]}" for source in key)
    forget = (
        f"DELETE FROM {shadow} AS old WHERE old.{last} IS NULL AND EXISTS ("
        f"SELECT 1 FROM openai.json_each(?) AS new LEFT JOIN {shadow} AS known ON {same} "
        f"WHERE new.{place['intent']} = old.intent AND (known.seq IS NOT NULL OR new.{place['status']} IS NULL))"
    )
    insert = (
        f"INSERT INTO {shadow} AS old ({', '.join(names)}) "
        f"SELECT {', '.join(place.values())} FROM openai.json_each(?) WHERE {place['status']} IS NOT NULL "
        f"ON CONFLICT (intent) DO UPDATE SET {last} = excluded.{last}, status = excluded.status, "
        f"answer = excluded.answer WHERE old.{last} IS NULL AND excluded.{last} IS NOT NULL "
        f"ON CONFLICT ({keys}) DO UPDATE SET sent = coalesce(sent, excluded.sent), "
        "intent = coalesce(intent, excluded.intent)"
    )
    return forget, insert
