"""fsdir and readfile: the rows of SQLite's own, what may be read, and that a listing is complete or raises an error."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import apsw.sqlite_extra
import pytest

import openai_vtab
from openai_vtab import dbapi

Requests = Callable[[], list[str]]
Open = Callable[..., apsw.Connection]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that a folder may have, which is also the current one; beside it a secret."""
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "f").write_text("secret", encoding="utf-8")
    root = tmp_path / "root"
    (root / "docs" / "deep" / "deeper").mkdir(parents=True)
    (root / "docs" / "none").mkdir()
    for name, content in {
        "a.md": b"# A",
        "docs/b.md": b"\0\xff",
        "docs/empty.md": b"",
        "docs/deep/c.md": b"# C",
        "docs/deep/deeper/d.md": b"# D",
        "docs/.hidden": b"h",
        "docs/Prüfung – «ß» 日本.md": "ü".encode(),
        "docs/it's; 100%.md": b"x",
    }.items():
        (root / name).write_bytes(content)
    (root / "docs" / "link").symlink_to("b.md")
    (root / "docs" / "linked").symlink_to("deep")
    (root / "docs" / "dangling").symlink_to("nowhere")
    (root / "docs" / "circle").symlink_to("circle")
    os.utime(root / "a.md", (0, 1_000_000_000.75))
    os.utime(root / "docs" / "b.md", (0, -1.5))
    (root / "docs" / "b.md").chmod(0o640)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def open_db() -> Iterator[Open]:
    """connect() without a server: none of these queries may send anything."""
    opened: list[apsw.Connection] = []

    def open_connection(**settings: Any) -> apsw.Connection:
        opened.append(openai_vtab.connect(**settings))
        return opened[-1]

    yield open_connection
    for each in opened:
        each.close(True)


@pytest.fixture
def db(open_db: Open, root: Path) -> apsw.Connection:
    return open_db(upload_root=root)


@pytest.fixture
def sqlites() -> Iterator[apsw.Connection]:
    """A connection with SQLite's own fileio."""
    if not apsw.sqlite_extra.has("fileio"):
        pytest.skip("this APSW comes without fileio")
    plain = apsw.Connection(":memory:")
    apsw.sqlite_extra.load(plain, "fileio")
    yield plain
    plain.close()


# the rows of SQLite's own


