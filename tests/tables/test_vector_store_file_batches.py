"""The table over recorded exchanges: cassettes/README.md says what they were recorded from."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
import vcr

import openai_vtab

from ..support.recording import FILES, STORE, Place

T = "vector_store_file_batches"
FILE_1, FILE_2, _ = FILES
CREATE = f"POST /vector_stores/{STORE}/file_batches"
CASSETTES = Path(__file__).parents[2] / "cassettes"

Sent = Callable[[Any], list[tuple[str, Any]]]


def create(db: apsw.Connection, place: Place, *files: str, **columns: str) -> str:
    """A batch of these files; its id."""
    names = "".join(f", {name}" for name in columns)
    marks = ", ?" * len(columns)
    values = tuple(place.real(file) for file in files)
    db.execute(
        f"INSERT INTO {T} (vector_store_id, file_ids{names}) VALUES (?, json_array({', '.join('?' * len(files))}){marks})",
        (place.real(STORE), *values, *columns.values()),
    )
    return str(db.execute(f"SELECT id FROM {T} WHERE rowid = last_insert_rowid()").get)


def finished(db: apsw.Connection, place: Place, batch: str, pause: Callable[[], None]) -> tuple[Any, ...]:
    """The batch's row once it is not in progress any more."""
    while True:
        row = db.execute(
            f"SELECT *, completed_count, failed_count, cancelled_count, total_count FROM {T} WHERE vector_store_id = ? AND batch_id = ?",
            (place.real(STORE), batch),
        ).fetchone()
        if row[4] != "in_progress":
            return tuple(row)
        pause()


@pytest.mark.vcr
@pytest.mark.capability("file batches: create by file_ids with attributes, wait for the end")
def test_insert_and_select_until_it_has_finished(
    replayed: apsw.Connection, place: Place, cassette: Any, pause: Callable[[], None], sent: Sent
) -> None:
    """One POST, and GETs of the batch that it made."""
    batch = create(replayed, place, FILE_1, FILE_2, attributes='{"lang":"en"}')
    row = finished(replayed, place, batch, pause)
    assert row[0] == batch
    assert re.fullmatch(r"vector_store\.files?_batch", row[3])
    assert row[4:6] == ("completed", place.real(STORE))
    assert row[6:] == (2, 0, 0, 2)
    requests = sent(cassette)
    assert requests[0] == (CREATE, {"file_ids": [FILE_1, FILE_2], "attributes": {"lang": "en"}})
    assert set(requests[1:]) == {(f"GET /vector_stores/{STORE}/file_batches/{batch}", None)}


@pytest.mark.vcr
@pytest.mark.capability("file batches: create by files, with attributes of their own")
def test_insert_files_with_attributes_of_their_own(
    replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent
) -> None:
    """The shared strategy is in each object."""
    replayed.execute(
        f"INSERT INTO {T} (vector_store_id, data__files, data__chunking_strategy) VALUES (?, json_array("
        "json_object('file_id', ?, 'attributes', json_object('n', 1)), json_object('file_id', ?)), '{\"type\":\"auto\"}')",
        (place.real(STORE), place.real(FILE_1), place.real(FILE_2)),
    )
    assert replayed.execute(f"SELECT total_count FROM {T} WHERE rowid = last_insert_rowid()").get == 2
    auto = {"type": "auto"}
    assert sent(cassette)[0] == (
        CREATE,
        {
            "files": [
                {"file_id": FILE_1, "attributes": {"n": 1}, "chunking_strategy": auto},
                {"file_id": FILE_2, "chunking_strategy": auto},
            ]
        },
    )


