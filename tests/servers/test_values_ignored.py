"""A server that ignores values: names, metadata, attributes, how long a store or file lives, its purpose and name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.sandbox import Received
from openai_vtab.sandbox.messages import Response

from .conftest import changed, without

IGNORED = ("name", "metadata", "attributes", "expires_after", "description")
UPLOAD = "INSERT INTO files (filename, content, purpose, expires_after) VALUES ('docs/a.md', 'x', 'assistants', ?)"
IN_A_DAY = '{"anchor": "created_at", "seconds": 86400}'
FILE = "vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'"

Warned = Callable[[], list[str]]
Requests = Callable[[], list[str]]


def ignore(received: Received, carry_out: Callable[[Received], Response]) -> Response:
    """Carry out a write of JSON without the ignored members; an UPDATE of nothing else is a GET."""
    if received.method != "POST" or not isinstance(received.body, dict):
        return carry_out(received)
    kept = without(received, *IGNORED)
    if received.body and not kept.body and len(received.segments) in (2, 4):
        return carry_out(Received("GET", received.path, received.headers, b""))
    return carry_out(kept)


STORES, FILES = "POST /vector_stores", "POST /vector_stores/vs_demo/files"


@pytest.mark.parametrize(
    ("sql", "sent", "warning"),
    [
        (
            "INSERT INTO vector_stores (name) VALUES ('new')",
            [STORES],
            "vector_stores.name: 'new' was sent, and the response shows ''",
        ),
        (
            """INSERT INTO vector_stores (metadata) VALUES ('{"team": "docs"}')""",
            [STORES],
            'vector_stores.metadata: {"team": "docs"} was sent, and the response shows {}',
        ),
        (
            "UPDATE vector_stores SET name = 'new' WHERE id = 'vs_demo'",
            ["GET /vector_stores/vs_demo", f"{STORES}/vs_demo"],
            "vector_stores.name: 'new' was sent, and the response shows 'Handbook'",
        ),
        (
            """UPDATE vector_stores SET expires_after = '{"anchor": "last_active_at", "days": 7}' WHERE id = 'vs_demo'""",
            ["GET /vector_stores/vs_demo", f"{STORES}/vs_demo"],
            None,  # the response has no such member
        ),
        (
            "INSERT INTO vector_store_files (vector_store_id, file_id, attributes)"
            """ VALUES ('vs_demo', 'file-new-01', '{"year": 2026}')""",
            [FILES],
            'vector_store_files.attributes: {"year": 2026} was sent, and the response shows {}',
        ),
        (
            f"""UPDATE vector_store_files SET attributes = '{{"year": 2026}}' WHERE {FILE}""",
            ["GET /vector_stores/vs_demo/files/file-demo-01", f"{FILES}/file-demo-01"],
            'vector_store_files.attributes: {"year": 2026} was sent, and the response shows {"lang": "en"}',
        ),
        (
            f"UPDATE vector_store_files SET attributes = '{{}}' WHERE {FILE}",
            ["GET /vector_stores/vs_demo/files/file-demo-01", f"{FILES}/file-demo-01"],
            'vector_store_files.attributes: {} was sent, and the response shows {"lang": "en"}',
        ),
        (
            f"""UPDATE vector_store_files SET attributes = '{{"lang": "en"}}' WHERE {FILE}""",
            ["GET /vector_stores/vs_demo/files/file-demo-01", f"{FILES}/file-demo-01"],
            None,  # what was there is what was sent
        ),
    ],
    ids=str,
)
def test_ignored_values_are_warned_of(
    db: apsw.Connection,
    sandbox: Any,
    serve_by: Any,
    warned: Warned,
    requests: Requests,
    sql: str,
    sent: list[str],
    warning: str | None,
) -> None:
    """In the log and in openai_requests, without another request."""
    with sandbox._state.lock:
        sandbox._state.stores["vs_demo"].name = "Handbook"
        sandbox._state.stores["vs_demo"].files["file-demo-01"].attributes = {"lang": "en"}
    serve_by(ignore)
    db.execute(sql)
    assert requests() == sent
    assert warned() == ([] if warning is None else [warning])


def test_ignored_values_of_an_upload(db: apsw.Connection, serve_by: Any, warned: Warned) -> None:
    """Another purpose, another name, and a file that never expires; folders that are cut off are no difference."""

    def other(received: Received, carry_out: Callable[[Received], Response]) -> Response:
        return changed(carry_out(received), lambda body: body.update(shown))

    serve_by(other)
    shown: dict[str, Any] = {"filename": "a.md"}
    db.execute(UPLOAD, (IN_A_DAY,))
    assert warned() == []
    shown = {"filename": "file.bin", "purpose": "user_data", "expires_at": None}
    db.execute(UPLOAD, (IN_A_DAY,))
    assert warned() == [
        "files.filename: 'docs/a.md' was sent, and the response shows 'file.bin'; "
        "files.purpose: 'assistants' was sent, and the response shows 'user_data'; "
        'files.expires_after: {"anchor": "created_at", "seconds": 86400} was sent, and the response shows '
        "expires_at null"
    ]
    db.execute(UPLOAD, (None,))
    assert [text.count(" was sent") for text in warned()] == [2]


def test_ignored_values_of_a_local_file(
    connect: Any, serve_by: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file's own name is what is sent."""
    (tmp_path / "a.md").write_text("hello")
    db = connect(upload_root=tmp_path)
    serve_by(lambda received, carry_out: changed(carry_out(received), lambda body: body.update(filename="upload")))
    db.execute("INSERT INTO files (path, purpose) VALUES ('a.md', 'assistants')")
    assert caplog.messages[0].endswith("/files: files.filename: 'a.md' was sent, and the response shows 'upload'")


def test_ignored_values_never_show_the_key(db: apsw.Connection, sandbox: Any, serve_by: Any, warned: Warned) -> None:
    """A server may write the key into any value."""
    serve_by(lambda received, carry_out: changed(carry_out(received), lambda body: body.update(name=sandbox.api_key)))
    db.execute("INSERT INTO vector_stores (name) VALUES ('new')")
    assert warned() == ["vector_stores.name: 'new' was sent, and the response shows '[key]'"]


def test_numbers_that_become_text_are_warned_of(db: apsw.Connection, serve_by: Any, warned: Warned) -> None:
    """A filter compares numbers with numbers: the file would not be found."""

    def as_text(body: dict[str, Any]) -> None:
        body["attributes"] = {name: str(value) for name, value in (body.get("attributes") or {}).items()}

    serve_by(lambda received, carry_out: changed(carry_out(received), as_text))
    db.execute(f"""UPDATE vector_store_files SET attributes = '{{"year": 2026, "lang": "en"}}' WHERE {FILE}""")
    assert warned() == [
        'vector_store_files.attributes: {"year": 2026, "lang": "en"} was sent, and the response shows '
        '{"year": "2026", "lang": "en"}'
    ]


def test_dry_run_compares_nothing(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """There is no response."""
    db = connect(dry_run=True)
    db.execute("INSERT INTO vector_stores (name) VALUES ('new')")
    assert db.execute("SELECT warning FROM openai_requests").fetchall() == [(None,)]
