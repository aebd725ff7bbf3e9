"""Which errors of a COMMIT are about single documents."""

from __future__ import annotations

import pytest

from openai_vtab.errors import APIConnectionError, APIError, Error, RowError, WriteError
from openai_vtab.sync.refused import has_changed_file, refused_rows

UPLOAD, ATTACH = "POST https://api.openai.com/v1/files", "POST https://api.openai.com/v1/vector_stores/vs_1/files"


def several(cause: Error, unknown: bool = False) -> WriteError:
    """A WriteError: row 1 was done, row 2 refused, row 3 not sent, and row 9 is no document of the transaction."""
    error = WriteError(
        "problem",
        done=[(1, "file-1")],
        not_done=[(2, "why"), (3, "not sent"), (9, "why")],
        unknown=[(1, "timeout")] if unknown else [],
        partial=[],
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (several(APIError("400", request=UPLOAD, status=400)), {2: "why"}),
        (several(APIError("400", request=UPLOAD, status=400), unknown=True), {}),
        (several(APIError("401", request=UPLOAD, status=401)), {}),
        (several(APIError("400", request=ATTACH, status=400)), {}),
        (several(APIConnectionError("no response", request=UPLOAD, sent=False)), {}),
        (APIError("400", request=UPLOAD, status=400), {}),  # of which document is not known
        (RowError("wrong"), {}),
    ],
    ids=str,
)
def test_refused_rows_are_those_of_uploads(error: Error, refused: dict[int, str]) -> None:
    """Other errors would meet every document."""
    assert refused_rows(error, {1, 2, 3}) == refused


def test_refused_row_of_a_single_document_is_known() -> None:
    """Its own error is raised then."""
    assert refused_rows(APIError("400", request=UPLOAD, status=400), {7}) == {7: f"{UPLOAD}: 400"}


def test_changed_file_is_the_cause_of_the_error() -> None:
    """By itself, or of a WriteError that lists what was uploaded."""
    assert has_changed_file(RowError("the file has changed"))
    assert has_changed_file(several(RowError("the file has changed")))
    assert not has_changed_file(APIError("400", request=UPLOAD, status=400))
