"""A form on its way: what another parser reads from it, that it is not held in memory, and can be sent twice."""

from __future__ import annotations

import hashlib
import itertools
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.protocol.multipart import CHUNK, form
from openai_vtab.schema.file_to_upload import FileToUpload
from openai_vtab.schema.spool import Spool, Spooled
from openai_vtab.schema.upload_root import Place

from ..support.contract import fields


def parsed(given: Mapping[str, Any]) -> dict[str, Any]:
    body = form(given)
    raw = b"".join(body)
    assert len(raw) == len(body)
    assert b"".join(body) == raw, "it can be read again"
    return fields(body.content_type, raw)


def test_form_of_texts_objects_and_a_file() -> None:
    """An object's members are fields of their own, as OpenAI has them."""
    given = {
        "purpose": "assistants",
        "expires_after": {"anchor": "created_at", "seconds": 3600},
        "file": FileToUpload("a.md", b"content"),
    }
    assert parsed(given) == {
        "purpose": "assistants",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "3600",
        "file": ("a.md", b"content"),
    }


@pytest.mark.parametrize("value", ["", "ü €", 'a"b', "a\r\nb", "--x\r\n--", "a=b; c"])
def test_form_field_of_any_text(value: str) -> None:
    """As it was given."""
    assert parsed({"purpose": value, "other": "x"}) == {"purpose": value, "other": "x"}


@pytest.mark.parametrize(
    ("name", "arrives"),
    [
        ("a b.md", "a b.md"),
        ("Prüfung – «ß».md", "Prüfung – «ß».md"),
        ("日本語\u3000資料.txt", "日本語\u3000資料.txt"),
        ("it's; a=b.md", "it's; a=b.md"),
        ('say "hi".md', 'say "hi".md'),
        ('x"; name="purpose', 'x"; name="purpose'),
        ("C:\\docs\\a.md", "C:\\docs\\a.md"),
        ("back\\", "back\\"),
        ("two\\\\.md", "two\\\\.md"),
        ('\\"; x="', '\\"; x="'),
        ("100%.md", "100%.md"),
        ("a%0Ab%5C.md", "a%0Ab%5C.md"),
        ("a\r\nContent-Type: text/html\r\n\r\nb", "a%0D%0AContent-Type: text/html%0D%0A%0D%0Ab"),
    ],
)
def test_form_filename_of_any_text(name: str, arrives: str) -> None:
    """Quotes and backslashes arrive as they are; of line breaks, which no name may have, none ends the header."""
    found = parsed({"purpose": "p", "file": FileToUpload(name, b"x")})
    assert set(found) == {"purpose", "file"}
    assert found["file"][1] == b"x"
    assert found["file"][0] == arrives


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("where", ["in memory", "on disk", "in a spool"])
def test_form_file_of_any_size(tmp_path: Path, size: int, where: str) -> None:
    """In pieces of at most a chunk, and with its SHA-256."""
    data = bytes(n % 251 for n in range(1000)) * (size // 1000 + 1)
    data = data[:size]
    content: bytes | Place | Spooled = data
    spool = Spool(memory=0)
    if where == "on disk":
        (tmp_path / "f").write_bytes(data)
        content = Place(str(tmp_path), str(tmp_path / "f"))
    elif where == "in a spool":
        spool.keep(b"another")
        content = spool.keep(data)
    body = form({"file": FileToUpload("f", content)})
    assert body.sha256 is None
    assert max(map(len, body)) <= CHUNK
    assert fields(body.content_type, b"".join(body)) == {"file": ("f", data)}
    assert body.sha256 == hashlib.sha256(data).hexdigest()
    spool.close()


def test_form_boundary_within_the_content() -> None:
    """It is another for every form."""
    first, second = form({"a": "b"}), form({"a": "b"})
    assert first.content_type != second.content_type
    inner = b"".join(form({"purpose": "evil", "file": FileToUpload("x", b"y")}))
    assert parsed({"purpose": "good", "file": FileToUpload("f", inner)}) == {"purpose": "good", "file": ("f", inner)}


def test_form_does_not_hold_a_file_in_memory(tmp_path: Path) -> None:
    """64 MB need some 2."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 * CHUNK)
    body = form({"file": FileToUpload("large", Place(str(tmp_path), str(path)))})
    tracemalloc.start()
    try:
        assert sum(map(len, body)) == len(body) > 64 * CHUNK
        assert tracemalloc.get_traced_memory()[1] < 4 * CHUNK
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("change", ["longer", "shorter", "empty", "gone"])
def test_form_of_a_file_that_changes_is_not_sent_in_part(tmp_path: Path, change: str) -> None:
    """Its length has been promised; nothing that a parser would take for a whole form leaves."""
    path = tmp_path / "f.md"
    path.write_bytes(b"x" * 1000)
    body = form({"purpose": "p", "file": FileToUpload("f.md", Place(str(tmp_path), str(path)))})
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes({"longer": b"y" * 1001, "shorter": b"y" * 999, "empty": b""}[change])
    sent = b""
    with pytest.raises(OSError, match=r"f\.md"):
        for part in body:
            sent += part
    assert len(sent) < len(body)
    assert not sent.endswith(b"--\r\n")
    assert body.sha256 is None


def test_form_sha256_is_that_of_the_latest_attempt(tmp_path: Path) -> None:
    """Attempts that end early have none; the file may change between two of them."""
    path, before, after = tmp_path / "f", b"x" * (2 * CHUNK), b"y" * (2 * CHUNK)
    path.write_bytes(before)
    body = form({"purpose": "p", "file": FileToUpload("f", Place(str(tmp_path), str(path)))})
    whole = len(list(body))
    assert body.sha256 == hashlib.sha256(before).hexdigest()
    for count in range(whole - 1):  # the last two pieces come after the file
        assert len(list(itertools.islice(body, count))) == count
        assert body.sha256 is None
    path.write_bytes(after)
    assert after in b"".join(body)
    assert body.sha256 == hashlib.sha256(after).hexdigest()


def test_form_that_has_begun_does_not_open_a_small_file_again(tmp_path: Path) -> None:
    """What was read before the first byte leaves is what is sent, once; the next attempt finds the change."""
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    body = form({"purpose": "p", "file": FileToUpload("f", Place(str(tmp_path), str(path)), 1000)})
    body.begin()
    path.unlink()
    assert b"x" * 1000 in b"".join(body)
    with pytest.raises(OSError, match="f has changed since its row was inserted"):
        body.begin()


@pytest.mark.parametrize("size", [1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("more", [-1, 1])
def test_form_does_not_begin_with_a_file_of_another_size(tmp_path: Path, size: int, more: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (size + more))
    body = form({"purpose": "p", "file": FileToUpload("f", Place(str(tmp_path), str(path)), size)})
    with pytest.raises(OSError, match="f has changed since its row was inserted"):
        body.begin()
