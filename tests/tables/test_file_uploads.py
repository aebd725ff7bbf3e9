"""Uploads: which files may be read, and what is sent of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Answer, Cut, Status
from openai_vtab.schema import validators

from ..support.meeting import meeting
from .files import upload

Requests = Callable[[], list[str]]

Bodies = Callable[[], list[tuple[str, Any]]]


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
def test_upload_of_any_content(db: apsw.Connection, sandbox: Any, bodies: Bodies, content: Any, bytes_: bytes) -> None:
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
def test_upload_of_any_filename(db: apsw.Connection, sandbox: Any, name: str) -> None:
    """One file with one name, as it was given."""
    upload(db, filename=name, content=b"x", purpose="assistants")
    (file,) = [file for id, file in sandbox._state.files.items() if file.content == b"x"]
    assert file.filename == name
    assert file.purpose == "assistants"


def test_upload_of_the_largest_file(
    connect: Any, requests: Requests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
        openai_vtab.RowError,
        match=r"files.path: 'b' has 1001 bytes, more than the 1000 of a file; write the path of a file of 1 to 1000 bytes",
    ):
        upload(db, path="b", purpose="assistants")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(openai_vtab.RowError, match="'b' has 0 bytes"):
        upload(db, path="b", purpose="assistants")
    assert requests() == []


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
def test_upload_root_allows_a_file_below_it(
    connect: Any, root: Path, bodies: Bodies, path: str, name: str, content: bytes
) -> None:
    """However its path is written; its own name is the file's name."""
    upload(connect(upload_root=root), path=path.format(root=root), purpose="assistants")
    assert bodies() == [("POST /files", {"purpose": "assistants", "file": (name, content)})]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../secret", "is outside upload_root ({root}); write a path below it"),
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
        (
            "deep",
            "'deep' is a folder; write the path of a file below upload_root ({root}), absolute or relative to it; its files are SELECT name FROM fsdir",
        ),
        (".", "is a folder"),
        ("none.md", "is not a file; write the path of a file below upload_root ({root}), absolute or relative to it"),
        ("circle", "is not a file"),
        ("x" * 5000, "is not a file"),
        ("~/secret", "is not a file"),
        ("a.md\0", "is not a path"),
        ("", "'' is not a path"),
        (5, "5 is not a path"),
        (b"a.md", "a BLOB of 4 bytes is not a path"),
    ],
)
def test_upload_root_keeps_everything_else_unread(
    connect: Any, root: Path, requests: Requests, path: Any, problem: str
) -> None:
    """Neither by .., by an absolute path nor by a symbolic link; and only files."""
    path = path.format(root=root) if isinstance(path, str) else path
    with pytest.raises(openai_vtab.RowError) as caught:
        upload(connect(upload_root=root), path=path, purpose="assistants")
    assert "files.path: " in str(caught.value)
    assert problem.format(root=root) in str(caught.value)
    assert requests() == []


def test_upload_of_a_path_under_another_name(connect: Any, root: Path, bodies: Bodies) -> None:
    """The name that is given, or else the file's own."""
    db = connect(upload_root=root)
    upload(db, path="deep/b.md", filename="deep/b of the docs.md", purpose="assistants")
    upload(db, path="deep/b.md", filename=None, purpose="assistants")
    assert [form["file"] for _, form in bodies()] == [("deep/b of the docs.md", b"# B"), ("b.md", b"# B")]


def test_upload_root_is_needed_to_read_a_file(
    db: apsw.Connection, root: Path, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQL from a stranger must not read the disk."""
    monkeypatch.chdir(root)
    for path in ("a.md", str(root / "a.md"), "/etc/hostname", "none"):
        with pytest.raises(
            openai_vtab.RowError,
            match=r"files.path: local files may not be read, because upload_root is not set; write upload_root='/a/folder' in ",
        ):
            upload(db, path=path, purpose="assistants")
    assert requests() == []


def test_upload_root_may_be_a_symbolic_link(connect: Any, root: Path, bodies: Bodies) -> None:
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


def test_upload_refuses_a_filename_that_is_not_text(connect: Any, root: Path, requests: Requests) -> None:
    """A link may lead to a file whose name is not UTF-8, or has a line break."""
    for number, name in enumerate((b"\xff.md", b"a\nb.md")):
        target = Path(str(root).encode().decode()) / name.decode("utf-8", "surrogateescape")
        target.write_bytes(b"x")
        (root / f"link{number}").symlink_to(target)
        with pytest.raises(openai_vtab.RowError, match=r"(?s)files\.path: .* is not a file name"):
            upload(connect(upload_root=root), path=f"link{number}", purpose="assistants")
    assert requests() == []


def test_upload_of_many_files_is_concurrent(connect: Any, root: Path, sandbox: Any) -> None:
    """From a table of paths, as many as may be under way."""
    for number in range(12):
        (root / f"{number}.md").write_text(f"text {number}", encoding="utf-8")
    db = connect(upload_root=root, max_concurrency=6)
    db.execute("CREATE TABLE documents (path TEXT)")
    db.executemany("INSERT INTO documents VALUES (?)", [(f"{number}.md",) for number in range(12)])
    with meeting(sandbox, 6):
        db.execute("INSERT INTO files (path, purpose) SELECT path, 'assistants' FROM documents")
    assert sandbox.max_in_flight == 6
    assert {file.content for file in sandbox._state.files.values()} >= {f"text {n}".encode() for n in range(12)}


@pytest.mark.slow
def test_upload_is_streamed(sandbox: Any, root: Path) -> None:
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
def test_upload_that_breaks_is_unknown_and_not_retried(
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


@pytest.mark.parametrize("change", ["longer", "shorter", "gone", "a link out"])
def test_upload_of_a_file_that_changes_before_the_commit(connect: Any, root: Path, sandbox: Any, change: str) -> None:
    """What is sent is what was checked, or nothing."""
    db = connect(upload_root=root, timeout=20, max_retries=0)
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


def test_upload_and_attach_in_two_statements(db: apsw.Connection, bodies: Bodies) -> None:
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


def test_upload_response_without_an_id_raises(db: apsw.Connection, sandbox: Any) -> None:
    """The file may be there all the same."""
    sandbox.inject(Answer({"object": "file"}), method="POST")
    with pytest.raises(openai_vtab.APIError, match="the response has no id, but the object may exist"):
        upload(db, filename="a", content="b", purpose="assistants")
