"""files: uploads, what is uploaded from where, and what is read and deleted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Raw, Status
from openai_vtab.schema import validators

Requests = Callable[[], list[str]]
Sent = Callable[[Any], list[tuple[str, Any]]]
Bodies = Callable[[], list[tuple[str, Any]]]
DAY = '{"anchor":"created_at","seconds":86400}'


@pytest.mark.vcr
def test_a_life(replayed: apsw.Connection, cassette: Any, sent: Sent) -> None:
    """Upload, look, list, delete: the requests, with the form's fields."""
    replayed.execute(
        "INSERT INTO files (filename, content, purpose, expires_after) VALUES ('Prüfung 1.md', '# Wörter', 'user_data', ?)",
        (DAY,),
    )
    row = replayed.execute(
        "SELECT id, filename, bytes, purpose, expires_at - created_at FROM files WHERE rowid = last_insert_rowid()"
    ).get
    id = row[0]
    assert row[1:] == ("Prüfung 1.md", 9, "user_data", 86400)
    newest = "SELECT id FROM files WHERE purpose = 'user_data' ORDER BY created_at DESC LIMIT 1"
    assert replayed.execute(newest).get == id
    replayed.execute("DELETE FROM files WHERE file_id = ?", (id,))
    assert replayed.execute("SELECT * FROM files WHERE id = ?", (id,)).fetchall() == []
    form = {
        "purpose": "user_data",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "86400",
        "file": ("Prüfung 1.md", "# Wörter".encode()),
    }
    assert sent(cassette) == [
        ("POST /files", form),
        (f"GET /files/{id}", None),
        ("GET /files?purpose=user_data&limit=1&order=desc", None),
        (f"GET /files/{id}", None),
        (f"DELETE /files/{id}", None),
        (f"GET /files/{id}", None),
    ]


@pytest.mark.vcr
def test_content_is_downloaded(replayed: apsw.Connection, cassette: Any, sent: Sent) -> None:
    """A request of its own for each row that is read."""
    replayed.execute(
        "INSERT INTO files (filename, content, purpose) VALUES ('in.jsonl', '{\"custom_id\":\"ü\"}', 'batch')"
    )
    row = replayed.execute("SELECT id, content FROM files WHERE rowid = last_insert_rowid()").get
    assert row[1] == '{"custom_id":"ü"}'.encode()
    form = {"purpose": "batch", "file": ("in.jsonl", row[1])}
    assert sent(cassette) == [
        ("POST /files", form),
        (f"GET /files/{row[0]}", None),
        (f"GET /files/{row[0]}/content", None),
    ]


def test_select_star_is_the_documented_resource(db: apsw.Connection, requests: Requests) -> None:
    """What is only for uploading is hidden, and NULL; the content is not downloaded."""
    cursor = db.execute("SELECT *, file_id, path FROM files WHERE id = 'file-demo-01'")
    row = dict(zip((c[0] for c in cursor.get_description()), next(cursor), strict=True))
    created = row.pop("created_at")
    assert isinstance(created, int)
    assert row == {
        "id": "file-demo-01", "filename": "returns.md", "purpose": "assistants", "bytes": 82, "expires_at": None,
        "status": "processed", "object": "file", "file_id": "file-demo-01", "path": None,
    }  # fmt: skip
    assert requests() == ["GET /files/file-demo-01"]


def upload(db: apsw.Connection, **columns: Any) -> None:
    marks = ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO files ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))


@pytest.mark.parametrize(
    ("content", "bytes_"),
    [
        (b"\x00\xff\r\n--\x00", b"\x00\xff\r\n--\x00"),
        ("text ü €", "text ü €".encode()),
        ("a\r\nb\n", b"a\r\nb\n"),
        (b"x" * 3_000_000, b"x" * 3_000_000),
    ],
    ids=["bytes", "text", "line ends", "3 MB"],
)
def test_content_arrives_as_it_is(
    db: apsw.Connection, sandbox: Any, bodies: Bodies, content: Any, bytes_: bytes
) -> None:
    """A BLOB byte by byte, text as UTF-8."""
    upload(db, filename="a.md", content=content, purpose="assistants")
    assert bodies() == [("POST /files", {"purpose": "assistants", "file": ("a.md", bytes_)})]
    assert db.execute("SELECT bytes FROM files WHERE rowid = last_insert_rowid()").get == len(bytes_)


