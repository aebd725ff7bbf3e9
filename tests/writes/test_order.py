"""Which requests of a transaction wait for which: a table of pairs, and the properties of longer ones."""

from __future__ import annotations

from typing import Any

import pytest

from openai_vtab.schema.table import Method
from openai_vtab.tables import TABLES
from openai_vtab.writes.order import Affected, affected, counts_and_followers, waits_for

BY_NAME = {table.name: table for table in TABLES}


def write(table_name: str, verb: str, /, **parameters: Any) -> Affected:
    """What one row of a table concerns; parameters by column, the first method of the verb that accepts them."""
    table = BY_NAME[table_name]
    given = {table.sources[column]: value for column, value in parameters.items()}
    sources = set(given)

    def fits(method: Method) -> bool:
        return {table.sources[column] for column in method.needs} <= sources

    return affected(table, next(m for m in table.of(verb) if fits(m)), given)


STORE = {"vector_store_id": "vs_1"}
FILE = {**STORE, "file_id": "file-1"}
BATCHES, STORES, STORE_FILES, FILES = "vector_store_file_batches", "vector_stores", "vector_store_files", "files"
create_batch = write(BATCHES, "INSERT", **STORE, file_ids=["file-1", "file-2"])
create_batch_of_files = write(BATCHES, "INSERT", **STORE, files=[{"file_id": "file-1"}])
create_elsewhere = write(BATCHES, "INSERT", vector_store_id="vs_2", file_ids=["file-3"])
cancel = write(BATCHES, "UPDATE", **STORE, batch_id="vsfb_1")
attach = write(STORE_FILES, "INSERT", **FILE)
attach_elsewhere = write(STORE_FILES, "INSERT", vector_store_id="vs_2", file_id="file-1")
set_attributes = write(STORE_FILES, "UPDATE", **FILE)
detach = write(STORE_FILES, "DELETE", **FILE)
detach_another = write(STORE_FILES, "DELETE", **STORE, file_id="file-9")
new_store = write(STORES, "INSERT", name="a", file_ids=["file-1"])
rename_store = write(STORES, "UPDATE", **STORE)
delete_store = write(STORES, "DELETE", **STORE)
delete_other_store = write(STORES, "DELETE", vector_store_id="vs_2")
upload = write(FILES, "INSERT", content=b"x", filename="a.md", purpose="assistants")
delete_file = write(FILES, "DELETE", file_id="file-1")
delete_other_file = write(FILES, "DELETE", file_id="file-9")

PAIRS = [
    # the same file of the same store
    ("DELETE, then INSERT of a file", detach, attach, True),
    ("INSERT, then UPDATE of a file", attach, set_attributes, True),
    ("UPDATE, then DELETE of a file", set_attributes, detach, True),
    ("a batch with the file, then DELETE", create_batch, detach, True),
    ("DELETE, then a batch with the file", detach, create_batch_of_files, True),
    ("the same file in two stores", attach, attach_elsewhere, False),
    ("two files of a store", detach, detach_another, False),
    ("a batch without the file", create_batch, detach_another, False),
    # a store and what is in it
    ("DELETE of a store, then a batch in it", delete_store, create_batch, True),
    ("a batch, then DELETE of its store", create_batch, delete_store, True),
    ("UPDATE, then DELETE of a store", rename_store, delete_store, True),
    ("DELETE of a file in it, then of the store", detach, delete_store, True),
    ("cancel, then DELETE of the store", cancel, delete_store, True),
    ("another store", delete_other_store, create_batch, False),
    ("two stores", delete_store, delete_other_store, False),
    # a file
    ("detach, then DELETE of the file", detach, delete_file, True),
    ("DELETE of the file, then a batch with it", delete_file, create_batch, True),
    ("DELETE of the file, then a new store with it", delete_file, new_store, True),
    ("a new store with it, then DELETE of the file", new_store, delete_file, True),
    ("another file", delete_other_file, create_batch, False),
    ("two files", delete_file, delete_other_file, False),
    # what is new concerns nobody
    ("two batches of a store", create_batch, create_batch_of_files, False),
    ("two batches of two stores", create_batch, create_elsewhere, False),
    ("two uploads", upload, upload, False),
    ("two new stores", new_store, new_store, False),
    ("cancel twice", cancel, cancel, True),
    ("cancel, then another batch", cancel, create_batch, False),
]


@pytest.mark.parametrize(("first", "second", "waits"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
def test_order_of_two_requests(first: Affected, second: Affected, waits: bool) -> None:
    """The second waits exactly when both concern one object, and one of them changes it."""
    assert waits_for([first, second]) == [[], [0] if waits else []]


def test_order_of_a_change_between_uses() -> None:
    """Uses before it are waited for by it, uses after it wait for it, and not for each other."""
    assert waits_for([create_batch, create_batch, rename_store, create_batch, create_batch, delete_store]) == [
        [],
        [],
        [0, 1],
        [2],
        [2],
        [2, 3, 4],
    ]


def test_order_between_creates_is_free() -> None:
    """200 batches of one store are sent concurrently."""
    assert waits_for([create_batch] * 200) == [[]] * 200


def test_order_costs_what_the_requests_name() -> None:
    """10,000 creates and a DELETE at either end: each create waits for one, the last for all."""
    waits = waits_for([rename_store, *[create_batch] * 10_000, delete_store])
    assert waits[1:-1] == [[0]] * 10_000
    assert len(waits[-1]) == 10_001
    missing, followers = counts_and_followers(waits)
    assert missing[:2] == [0, 1]
    assert len(followers[0]) == 10_001
