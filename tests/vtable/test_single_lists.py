"""A list that comes in one response, of objects that can be looked up as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer
from openai_vtab.schema.columns import ERROR, RAW
from openai_vtab.schema.table import Column, Listing, Method, Table

MODELS = Table(
    "models",
    "Models that the account can use.",
    columns=(
        Column("id", "TEXT", "The model's id."),
        Column("owned_by", "TEXT", "The organization that owns the model."),
        Column("model_id", "TEXT", "The same as id.", hidden=True, source="id"),
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", "GET /models/{model_id}"),
        Method("SELECT", "GET /models", listing=Listing.SINGLE),
        Method("DELETE", "DELETE /models/{model_id}"),
    ),
    object="model",
)


def model(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1, "owned_by": owner}


@pytest.fixture
def db(connect: Callable[..., apsw.Connection], monkeypatch: pytest.MonkeyPatch) -> apsw.Connection:
    monkeypatch.setattr("openai_vtab.connection.TABLES", (MODELS,))
    return connect()


def test_single_list_has_the_keys_of_look_ups(db: apsw.Connection, sandbox: Any, requests: Any) -> None:
    """So that a DELETE knows which object a row of the list is."""
    listed = {"object": "list", "data": [model("gpt-a", "system"), model("ft:b", "me")]}
    sandbox.inject(Answer(listed), times=None, method="GET")
    sandbox.inject(Answer({"id": "ft:b", "object": "model", "deleted": True}), method="DELETE")
    assert db.execute("SELECT id, owned_by FROM models").fetchall() == [("gpt-a", "system"), ("ft:b", "me")]
    db.execute("DELETE FROM models WHERE owned_by = 'me'")
    assert requests() == ["GET /models", "GET /models", "DELETE /models/ft%3Ab"]


def test_single_list_with_an_object_without_an_id_is_an_error(db: apsw.Connection, sandbox: Any, requests: Any) -> None:
    """Its row could not be told from others, and nothing is deleted for it."""
    sandbox.inject(Answer({"object": "list", "data": [{"object": "model", "owned_by": "me"}]}), times=None)
    with pytest.raises(openai_vtab.APIError, match="an object of the list has no id"):
        db.execute("DELETE FROM models WHERE true")
    assert requests() == ["GET /models"]