@pytest.mark.vcr
@pytest.mark.capability("file batches: an unknown id is no row")
def test_join_with_a_local_table(replayed: apsw.Connection, place: Place, cassette: Any, sent: Sent) -> None:
    """One GET for each pair; a batch that does not exist is NULL in a LEFT JOIN."""
    batches = [create(replayed, place, FILE_1), create(replayed, place, FILE_2)]
    replayed.execute("CREATE TABLE imports (name, vector_store_id, batch_id)")
    rows = [(f"import {n}", place.real(STORE), batch) for n, batch in enumerate([*batches, "vsfb_0"])]
    replayed.executemany("INSERT INTO imports VALUES (?, ?, ?)", rows)
    joined = f"SELECT name, total_count FROM imports LEFT JOIN {T} USING (vector_store_id, batch_id) ORDER BY name"
    assert replayed.execute(joined).fetchall() == [("import 0", 1), ("import 1", 1), ("import 2", None)]
    gets = [request for request, _ in sent(cassette)[4:]]
    assert gets == [f"GET /vector_stores/{STORE}/file_batches/{batch}" for batch in [*batches, "vsfb_0"]]


@pytest.mark.vcr
@pytest.mark.capability("file batches: cancel")
@pytest.mark.openai_own("two small files are in progress long enough to be cancelled")
@pytest.mark.parametrize("way", ["UPDATE", "function"])
def test_cancel(
    replayed: apsw.Connection, place: Place, cassette: Any, pause: Callable[[], None], sent: Sent, way: str
) -> None:
    """By UPDATE, and by the function, which gives the answer as JSON."""
    batch = create(replayed, place, FILE_1, FILE_2)
    keys = (place.real(STORE), batch)
    if way == "UPDATE":
        replayed.execute(f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = ? AND batch_id = ?", keys)
    else:
        assert replayed.execute("SELECT cancel_vector_store_file_batch(?, ?) ->> 'id'", keys).get == batch
    assert (f"POST /vector_stores/{STORE}/file_batches/{batch}/cancel", None) in sent(cassette)
    assert finished(replayed, place, batch, pause)[4] == "cancelled"


@pytest.mark.vcr
@pytest.mark.capability("errors: 404 with a message and a request id")
@pytest.mark.openai_own("an unknown vector store is 404, and each response has an x-request-id")
def test_error_carries_the_apis_words(replayed: apsw.Connection, place: Place) -> None:
    """Status, message and request id; the key is not in it."""
    with pytest.raises(openai_vtab.APIError) as caught:
        replayed.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_0', '[\"file-0\"]')")
    error = caught.value
    assert "there is no such route" not in str(error), error
    assert error.status == 404
    assert error.message is not None
    assert "vs_0" in error.message
    assert error.request_id in str(error)
    assert error.request == f"POST {place.base_url}/vector_stores/vs_0/file_batches"


def test_cassette_does_not_replay_another_body(vcr_config: dict[str, Any]) -> None:
    """A cassette that matched without the body would hide a wrong file id."""
    path = CASSETTES / "test_vector_store_file_batches" / "test_insert_and_select_until_it_has_finished.yaml"
    with (
        closing(openai_vtab.connect(api_key="no-key-is-needed-to-replay", max_retries=0)) as db,
        vcr.use_cassette(str(path), record_mode="none", **vcr_config) as cassette,
    ):
        with pytest.raises(openai_vtab.APIConnectionError, match="closest differ in body"):
            create(db, Place(), FILE_1, FILE_1, attributes='{"lang":"en"}')
        assert cassette.play_count == 0
        create(db, Place(), FILE_1, FILE_2, attributes='{"lang":"en"}')
        assert cassette.play_count == 2


@pytest.mark.parametrize("path", sorted(CASSETTES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_cassette_holds_no_key_and_no_address(path: Path) -> None:
    """It may be published."""
    text = path.read_text(encoding="utf-8").lower()
    for word in (
        "authorization",
        "api-key",
        "bearer",
        "sk-",
        "sandbox-key",
        "127.0.0.1",
        "localhost",
        "organization",
        "cookie",
    ):
        assert word not in text


def test_cassette_of_every_recorded_test_exists() -> None:
    """The check above looks at some."""
    assert len(list(CASSETTES.rglob("*.yaml"))) >= 6