@pytest.mark.parametrize(
    "name",
    [
        "a b.md",
        'say "hi".md',
        "it's.md",
        "Prüfung €.md",
        "日本語\u3000資料.txt",
        "Screenshot 9\u202fAM.md",
        "a;b=c.md",
        "..",
        "x" * 200 + ".md",
        "C:\\docs\\a.md",
        "back\\",
        'a\\"b\\\\.md',
        "100% sure.md",
        "a%20b%0D.md",
    ],
)
def test_any_name_arrives(db: apsw.Connection, sandbox: Any, name: str) -> None:
    """One file with one name, as it was given."""
    upload(db, filename=name, content=b"x", purpose="assistants")
    (file,) = [file for id, file in sandbox._state.files.items() if file.content == b"x"]
    assert file.filename == name
    assert file.purpose == "assistants"


REFUSED = {
    "no content": ({"filename": "a", "purpose": "p"}, "files.content: it is missing or NULL; write content and filename and purpose or path and purpose"),
    "no name": ({"content": b"x", "purpose": "p"}, "files.filename: it is missing or NULL; write content and filename and purpose or"),
    "no purpose": ({"content": b"x", "filename": "a"}, "files.purpose: it is missing or NULL"),
    "empty": ({"content": b"", "filename": "a", "purpose": "p"}, "files.content: the content is empty; write at least one byte"),
    "a number": ({"content": 5, "filename": "a", "purpose": "p"}, "files.content: 5 is no content; write a BLOB or text, for instance readfile("),
    "a name of blanks": ({"content": b"x", "filename": " ", "purpose": "p"}, "files.filename: ' ' is not a file name; write a name such as 'returns.md'"),
    "a name with a line break": ({"content": b"x", "filename": "a\r\nb", "purpose": "p"}, "is not a file name"),
    "a name that servers read in two ways": ({"content": b"x", "filename": "a%22b.md", "purpose": "p"}, "files.filename: 'a%22b.md' contains %22, which servers read as a quotation mark; write the name without it"),
    "a name that is none": ({"content": b"x", "filename": 5, "purpose": "p"}, "files.filename: 5 is not text"),
    "a purpose that is none": ({"content": b"x", "filename": "a", "purpose": 5}, "files.purpose: 5 is not text; write text"),
    "both": ({"content": b"x", "filename": "a", "purpose": "p", "path": "x"}, "files.path: it cannot be given together with content, filename; write one of them"),
    "a path with content": ({"content": b"x", "purpose": "p", "path": "x"}, "files.content: it cannot be given together with path; write one of them"),
    "a path with a name": ({"filename": "x", "purpose": "p", "path": "x"}, "files.filename: it cannot be given together with path; write one of them"),
    "an id": ({"id": "x", "content": b"x", "filename": "a", "purpose": "p"}, "files.id: it comes from the API and cannot be inserted; write only filename, purpose, content, path, expires_after"),
    "expires too soon": ({"content": b"x", "filename": "a", "purpose": "p", "expires_after": DAY.replace("86400", "60")}, "files.expires_after: seconds is 60; write a number from 3600 to 2592000"),
    "the stores' expiry": ({"content": b"x", "filename": "a", "purpose": "p", "expires_after": '{"anchor":"last_active_at","days":1}'}, "is no expires_after; write json_object('anchor', 'created_at', 'seconds', 3600)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_insert_refuses(db: apsw.Connection, requests: Requests, case: str) -> None:
    """Before anything is sent, with the column and what to write."""
    columns, problem = REFUSED[case]
    with pytest.raises(openai_vtab.RowError) as caught:
        upload(db, **columns)
    assert problem in str(caught.value)
    assert requests() == []


def test_the_largest_file(connect: Any, requests: Requests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """512 MB at the API; one byte more is refused, from wherever it comes."""
    assert validators.MAX_FILE == 512 * 1024 * 1024
    monkeypatch.setattr(validators, "MAX_FILE", 1000)
    db = connect(upload_root=tmp_path)
    upload(db, filename="a", content=b"x" * 1000, purpose="assistants")
    (tmp_path / "b").write_bytes(b"x" * 1000)
    upload(db, path="b", purpose="assistants")
    requests()
    with pytest.raises(
        openai_vtab.RowError, match=r"files.content: 1001 bytes are more than the 1000 of a file; write it in parts"
    ):
        upload(db, filename="a", content=b"x" * 1001, purpose="assistants")
    with pytest.raises(openai_vtab.RowError, match="1002 bytes are more than"):
        upload(db, filename="a", content="ü" * 501, purpose="assistants")
    (tmp_path / "b").write_bytes(b"x" * 1001)
    with pytest.raises(
        openai_vtab.RowError, match=r"files.path: 'b' has 1001 bytes; write the path of a file of 1 to 1000 bytes"
    ):
        upload(db, path="b", purpose="assistants")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(openai_vtab.RowError, match="'b' has 0 bytes"):
        upload(db, path="b", purpose="assistants")
    assert requests() == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to read from, beside one with a secret."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "f").write_text("secret", encoding="utf-8")
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "a.md").write_bytes(b"# A")
    (root / "deep" / "b.md").write_bytes(b"# B")
    (root / "inside").symlink_to(root / "deep" / "b.md")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "outdir").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    return root


@pytest.mark.parametrize(
    ("path", "name", "content"),
    [
        ("a.md", "a.md", b"# A"),
        ("./deep/b.md", "b.md", b"# B"),
        ("deep/../a.md", "a.md", b"# A"),
        ("{root}/a.md", "a.md", b"# A"),
        ("inside", "b.md", b"# B"),
        ("{root}/../root/a.md", "a.md", b"# A"),
    ],
)
def test_a_file_below_upload_root(
    connect: Any, root: Path, bodies: Bodies, path: str, name: str, content: bytes
) -> None:
    """However its path is written; its own name is the file's name."""
    upload(connect(upload_root=root), path=path.format(root=root), purpose="assistants")
    assert bodies() == [("POST /files", {"purpose": "assistants", "file": (name, content)})]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../secret", "is outside upload_root; write a path below it"),
        ("deep/../../secret", "is outside upload_root"),
        ("/etc/hostname", "is outside upload_root"),
        ("{root}/../secret", "is outside upload_root"),
        ("{root}-too/f", "is outside upload_root"),
        ("out", "is outside upload_root"),
        ("outdir/secret", "is outside upload_root"),
        ("outdir/root-too/f", "is outside upload_root"),
        ("outdir/root/../secret", "is outside upload_root"),
        ("..", "is outside upload_root"),
        ("../none", "is outside upload_root"),
        ("/proc/self/environ", "is outside upload_root"),
        ("deep", "is not a file"),
        (".", "is not a file"),
        ("none.md", "is not a file; write the path of a file below upload_root"),
        ("circle", "is not a file"),
        ("x" * 5000, "is not a file"),
        ("~/secret", "is not a file"),
        ("a.md\0", "is not a path"),
        ("", "'' is not a path"),
        (5, "5 is not a path"),
        (b"a.md", "a BLOB of 4 bytes is not a path"),
    ],
)
def test_nothing_outside_upload_root_is_read(
    connect: Any, root: Path, requests: Requests, path: Any, problem: str
) -> None:
    """Neither by .., by an absolute path nor by a symbolic link; and only files."""
    path = path.format(root=root) if isinstance(path, str) else path
    with pytest.raises(openai_vtab.RowError) as caught:
        upload(connect(upload_root=root), path=path, purpose="assistants")
    assert "files.path: " in str(caught.value)
    assert problem in str(caught.value)
    assert requests() == []