@pytest.mark.sample(40)
@pytest.mark.parametrize(
    "arguments",
    [
        ("docs",), (".",), ("./docs",), ("docs/",), ("docs/deep",), ("docs/../docs/deep",), ("docs//deep",),
        ("docs", "."), (".", "docs"), ("deep", "docs"), ("deep/", "docs/"), ("..", "docs"), ("docs", None),
        ("docs/none",), ("a.md",), ("docs/b.md",), ("b.md", "docs"), ("docs/link",), ("docs/dangling",), ("docs/circle",),
        ("docs/linked",), ("docs/linked/",), ("docs/linked/.",), ("docs/linked/c.md",), ("docs/linked/../b.md",),
        ("{root}/docs/deep",), ("deep", "{root}/docs"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("condition", ["", " WHERE level < 3", " WHERE level = 1", " WHERE level <= 2 AND level > 1"])
def test_fsdir_lists_what_sqlites_lists(
    db: apsw.Connection, sqlites: apsw.Connection, root: Path, arguments: tuple[Any, ...], condition: str
) -> None:
    """Names, modes, times, contents and levels; each folder before what is in it."""
    arguments = tuple(each and each.format(root=root) for each in arguments)
    sql = f"SELECT *, typeof(mtime), typeof(data) FROM fsdir({', '.join('?' * len(arguments))}){condition}"
    ours = db.execute(sql, arguments).fetchall()
    assert sorted(ours) == sorted(sqlites.execute(sql, arguments))
    names = [row[0] for row in ours]
    for at, name in enumerate(names if not condition else ()):
        assert ours[at][4] == 1 or name.rpartition("/")[0] in names[:at]
    assert [row[0] for row in db.execute("SELECT rowid FROM fsdir('docs')")] == list(range(1, 16))


@pytest.mark.parametrize(
    "arguments",
    ["'nope'", "'docs/dangling/'", "'a.md/x'", "NULL", "''", "'docs', ''", "'a.md/'", "'docs/circle/x'", ""],
)
def test_fsdir_raises_where_sqlites_raises(db: apsw.Connection, sqlites: apsw.Connection, arguments: str) -> None:
    """A folder that does not exist is no empty one."""
    sql = f"SELECT name FROM fsdir({arguments})"
    with pytest.raises(apsw.SQLError):
        sqlites.execute(sql).fetchall()
    with pytest.raises((openai_vtab.OperationalError, openai_vtab.ProgrammingError), match=r"^fsdir"):
        db.execute(sql).fetchall()


def test_fsdir_has_the_columns_of_sqlites(db: apsw.Connection, sqlites: apsw.Connection) -> None:
    """Hidden ones, too, in the same order."""
    sql = "SELECT name, type, hidden FROM pragma_table_xinfo('fsdir')"
    assert db.execute(sql).fetchall() == sqlites.execute(sql).fetchall()
    for sql in ("CREATE VIRTUAL TABLE t USING fsdir", "SELECT * FROM fsdir('a', 'b', 'c')"):
        for each in (db, sqlites):
            with pytest.raises(apsw.SQLError, match=r"no such module: fsdir|too many arguments"):
                each.execute(sql)


@pytest.mark.parametrize(
    "path",
    ["a.md", "docs/b.md", "docs/empty.md", "docs/link", "docs/linked/c.md", "nope", "a.md/x", "docs/dangling", None],
)
def test_readfile_returns_what_sqlites_returns(db: apsw.Connection, sqlites: apsw.Connection, path: Any) -> None:
    """NULL for a file that does not exist."""
    sql = "SELECT readfile(?1), typeof(readfile(?1))"
    assert db.execute(sql, (path,)).get == sqlites.execute(sql, (path,)).get


# what may be read


@pytest.mark.parametrize("sql", ["SELECT name FROM fsdir('docs')", "SELECT readfile('a.md')"])
def test_upload_root_is_needed(open_db: Open, root: Path, sql: str) -> None:
    """SQL from a stranger must not read the disk; None and an empty text are no folder."""
    registered = apsw.Connection(":memory:")
    openai_vtab.register(registered)
    for db in (open_db(), open_db(upload_root=""), registered):
        with pytest.raises(openai_vtab.OperationalError) as caught:
            db.execute(sql).fetchall()
        assert str(caught.value).partition(": ")[2] == (
            "local files may not be read, because upload_root is not set; write upload_root='/a/folder' in connect() or "
            "register()"
        )
    registered.close()


@pytest.mark.parametrize(
    "path",
    ["..", "../secret", "../root-too", "../root-too/f", "docs/../../secret", "/etc", "/", "{root}/../secret", "{root}-too",
     "out", "out/", "outdir/", "outdir/secret", "outdir/root-too", "outdir/root/../secret", "/proc/self/environ", "../nope"],
)  # fmt: skip
def test_upload_root_keeps_everything_else_unread(db: apsw.Connection, root: Path, path: str) -> None:
    """Neither by .., by an absolute path nor by a symbolic link; the error names the root."""
    (root / "out").symlink_to(root.parent / "secret")
    (root / "outdir").symlink_to(root.parent)
    path = path.format(root=root)
    readings = ["SELECT data FROM fsdir(?)", "SELECT data FROM fsdir('.', ?)", "SELECT readfile(?)"]
    for sql in readings[2 * (path == "out") :]:  # fsdir returns what is in the link, not what it leads to
        with pytest.raises(openai_vtab.OperationalError) as caught:
            db.execute(sql, (path,)).fetchall()
        assert f" is outside upload_root ({root}); write a path below it" in str(caught.value)


def test_upload_root_with_links_that_lead_out(db: apsw.Connection, root: Path) -> None:
    """The link is listed, and not followed."""
    (root / "out").symlink_to(root.parent / "secret")
    (root / "outdir").symlink_to(root.parent)
    found = dict(db.execute("SELECT name, data FROM fsdir('.') WHERE name LIKE './out%'"))
    assert found == {"./out": str(root.parent / "secret"), "./outdir": str(root.parent)}


def test_upload_root_may_be_relative(open_db: Open, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the current directory at connect(), which may change."""
    db = open_db(upload_root="docs")
    monkeypatch.chdir("/")
    assert db.execute("SELECT readfile('deep/c.md')").get == b"# C"
    assert db.execute("SELECT count(*) FROM fsdir('.')").get == 15


def test_upload_root_that_is_gone_raises(open_db: Open, root: Path) -> None:
    """Its files do not count as absent."""
    db = open_db(upload_root=root / "docs")
    shutil.rmtree(root / "docs")
    for sql in ("SELECT name FROM fsdir('.')", "SELECT readfile('b.md')"):
        with pytest.raises(
            openai_vtab.OperationalError, match=r"upload_root \(.*docs\) is not a folder; write a folder"
        ):
            db.execute(sql).fetchall()


@pytest.mark.parametrize("way", ["connect", "register", "dbapi"])
def test_fsdir_is_on_every_connection(root: Path, way: str) -> None:
    """With the function."""
    if way == "dbapi":
        with dbapi.connect(":memory:", upload_root=root) as con:
            assert con.execute("SELECT readfile(name) FROM fsdir('a.md')").fetchall() == [(b"# A",)]
        con.close()
        return
    db = openai_vtab.connect(upload_root=root) if way == "connect" else apsw.Connection(":memory:")
    if way == "register":
        openai_vtab.register(db)
        openai_vtab.register(db, upload_root=root)  # the later settings count
    assert db.execute("SELECT readfile(name) FROM fsdir('a.md')").get == b"# A"
    db.close()


@pytest.mark.parametrize("use", ["SELECT name FROM fsdir('docs')", "SELECT readfile('a.md')"])
@pytest.mark.parametrize("trusted", [True, False])
def test_stored_schema_cannot_read_files(root: Path, use: str, trusted: bool) -> None:
    """Also where the schema is trusted. A TEMP view can, which no file brings along."""
    db = apsw.Connection(str(root.parent / "stranger.db"))
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, int(trusted))
    openai_vtab.register(db, upload_root=root)
    db.execute(f"CREATE TABLE t (a); CREATE VIEW v AS {use}; CREATE TEMP VIEW mine AS {use}")
    db.execute(f"CREATE TRIGGER g AFTER INSERT ON t BEGIN {use}; END")
    for sql in ("SELECT * FROM v", "INSERT INTO t VALUES (1)"):
        with pytest.raises(apsw.SQLError, match="unsafe use of"):
            db.execute(sql).fetchall()
    assert db.execute("SELECT * FROM mine").fetchall()
    db.close()


# complete, or an error


def test_fsdir_raises_for_a_folder_that_is_gone(db: apsw.Connection, root: Path) -> None:
    """Between the row of the folder and what is in it."""
    rows = iter(db.execute("SELECT name FROM fsdir('docs')"))
    while next(rows) != ("docs/deep",):
        pass
    shutil.rmtree(root / "docs" / "deep")
    with pytest.raises(openai_vtab.OperationalError) as caught:
        list(rows)
    assert str(caught.value) == (
        f"fsdir: 'docs/deep' below upload_root ({root}) cannot be read: No such file or directory"
    )


def test_fsdir_raises_for_a_folder_that_became_a_link(db: apsw.Connection, root: Path) -> None:
    """What is outside is not listed in its place."""
    rows = iter(db.execute("SELECT name FROM fsdir('docs')"))
    while next(rows) != ("docs/deep",):
        pass
    shutil.rmtree(root / "docs" / "deep")
    (root / "docs" / "deep").symlink_to(root.parent)
    with pytest.raises(openai_vtab.OperationalError, match=r"'docs/deep' .*cannot be read"):
        list(rows)


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user who may not read everything, if this process is root's."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("mode", "problem"), [(0, "Permission denied"), (0o444, "c.md: Permission denied")], ids=["no list", "no entry"]
)
def test_fsdir_raises_for_a_folder_that_may_not_be_read(open_db: Open, mode: int, problem: str) -> None:
    """Nothing is deleted because of a listing that lacks its files; the file is not absent for readfile either."""
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)  # nobody cannot enter pytest's folders
        folder = Path(root, "docs", "deep")
        folder.mkdir(parents=True)
        (folder / "c.md").touch()
        folder.chmod(mode)
        db = open_db(upload_root=root)
        db.execute("CREATE TABLE t (name); INSERT INTO t VALUES ('docs/deep/c.md')")
        with as_nobody():
            with pytest.raises(openai_vtab.OperationalError) as caught:
                db.execute("DELETE FROM t WHERE name NOT IN (SELECT name FROM fsdir('docs'))")
            assert str(caught.value) == f"fsdir: 'docs/deep' below upload_root ({root}) cannot be read: {problem}"
            with pytest.raises(openai_vtab.OperationalError, match="cannot be read: Permission denied"):
                db.execute("SELECT readfile('docs/deep/c.md')").fetchall()
        assert db.execute("SELECT count(*) FROM t").get == 1
        folder.chmod(0o755)


def test_fsdir_that_fails_deletes_nothing(db: apsw.Connection, root: Path) -> None:
    """A name that cannot be shown stands for any of these failures."""
    (root / "docs" / "deep" / os.fsdecode(b"\xff.md")).touch()
    db.execute("CREATE TABLE t (name); INSERT INTO t VALUES ('docs/gone.md')")
    with pytest.raises(openai_vtab.OperationalError) as caught:
        db.execute("DELETE FROM t WHERE name NOT IN (SELECT name FROM fsdir('docs'))")
    assert "'docs/deep' below upload_root" in str(caught.value)
    assert r"the name b'\xff.md' in it is not UTF-8; rename that file" in str(caught.value)
    assert db.execute("SELECT count(*) FROM t").get == 1


def test_fsdir_raises_for_a_link_that_is_not_utf8(db: apsw.Connection, root: Path) -> None:
    """Where its path is read."""
    (root / "odd").symlink_to(os.fsdecode(b"\xff"))
    assert db.execute("SELECT name FROM fsdir('odd')").get == "odd"
    with pytest.raises(openai_vtab.OperationalError, match=r"leads to b'\\xff', which is not UTF-8"):
        db.execute("SELECT data FROM fsdir('odd')").fetchall()


def test_readfile_raises_for_what_cannot_be_read(db: apsw.Connection, root: Path) -> None:
    """Only a file that does not exist is NULL."""
    os.mkfifo(root / "fifo")
    for path, problem in (
        ("docs", "'docs' below upload_root ({root}) cannot be read: docs is not a file"),
        ("fifo", "'fifo' below upload_root ({root}) cannot be read: fifo is not a file"),
        ("docs/circle", "cannot be read: "),
        ("x" * 300, "cannot be read: File name too long"),
        ("", "'' is not a path; write the path of a file below upload_root ({root}), absolute or relative to it"),
        ("a\0b", "is not a path"),
        (5, "5 is not a path"),
        (b"a.md", "a BLOB of 4 bytes is not a path"),
    ):
        with pytest.raises(openai_vtab.OperationalError) as caught:
            db.execute("SELECT readfile(?)", (path,)).fetchall()
        assert problem.format(root=root) in str(caught.value)
        assert str(caught.value).startswith("readfile: ")


# laziness


def test_fsdir_reads_content_only_for_data(db: apsw.Connection, root: Path) -> None:
    """A FIFO would wait, and a file that is too large for SQLite raises an error, only where its data is read."""
    os.mkfifo(root / "docs" / "fifo")
    with (root / "docs" / "huge").open("wb") as file:
        file.truncate(3 << 30)
    assert db.execute("SELECT count(name), max(level) FROM fsdir('docs') WHERE mode > 0 AND mtime").get == (17, 4)
    assert db.execute("SELECT length(data) FROM fsdir('docs') WHERE name LIKE '%/c.md'").get == 3
    for name, problem in (
        ("fifo", "fifo is not a file"),
        ("huge", "it has 3221225472 bytes, and an SQL value can have 1000000000; upload it by its path"),
    ):
        with pytest.raises(openai_vtab.OperationalError) as caught:
            db.execute("SELECT data FROM fsdir('docs') WHERE name = ?", (f"docs/{name}",)).fetchall()
        assert str(caught.value) == f"fsdir: 'docs/{name}' below upload_root ({root}) cannot be read: {problem}"
    with pytest.raises(openai_vtab.OperationalError, match=r"readfile: .* has 3221225472 bytes"):
        db.execute("SELECT readfile('docs/huge')").fetchall()


def test_fsdir_keeps_one_file_in_memory(db: apsw.Connection, root: Path) -> None:
    """Ten of 2 MB need less than three."""
    (root / "many").mkdir()
    for number in range(10):
        (root / "many" / str(number)).write_bytes(b"x" * 2_000_000)
    tracemalloc.start()
    try:
        total = db.execute("SELECT sum(length(data)) FROM fsdir('many') WHERE data <> x''").get
        assert total == 20_000_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_fsdir_with_a_bound_of_level_leaves_deeper_folders_unread(db: apsw.Connection, root: Path) -> None:
    """Whatever is in them; the bound may be a binding, and SQLite decides about what is no number."""
    (root / "docs" / "deep" / os.fsdecode(b"\xff.md")).touch()
    for condition in ("level < 3", "level <= 2", "level = 2", "level = 2.0", "level < 2.5"):
        found = db.execute(f"SELECT count(*) FROM fsdir('docs') WHERE name <> 'docs' AND {condition}").get
        assert found == 11
    for condition in ("level < 4", "level > 1", "level < '3'", "level < NULL", "level <= 3 AND level < 9"):
        with pytest.raises(openai_vtab.OperationalError, match="is not UTF-8"):
            db.execute(f"SELECT name FROM fsdir('docs') WHERE {condition}").fetchall()


def test_fsdir_plan_names_its_arguments(db: apsw.Connection) -> None:
    """In the order of argv."""
    plan = "EXPLAIN QUERY PLAN SELECT name FROM fsdir('deep', 'docs') WHERE level <= 2"
    assert db.execute(plan).get[3] == "SCAN fsdir VIRTUAL TABLE INDEX 1:level<=,path,dir"


# in queries


def test_fsdir_arguments_of_a_join_a_list_and_twice(db: apsw.Connection) -> None:
    """As columns, they have the values that were given."""
    db.execute("CREATE TABLE folders (path); INSERT INTO folders VALUES ('docs/deep'), ('docs/none')")
    joined = db.execute("SELECT f.path, name FROM folders AS f, fsdir(f.path) AS d WHERE level = 1").fetchall()
    assert joined == [("docs/deep",) * 2, ("docs/none",) * 2]
    joined = db.execute("SELECT name FROM fsdir AS d JOIN folders AS f ON d.path = f.path WHERE level = 1").fetchall()
    assert joined == [("docs/deep",), ("docs/none",)]
    listed = db.execute("SELECT path, name FROM fsdir WHERE path IN ('a.md', 'docs/none')").fetchall()
    assert sorted(listed) == [("a.md", "a.md"), ("docs/none", "docs/none")]
    for again, count in (("docs/none", 1), ("a.md", 0)):
        assert db.execute("SELECT count(*) FROM fsdir('docs/none') WHERE path = ?", (again,)).get == count
    assert db.execute("SELECT path, dir FROM fsdir('none', 'docs')").get == ("none", "docs")
    with pytest.raises(apsw.SQLError, match="no query solution"):
        db.execute("SELECT * FROM fsdir(d.path) AS f, fsdir(f.path) AS d").fetchall()


def test_fsdir_is_not_written_to(db: apsw.Connection, root: Path) -> None:
    """It only reads."""
    for sql in ("DELETE FROM fsdir", "INSERT INTO fsdir (name) VALUES ('x')", "UPDATE fsdir SET data = x''"):
        with pytest.raises(apsw.SQLError, match="may not be modified"):
            db.execute(sql)
    assert stat.S_ISREG((root / "a.md").stat().st_mode)


def test_read_ahead_reads_fsdir_again(connect: Any, root: Path) -> None:
    """The keys of a join with files are requested ahead of the scan."""
    (root / "ids").mkdir()
    for number in range(1, 4):
        (root / "ids" / f"file-demo-0{number}").touch()
    db = connect(upload_root=root)
    rows = db.execute(
        "SELECT f.filename FROM fsdir('ids') AS d CROSS JOIN files AS f ON f.id = substr(d.name, 5) WHERE d.level = 2"
    ).fetchall()
    assert len(rows) == 3
    assert db.execute("SELECT sum(predicted) FROM openai_requests").get > 0


def test_upload_of_a_folder(connect: Any, sandbox: Any, root: Path, requests: Requests) -> None:
    """With names of their own, and the empty files left out."""
    db = connect(upload_root=root)
    assert db.execute("SELECT name FROM fsdir('docs') WHERE length(data) = 0").fetchall() == [("docs/empty.md",)]
    db.execute(
        "INSERT INTO files (path, filename, purpose) SELECT name, replace(name, '/', '-'), 'assistants' "
        "FROM fsdir('docs') WHERE name LIKE '%.md' AND length(data) > 0"
    )
    uploaded = {file.filename: file.content for file in sandbox._state.files.values() if "docs-" in file.filename}
    assert uploaded["docs-deep-deeper-d.md"] == b"# D"
    assert len(uploaded) == 5
    assert requests() == ["POST /files"] * 5


def test_interrupt_ends_the_listing_of_a_large_folder(
    connect: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the folder has been looked at to its end."""
    db = connect(upload_root=root)
    seen: list[str] = []
    scandir = os.scandir

    @contextmanager
    def interrupted(folder: Any) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            for entry in found:
                seen.append(entry.name)
                if len(seen) == 2:
                    db.interrupt()
                yield entry

        with scandir(folder) as found:
            yield entries()

    monkeypatch.setattr(os, "scandir", interrupted)
    with pytest.raises(apsw.InterruptError):
        db.execute("SELECT count(*) FROM fsdir('docs')").fetchall()
    assert len(seen) == 2
