"""Which method serves a write, and which are refused."""

from __future__ import annotations

import pytest

from openai_vtab.errors import RowError, UnsupportedWriteError
from openai_vtab.planner import (
    adopted,
    delete,
    insert,
    update,
)
from openai_vtab.schema.values import Limits
from openai_vtab.tables import vector_store_file_batches as batches


def test_insert_chooses_the_method_by_the_columns_given() -> None:
    """file_ids or files; StackQL's names are the same columns."""
    method, parameters = insert(batches, {"vector_store_id": "vs_1", "data__files": '[{"file_id": "a"}]'}, Limits())
    assert method.required == ("files",)
    assert parameters == {"vector_store_id": "vs_1", "files": [{"file_id": "a"}]}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"file_ids": '["a"]'},
            "vector_store_file_batches.vector_store_id is missing or NULL; give (vector_store_id, file_ids) or (vector_store_id, files)",
        ),
        ({"vector_store_id": "vs"}, "vector_store_file_batches.file_ids is missing or NULL"),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "data__file_ids": '["a"]'},
            "data__file_ids is another name of file_ids",
        ),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "files": "[]"},
            "files cannot be given together with file_ids",
        ),
        (
            {"vector_store_id": "vs", "file_ids": '["a"]', "status": "x"},
            "status comes from the API and cannot be inserted",
        ),
        ({"vector_store_id": "vs", "file_ids": "[1]"}, "vector_store_file_batches.file_ids: item 0 is 1"),
    ],
)
def test_insert_refuses(given: dict[str, str], problem: str) -> None:
    """With the table, the column and what to write."""
    with pytest.raises(RowError) as caught:
        insert(batches, given, Limits())
    assert problem in str(caught.value)


def test_update_and_delete_choose_the_method() -> None:
    """The one UPDATE there is, and sentences for everything else."""
    method, sent = update(batches, {"status": "cancelled"}, Limits())
    assert method.route.endswith("/cancel")
    assert sent == {}
    for changed in ({"status": "completed"}, {"status": "cancelled", "object": "x"}, {"object": "x"}, {}):
        with pytest.raises(UnsupportedWriteError, match="an UPDATE can only SET status = 'cancelled'"):
            update(batches, changed, Limits())
    with pytest.raises(
        UnsupportedWriteError, match=r"no way to DELETE; UPDATE .* SET status = 'cancelled' is possible"
    ):
        delete(batches)


def test_adopt_is_chosen_by_the_columns_given() -> None:
    """The keys alone, by either name, and in the order of the path."""
    expected = {"vector_store_id": "vs_1", "id": "vsfb_1"}
    for name in ("id", "batch_id"):
        keys = adopted(batches, {name: "vsfb_1", "vector_store_id": "vs_1"}, Limits())
        assert keys == expected
        assert list(keys) == ["vector_store_id", "id"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": "vsfb_1"},
        {"vector_store_id": "vs_1"},
        {"id": "vsfb_1", "batch_id": "vsfb_1"},
        {"id": "vsfb_1", "batch_id": "vsfb_1", "vector_store_id": "vs_1"},
        {"id": "vsfb_1", "vector_store_id": "vs_1", "file_ids": '["a"]'},
        {"id": "vsfb_1", "vector_store_id": "vs_1", "status": "completed"},
    ],
)
def test_adopt_is_not_chosen_otherwise(given: dict[str, str]) -> None:
    """It is a create, or refused as one."""
    assert adopted(batches, given, Limits()) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [(7, "7 is not an id"), ("..", "'..' is not an id"), (b"x", "a BLOB"), ("a b", "contains white space")],
)
def test_adopt_refuses(value: object, problem: str) -> None:
    """With the table and the column."""
    with pytest.raises(RowError, match=f"vector_store_file_batches.batch_id: .*{problem}"):
        adopted(batches, {"batch_id": value, "vector_store_id": "vs_1"}, Limits())  # type: ignore[dict-item]