def test_without_upload_root_no_file_is_read(
    db: apsw.Connection, root: Path, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL from a stranger must not read the disk."""
    monkeypatch.chdir(root)
    for path in ("a.md", str(root / "a.md"), "/etc/hostname", "none"):
        with pytest.raises(
            openai_vtab.RowError,
            match=r"files.path: no file of this machine may be read; write content instead, or set upload_root for connect",
        ):
            upload(db, path=path, purpose="assistants")
    assert requests() == []


def test_upload_root_may_be_a_symbolic_link_itself(connect: Any, root: Path, bodies: Bodies) -> None:
    """It is the folder that it leads to."""
    link = root.parent / "link"
    link.symlink_to(root)
    db = connect(upload_root=str(link))
    upload(db, path="a.md", purpose="assistants")
    upload(db, path=str(root / "a.md"), purpose="assistants")
    upload(db, path=str(link / "a.md"), purpose="assistants")
    assert len(bodies()) == 3
    with pytest.raises(openai_vtab.RowError, match="outside upload_root"):
        upload(db, path="../secret", purpose="assistants")


def test_a_name_that_is_no_text_is_refused(connect: Any, root: Path, requests: Requests) -> None:
    """A link may lead to a file whose name is not UTF-8, or has a line break."""
    for number, name in enumerate((b"\xff.md", b"a\nb.md")):
        target = Path(str(root).encode().decode()) / name.decode("utf-8", "surrogateescape")
        target.write_bytes(b"x")
        (root / f"link{number}").symlink_to(target)
        with pytest.raises(openai_vtab.RowError, match=r"(?s)files\.path: .* is not a file name"):
            upload(connect(upload_root=root), path=f"link{number}", purpose="assistants")
    assert requests() == []


def test_many_files_of_a_folder_at_once(connect: Any, root: Path, sandbox: Any) -> None:
    """From a table of paths, as many as may be under way."""
    for number in range(12):
        (root / f"{number}.md").write_text(f"text {number}", encoding="utf-8")
    db = connect(upload_root=root, max_concurrency=6)
    db.execute("CREATE TABLE documents (path TEXT)")
    db.executemany("INSERT INTO documents VALUES (?)", [(f"{number}.md",) for number in range(12)])
    sandbox.latency = 0.03
    db.execute("INSERT INTO files (path, purpose) SELECT path, 'assistants' FROM documents")
    assert sandbox.max_in_flight >= 4
    assert {file.content for file in sandbox._state.files.values()} >= {f"text {n}".encode() for n in range(12)}


def test_what_is_uploaded_is_streamed(sandbox: Any, root: Path) -> None:
    """Memory does not grow with the file: 64 MB in a process that may have 40 more than it has without."""
    large = root / "large.md"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    program = (
        "import resource, sys, openai_vtab\n"
        "url, key, root, path = sys.argv[1:]\n"
        "db = openai_vtab.connect(base_url=url, api_key=key, upload_root=root)\n"
        "upload = \"INSERT INTO files (path, purpose) VALUES (?, 'assistants')\"\n"
        "db.execute(upload, ('a.md',))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "db.execute(upload, (path,))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", program, sandbox.base_url, sandbox.api_key, str(root), "large.md"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 20_000  # KB
    assert max(len(file.content) for file in sandbox._state.files.values()) == 64 * 1024 * 1024


@pytest.mark.parametrize("way", ["content", "path"])
def test_an_upload_that_breaks_is_unknown_and_not_repeated(
    connect: Any, sandbox: Any, root: Path, requests: Requests, way: str
) -> None:
    """It may have arrived: the error says which list tells."""
    db = connect(upload_root=root)
    columns = {"path": "a.md"} if way == "path" else {"content": b"x", "filename": "a"}
    for fault in (Cut("answer"), Cut("headers"), Cut("accept"), Status(500), Status(502)):
        sandbox.inject(fault, method="POST")
        with pytest.raises((openai_vtab.APIConnectionError, openai_vtab.APIError)) as caught:
            upload(db, **columns, purpose="assistants")
        assert (
            "it may have been carried out all the same: before you write it again, look at what is there (GET /files)"
            in str(caught.value)
        )
        assert requests() == ["POST /files"]


@pytest.mark.parametrize("way", ["content", "path"])
@pytest.mark.parametrize(
    "fault",
    [
        Status(429, code="rate_limit_exceeded", headers={"retry-after": "0"}),
        Status(503, type="service_unavailable_error", code="server_is_overloaded", headers={"retry-after": "0"}),
    ],
    ids=["429", "503"],
)
def test_one_that_was_certainly_not_taken_is_repeated_whole(
    connect: Any, sandbox: Any, root: Path, bodies: Bodies, way: str, fault: Any
) -> None:
    """With all of its body, from the beginning."""
    (root / "a.md").write_bytes(b"y" * 3_000_000)
    db = connect(upload_root=root)
    sandbox.inject(fault, times=2, method="POST")
    columns = {"path": "a.md"} if way == "path" else {"content": b"y" * 3_000_000, "filename": "a.md"}
    upload(db, **columns, purpose="assistants")
    assert bodies() == [("POST /files", {"purpose": "assistants", "file": ("a.md", b"y" * 3_000_000)})] * 3


@pytest.mark.parametrize("change", ["longer", "shorter", "gone", "a link out"])
def test_a_file_that_changes_before_the_commit(connect: Any, root: Path, sandbox: Any, change: str) -> None:
    """What is sent is what was checked, or nothing."""
    db = connect(upload_root=root, timeout=2, max_retries=0)
    before = len(sandbox._state.files)
    db.execute("BEGIN")
    upload(db, path="a.md", purpose="assistants")
    if change in ("gone", "a link out"):
        (root / "a.md").unlink()
        if change == "a link out":
            (root / "a.md").symlink_to(root.parent / "secret")
    else:
        (root / "a.md").write_bytes({"longer": b"# A and more", "shorter": b"#"}[change])
    with pytest.raises(openai_vtab.APIConnectionError, match=r"a\.md has changed|No such file"):
        db.execute("COMMIT")
    time.sleep(0.05)
    assert len(sandbox._state.files) == before


@pytest.fixture
def many(sandbox: Any) -> list[str]:
    """Twenty files of purpose batch, the newest first, each with its number as its content."""
    for number in range(20):
        sandbox.add_file(f"{number:02}.jsonl", id=f"file-{number:02}", content=b"\xff%d" % number, purpose="batch")
    return [f"file-{number:02}" for number in range(20)]


def contents(taken: list[str]) -> list[str]:
    return [request.removeprefix("GET /files/").removesuffix("/content") for request in taken if "/content" in request]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM files WHERE purpose = 'batch'",
        "SELECT content FROM files WHERE id IN (SELECT value FROM json_each(:ids))",
        "SELECT content FROM json_each(:ids) AS d JOIN files AS f ON f.id = d.value",
        "SELECT (SELECT content FROM files WHERE file_id = value) FROM json_each(:ids)",
    ],
    ids=["a list", "IN", "a join", "a subquery"],
)
def test_content_of_many_files_is_downloaded_at_once(
    connect: Any, sandbox: Any, many: list[str], requests: Requests, sql: str
) -> None:
    """As many as may be under way, each once, as BLOBs."""
    db = connect(max_concurrency=8)
    sandbox.latency = 0.03
    found = {content for (content,) in db.execute(sql, {"ids": json.dumps(many)} if ":ids" in sql else None)}
    assert found == {b"\xff%d" % number for number in range(20)}
    taken = requests()
    assert sorted(contents(taken)) == many
    assert len(taken) == len(set(taken))
    assert sandbox.max_in_flight >= 4


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("SELECT content FROM files WHERE purpose = 'batch' LIMIT 1", 1),
        ("SELECT content FROM files WHERE purpose = 'batch' AND filename = '07.jsonl'", 1),
        ("SELECT content FROM files WHERE purpose = 'batch' AND filename LIKE '%5.jsonl'", 2),
        ("SELECT content FROM files WHERE purpose = 'batch' LIMIT 4", 4),
        ("SELECT filename FROM files WHERE purpose = 'batch' AND (filename = '03.jsonl' OR content = x'FF3133')", 19),
        ("SELECT count(*), max(bytes), max(raw) FROM files WHERE purpose = 'batch'", 0),
        ("SELECT content IS NULL, length(content), content FROM files WHERE id = 'file-03'", 1),
        ("SELECT count(content) FROM files WHERE id = 'file-none'", 0),
        ("DELETE FROM files WHERE purpose = 'batch' AND filename = '01.jsonl' AND content = x'FF31'", 1),
        ("DELETE FROM files WHERE purpose = 'batch'", 0),
    ],
)
def test_content_is_downloaded_only_where_it_is_read(
    db: apsw.Connection, many: list[str], requests: Requests, sql: str, needed: int
) -> None:
    """Never more than twice what a statement needs."""
    db.execute(sql).fetchall()
    asked = contents(requests())
    assert len(asked) == len(set(asked))
    assert needed <= len(asked) <= 2 * needed


def test_content_is_copied_by_insert(db: apsw.Connection, sandbox: Any, many: list[str], bodies: Bodies) -> None:
    """From row to row, byte by byte."""
    db.execute(
        "INSERT INTO files (filename, content, purpose) "
        "SELECT 'copy.jsonl', content, 'user_data' FROM files WHERE id IN ('file-01', 'file-02')"
    )
    uploaded = [form["file"] for request, form in bodies() if request == "POST /files"]
    assert sorted(uploaded) == [("copy.jsonl", b"\xff1"), ("copy.jsonl", b"\xff2")]


REFUSAL = "Not allowed to download files of purpose: assistants"


@pytest.mark.parametrize("fault", [Status(400, message=REFUSAL), Status(404, message="No such File object: x")])
def test_content_that_is_refused_is_an_error(
    db: apsw.Connection, sandbox: Any, many: list[str], requests: Requests, fault: Any
) -> None:
    """Never NULL: it names the request and has the API's words."""
    sandbox.inject(fault, path="/files/file-03/content")
    with pytest.raises(openai_vtab.APIError, match=fault.message) as caught:
        db.execute("SELECT content FROM files WHERE id = 'file-03'").fetchall()
    assert caught.value.status == fault.status
    assert "/files/file-03/content" in str(caught.value)


def test_content_that_is_refused_is_an_error_row(connect: Any, sandbox: Any, many: list[str]) -> None:
    """With errors='row', the other columns are there, and `error` says why."""
    db = connect(errors="row")
    sandbox.inject(Status(400, message=REFUSAL), path="/files/file-03/content")
    sql = "SELECT filename, content, error ->> 'message' FROM files WHERE id IN ('file-03', 'file-04') ORDER BY id"
    assert db.execute(sql).fetchall() == [("03.jsonl", None, REFUSAL), ("04.jsonl", b"\xff4", None)]
    sandbox.inject(Status(400, message=REFUSAL), path="/files/file-03/content")
    sql = "SELECT content, id FROM files WHERE id IN ('file-03', 'file-04') AND error IS NULL"
    assert db.execute(sql).fetchall() == [(b"\xff4", "file-04")]


def test_content_before_a_file_that_cannot_be_read_is_there(db: apsw.Connection, sandbox: Any, many: list[str]) -> None:
    """An error among the files that are looked at ahead is raised when it is their turn."""
    sandbox.inject(Status(400, message="No."), path=r"/files/file-03$")
    found = []
    with pytest.raises(openai_vtab.APIError, match="/files/file-03"):
        for (content,) in db.execute(
            "SELECT content FROM files WHERE id IN ('file-01', 'file-02', 'file-03', 'file-04')"
        ):
            found.append(content)
    assert found == [b"\xff1", b"\xff2"]


def test_content_has_the_limits_of_an_answer(connect: Any, sandbox: Any) -> None:
    """max_answer_bytes."""
    sandbox.add_file("large.jsonl", id="file-large", content=b"x" * 5000, purpose="batch")
    db = connect(max_answer_bytes=4000)
    with pytest.raises(openai_vtab.APIError, match=r"longer than 4000 bytes \(max_answer_bytes\)"):
        db.execute("SELECT content FROM files WHERE id = 'file-large'").fetchall()
    assert db.execute("SELECT bytes FROM files WHERE id = 'file-large'").get == 5000


def test_content_that_was_used_is_forgotten(
    db: apsw.Connection, many: list[str], requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement keeps the latest for the rows of a join that ask again; of the others memory is not filled."""
    sql = "SELECT count(DISTINCT content) FROM json_each('[1, 2, 3]') CROSS JOIN files WHERE file_id IN ('file-01', 'file-02')"
    assert db.execute(sql).get == 2
    assert sorted(contents(requests())) == ["file-01", "file-02"]
    monkeypatch.setattr("openai_vtab.execution.workers.DOWNLOADED", 1)
    assert db.execute(sql).get == 2
    assert len(contents(requests())) > 2


def test_transactions(db: apsw.Connection, bodies: Bodies) -> None:
    """Rolled back, nothing is uploaded or deleted."""
    for write in (
        "INSERT INTO files (filename, content, purpose) VALUES ('a', 'b', 'assistants')",
        "DELETE FROM files WHERE id = 'file-new-06'",
    ):
        db.execute(f"BEGIN; {write}; ROLLBACK")
        db.execute(f"BEGIN; SAVEPOINT s; {write}; ROLLBACK TO s; COMMIT")
    assert [request for request, _ in bodies() if not request.startswith("GET")] == []


def test_a_partial_failure(connect: Any, sandbox: Any) -> None:
    """What was uploaded is listed with its id, so that it is not an orphan that nobody knows of."""
    db = connect(max_concurrency=1)
    sandbox.inject(Status(400, message="Invalid file."), method="POST", after=1)
    with pytest.raises(openai_vtab.WriteError, match="Invalid file") as caught:
        db.execute(
            "INSERT INTO files (filename, content, purpose) VALUES ('a', 'a', 'assistants'), ('b', 'b', 'assistants'), ('c', 'c', 'assistants')"
        )
    ((_, id),) = caught.value.done
    assert sandbox._state.files[id].filename == "a"
    assert len(caught.value.not_done) == 2


def test_upload_and_attach(db: apsw.Connection, bodies: Bodies) -> None:
    """From a local table to a searchable store: the ids by their rowids."""
    db.execute(
        "INSERT INTO files (filename, content, purpose) VALUES ('moon.md', 'The moon is made of cheese.', 'assistants')"
    )
    db.execute(
        "INSERT INTO vector_store_files (vector_store_id, file_id) SELECT 'vs_demo', id FROM files WHERE rowid = last_insert_rowid()"
    )
    assert [request for request, _ in bodies() if request.startswith("POST")] == [
        "POST /files",
        "POST /vector_stores/vs_demo/files",
    ]


def test_deleting_what_no_store_has(db: apsw.Connection, requests: Requests) -> None:
    """Lists, and a DELETE for each; gone at once."""
    db.execute(
        "DELETE FROM files WHERE id NOT IN "
        "(SELECT f.id FROM vector_stores AS v JOIN vector_store_files AS f ON f.vector_store_id = v.id)"
    )
    deleted = sorted(request for request in requests() if request.startswith("DELETE"))
    assert deleted == [f"DELETE /files/file-new-0{n}" for n in range(1, 7)]
    assert db.execute("SELECT count(*) FROM files WHERE id LIKE 'file-new-%'").get == 0
    began = time.monotonic()
    assert db.execute("SELECT count(*) FROM files WHERE id = 'file-new-01'").get == 0
    assert time.monotonic() - began < 0.4


def test_a_deleted_upload_is_gone_at_once(db: apsw.Connection) -> None:
    """404 is no lag then."""
    upload(db, filename="a", content="b", purpose="assistants")
    rowid = db.last_insert_rowid()
    db.execute("DELETE FROM files WHERE rowid = ?", (rowid,))
    began = time.monotonic()
    assert db.execute("SELECT * FROM files WHERE rowid = ?", (rowid,)).fetchall() == []
    assert time.monotonic() - began < 0.4


def test_deleting_one_that_is_not_there_is_nothing(db: apsw.Connection, requests: Requests) -> None:
    """As in SQL."""
    db.execute("DELETE FROM files WHERE id = 'file-none'")
    assert db.changes() == 0
    assert requests() == ["GET /files/file-none"]


@pytest.mark.parametrize(
    "assignment", ["filename = 'x'", "purpose = 'x'", "content = 'x'", "expires_after = NULL", "id = 'x'"]
)
def test_update_is_refused(db: apsw.Connection, requests: Requests, assignment: str) -> None:
    """The API cannot change a file."""
    with pytest.raises(openai_vtab.UnsupportedWriteError, match=r"^files: the API has no way to UPDATE$"):
        db.execute(f"UPDATE files SET {assignment} WHERE id = 'file-demo-01'")
    assert requests() == ["GET /files/file-demo-01"]


def test_an_answer_without_an_id_is_an_error(db: apsw.Connection, sandbox: Any) -> None:
    """The file may be there all the same."""
    sandbox.inject(Answer({"object": "file"}), method="POST")
    with pytest.raises(openai_vtab.APIError, match="the answer has no id: the object may exist all the same"):
        upload(db, filename="a", content="b", purpose="assistants")


def test_an_interrupted_upload_is_reported(db: apsw.Connection, sandbox: Any) -> None:
    """Its answer was still to come."""
    sandbox.latency = 1
    timer = threading.Timer(0.2, db.interrupt)
    timer.start()
    with pytest.raises((openai_vtab.WriteError, apsw.InterruptError)) as caught:
        upload(db, filename="a", content="b", purpose="assistants")
    assert "GET /files" in str(caught.value)
    timer.join()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Answer(b"partial", 206, {"content-range": "bytes 0-6/82"}), r"\(206\) is only a part: 7 bytes of 82"),
        (Answer(b"x" * 82, 206), r"\(206\) is only a part"),
        (Answer(b"", 204), r"\(204\) is only a part: 0 bytes of 82"),
        (Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npartial"), r"\(200\) is only a part: 7 bytes of 82"),
    ],
    ids=["206", "206 of all", "204", "closed early"],
)
def test_content_is_whole_or_an_error(connect: Any, sandbox: Any, fault: Any, problem: str) -> None:
    """The row says how many bytes there are; with errors='row' the row says what is wrong."""
    sandbox.inject(fault, times=None, path="/content")
    sql = "SELECT content, error ->> 'message' FROM files WHERE id = 'file-demo-01'"
    with pytest.raises(openai_vtab.APIError, match=problem):
        connect().execute(sql).fetchall()
    ((content, message),) = connect(errors="row").execute(sql).fetchall()
    assert content is None
    assert re.search(problem, message)


@pytest.mark.parametrize("size", [None, "82", True, 0, 7])
def test_content_of_a_row_without_a_size_is_as_it_comes(db: apsw.Connection, sandbox: Any, size: Any) -> None:
    """Other servers may lack it."""
    sandbox.inject(Answer(b"partial"), path="/content")
    sandbox.inject(Answer({"id": "file-demo-01", "object": "file", "bytes": size}), path="file-demo-01$")
    assert db.execute("SELECT content FROM files WHERE id = 'file-demo-01'").get == b"partial"
