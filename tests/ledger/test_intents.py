"""Intents: what a transaction is about to create is beside the database before it leaves, and becomes rows afterwards."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.ledger import intent_file
from openai_vtab.ledger.intent_reader import read_intents
from openai_vtab.ledger.intents import IntentLog, Outcome

from ..support.meeting import holding
from ..support.waiting import until

MODULE = "vector_store_file_batches"
INSERT = "INSERT INTO {} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
ONE = INSERT.format("mine")
KEYS = {"vector_store_id": "vs_demo"}
SENT = {"file_ids": ["file-new-01"]}
ANSWER = {"id": "vsfb_1", "vector_store_id": "vs_demo", "status": "completed"}


@pytest.fixture
def file(tmp_path: Path, connect: Any) -> str:
    """A database with an empty ledger, in a folder of its own."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = str(folder / "ours.db")
    db = connect(path)
    db.execute(f"CREATE VIRTUAL TABLE mine USING {MODULE}")
    db.close()
    return path


def left(file: str) -> list[Path]:
    """Every file of intents in the database's folder."""
    return sorted(Path(file).parent.glob(f"*{intent_file.MARK}*"))


def written(file: str, *lines: Any, boot: str | None = "this", name: str = "abc") -> Path:
    """A file of intents as a dead process leaves it; a str is a line as it stands."""
    path = Path(f"{file}{intent_file.MARK}{name}")
    head = {"format": 1, "boot": intent_file.boot_id() if boot == "this" else boot}
    path.write_text("".join(x if isinstance(x, str) else json.dumps(x) + "\n" for x in (head, *lines)), "utf-8")
    return path


def planned(id: str = "abc-0", ledgers: list[str] | None = None) -> dict[str, Any]:
    return {"intent": id, "ledgers": ledgers or ["mine"], "keys": KEYS, "sent": SENT}


def rows(db: apsw.Connection, table: str = "mine") -> list[Any]:
    return db.execute(f"SELECT id, status FROM {table}_ledger ORDER BY seq").fetchall()


def opened(connect: Any, file: str, table: str = "mine") -> apsw.Connection:
    """A connection whose first statement has read the ledger."""
    db: apsw.Connection = connect(file)
    db.execute(f"SELECT count(*) FROM {table}").fetchall()
    return db


def test_intents_are_written_and_read_back(tmp_path: Path) -> None:
    """Each outcome as it was, with its answer; nothing of it is a key's."""
    file = tmp_path / "a.db"
    file.touch()
    log = IntentLog(str(file))
    made = [log.new(["mine"], KEYS, SENT) for _ in range(5)]
    log.write(made)
    _, begun, created, refused, unknown = made
    for intent in made[1:]:
        intent.begin()
    created.created(ANSWER)
    refused.refused()
    unknown.unknown()
    (path,) = intent_file.left_behind(str(file))
    found = read_intents(path, str(file))
    outcomes = [intent.outcome for intent in found.intents]
    assert outcomes == [Outcome.PLANNED, Outcome.UNKNOWN, Outcome.CREATED, Outcome.REFUSED, Outcome.UNKNOWN]
    assert [intent.id for intent in found.intents] == [intent.id for intent in made]
    assert (found.intents[2].answer, found.intents[2].keys, found.intents[2].sent) == (ANSWER, KEYS, SENT)
    assert found.intents[1].at == begun.at > 0
    assert len(found.unsettled()) == 3
    log.remove()
    assert intent_file.left_behind(str(file)) == []


LINES: dict[str, tuple[tuple[Any, ...], str | None, list[Any]]] = {
    # lines, the boot they are of, the rows that come of them
    "planned": ((planned(),), "this", []),
    "planned in another boot": ((planned(),), "another", [(None, "unknown")]),
    "planned in a boot that is not known": ((planned(),), None, [(None, "unknown")]),
    "begun": ((planned(), {"begun": "abc-0", "at": 5}), "this", [(None, "unknown")]),
    "created": ((planned(), {"begun": "abc-0"}, {"created": "abc-0", "answer": ANSWER}), "this", [("vsfb_1", "completed")]),
    "created in another boot": ((planned(), {"created": "abc-0", "answer": ANSWER}), "x", [("vsfb_1", "completed")]),
    "created without an answer": ((planned(), {"created": "abc-0"}), "this", [(None, "unknown")]),
    "refused": ((planned(), {"begun": "abc-0"}, {"refused": "abc-0"}), "this", []),
    "refused in another boot": ((planned(), {"begun": "abc-0"}, {"refused": "abc-0"}), "x", []),
    "unknown": ((planned(), {"begun": "abc-0"}, {"unknown": "abc-0"}), "this", [(None, "unknown")]),
    "two": ((planned(), planned("abc-1"), {"begun": "abc-1"}), "this", [(None, "unknown")]),
    "a torn last line": ((planned(), {"begun": "abc-0"}, '{"created": "abc-0", "answ'), "this", [(None, "unknown")]),
    "a torn intent": ((planned(), '{"intent": "abc-1", "ledg'), "this", []),
    "only a torn head": (('{"form',), "this", []),
    "lines of another's": (("[1]\n", "null\n", "\0\0\0\n", '{"else": 1}\n', "[" * 9000 + "\n", planned(), {"begun": "abc-0"}), "this", [(None, "unknown")]),
    "an outcome of no intent": (({"begun": "abc-7"}, {"created": "abc-8", "answer": ANSWER}), "this", []),
    "members of other types": ((planned(), {"begun": ["abc-0"]}, {"begun": "abc-0", "at": "soon"}, {"intent": 7}), "this", [(None, "unknown")]),
}  # fmt: skip


@pytest.mark.sample(12)
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("case", LINES)
def test_intents_of_a_dead_process_become_rows(file: str, connect: Any, case: str, mode: str) -> None:
    """By the next connection's first statement, once, and the file is gone."""
    lines, boot, expected = LINES[case]
    plain = apsw.Connection(file)
    plain.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    plain.close()
    written(file, *lines, boot=boot)
    db = opened(connect, file)
    assert rows(db) == expected
    assert left(file) == []
    assert rows(opened(connect, file)) == expected


def test_intents_of_another_boot_are_told_by_its_id(
    file: str, connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A power cut may have taken the later lines: what was planned may have been sent."""
    boot = tmp_path / "boot"
    boot.write_text("one\n")
    monkeypatch.setattr(intent_file, "BOOT_ID", boot)
    written(file, planned())
    boot.write_text("two\n")
    assert rows(opened(connect, file)) == [(None, "unknown")]
    boot.unlink()
    assert intent_file.boot_id() is None


def test_intents_are_there_before_the_first_request(file: str, connect: Any, sandbox: Any) -> None:
    """Written with the database's own mode, without a key, and gone after COMMIT."""
    Path(file).chmod(0o640)
    seen: list[tuple[int, str]] = []

    db = connect(file)
    original = sandbox._server.faults.fault_for

    def look(request: Any) -> Any:
        if request.method == "POST":
            (path,) = left(file)
            seen.append((stat.S_IMODE(path.stat().st_mode), path.read_text("utf-8")))
        return original(request)

    sandbox._server.faults.fault_for = look
    db.execute(f"BEGIN; {ONE}; {ONE}")
    assert left(file) == []
    db.execute("COMMIT")
    assert left(file) == []
    assert len(seen) == 2
    for mode, text in seen:
        assert mode & 0o037 == 0
        assert '"intent"' in text
        assert '"begun"' in text
        assert sandbox.api_key not in text
    assert [status for _, status in rows(db)] == ["in_progress"] * 2


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_intents_of_a_live_sender_are_left_alone(file: str, connect: Any, sandbox: Any, mode: str) -> None:
    """Another connection opens the ledger while a commit is under way: it takes nothing over."""
    plain = apsw.Connection(file)
    plain.execute(f"PRAGMA journal_mode = {mode}").fetchall()
    plain.close()
    failures: list[BaseException] = []

    def commit() -> None:
        try:
            db = openai_vtab.connect(file, base_url=sandbox.base_url, api_key=sandbox.api_key)
            db.execute(ONE)
            db.close()
        except BaseException as error:
            failures.append(error)

    sender = threading.Thread(target=commit)
    with holding(sandbox, method="POST"):
        sender.start()
        until(lambda: sandbox.in_flight)
        other = opened(connect, file)
        other.execute("SELECT count(*) FROM mine").fetchall()
        assert rows(other) == []
        assert len(left(file)) == 1
    sender.join(20)
    assert failures == []
    other.execute("SELECT 1").fetchall()
    assert [status for _, status in rows(other)] == ["in_progress"]
    assert left(file) == []


@pytest.mark.parametrize("how", ["again", "two connections", "a copied folder", "a row that is there"])
def test_intents_settled_twice_add_nothing(file: str, connect: Any, tmp_path: Path, how: str) -> None:
    """Each row has its intent's id."""
    lines = planned(), {"begun": "abc-0"}, {"created": "abc-0", "answer": ANSWER}, planned("abc-1"), {"begun": "abc-1"}
    expected = [("vsfb_1", "completed"), (None, "unknown")]
    if how == "a copied folder":
        written(file, *lines)
        copy = tmp_path / "copy"
        shutil.copytree(Path(file).parent, copy)
        assert rows(opened(connect, str(copy / "ours.db"))) == expected
        assert left(str(copy / "ours.db")) == []
    elif how == "two connections":
        written(file, *lines)
        first, second = connect(file), connect(file)
        for db in (first, second, first):
            db.execute("SELECT count(*) FROM mine").fetchall()
    elif how == "again":
        written(file, *lines)
        opened(connect, file)
        written(file, *lines)
    else:
        plain = apsw.Connection(file)
        plain.execute("INSERT INTO mine_ledger (vector_store_id, id, status) VALUES ('vs_demo', 'vsfb_1', 'completed')")
        plain.close()
        written(file, *lines)
    assert rows(opened(connect, file)) == expected
    assert left(file) == []


def test_intents_of_a_known_id_complete_a_row_that_was_unknown(file: str, connect: Any) -> None:
    """A copy from before the answer came, settled first; and the other way round nothing is unlearned."""
    written(file, planned(), {"begun": "abc-0"})
    assert rows(opened(connect, file)) == [(None, "unknown")]
    written(file, planned(), {"begun": "abc-0"}, {"created": "abc-0", "answer": ANSWER})
    assert rows(opened(connect, file)) == [("vsfb_1", "completed")]
    written(file, planned(), {"begun": "abc-0"})
    assert rows(opened(connect, file)) == [("vsfb_1", "completed")]


def test_intents_beside_a_read_only_connection_are_reported(
    file: str, connect: Any, sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It changes nothing; a connection that may write recovers them."""
    path = written(file, planned(), {"begun": "abc-0"})
    db = openai_vtab.connect(file, flags=apsw.SQLITE_OPEN_READONLY, base_url=sandbox.base_url, api_key=sandbox.api_key)
    assert db.execute("SELECT count(*) FROM mine").get == 0
    db.close()
    assert path.name in caplog.text
    assert "open it for writing once" in caplog.text
    assert left(file) == [path]
    caplog.clear()
    assert rows(opened(connect, file)) == [(None, "unknown")]
    assert "1 row added for a transaction that was interrupted" in caplog.text


def test_intents_lie_beside_the_attached_file(file: str, connect: Any, sandbox: Any, tmp_path: Path) -> None:
    """Of two files of one transaction each has its own; recovery finds them under another schema's name."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(file, other / "theirs.db")
    db = connect(file)
    db.execute("ATTACH ? AS b", (str(other / "theirs.db"),))
    names: set[str] = set()
    original = sandbox._server.faults.fault_for

    def look(request: Any) -> Any:
        names.update(path.name.partition(intent_file.MARK)[0] for path in [*left(file), *left(str(other / "x"))])
        return original(request)

    sandbox._server.faults.fault_for = look
    db.execute(f"BEGIN; {ONE}; {INSERT.format('b.mine')}; COMMIT")
    assert names == {"ours.db", "theirs.db"}
    assert left(file) == left(str(other / "x")) == []
    db.close()
    written(str(other / "theirs.db"), planned(), {"begun": "abc-0"})
    db = connect(file)
    db.execute("ATTACH ? AS quite_another", (str(other / "theirs.db"),))
    db.execute("SELECT count(*) FROM quite_another.mine").fetchall()
    assert [status for _, status in rows(db, "quite_another.mine")] == ["in_progress", "unknown"]


@pytest.mark.parametrize("where", [":memory:", "", "temp"])
def test_intents_of_what_is_in_no_file_are_in_memory(
    connect: Any, sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No file is written anywhere, and a failed COMMIT is listed all the same."""
    monkeypatch.chdir(tmp_path)
    db = connect(":memory:" if where == "temp" else where)
    db.execute(f"CREATE VIRTUAL TABLE {'temp.' if where == 'temp' else ''}mine USING {MODULE}")
    db.set_commit_hook(lambda: True, id="no")
    with pytest.raises(openai_vtab.WriteError):
        db.execute(ONE)
    db.set_commit_hook(None, id="no")
    db.execute("SELECT 1").fetchall()
    assert [status for _, status in rows(db)] == ["in_progress"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="folders have no such mode")
def test_intents_that_cannot_be_written_send_nothing(
    file: str, connect: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so, and the next statement works."""
    db = connect(file)
    db.execute("SELECT count(*) FROM mine").fetchall()
    db.execute("PRAGMA journal_mode = memory").fetchall()
    with monkeypatch.context() as patched:
        refused = OSError(13, "Permission denied")

        def no_file(*_: Any, **__: Any) -> int:
            raise refused

        patched.setattr(intent_file.os, "open", no_file)
        with pytest.raises(
            openai_vtab.OperationalError, match=r"the rows were not sent: .*Permission denied"
        ) as caught:
            db.execute(ONE)
    assert file in str(caught.value)
    assert not any(request.method == "POST" for request in sandbox.requests)
    assert rows(db) == []
    db.execute(ONE)
    assert len(rows(db)) == 1


@pytest.mark.parametrize("meanwhile", ["renamed", "dropped", "dropped with another ledger left"])
def test_intents_of_a_ledger_that_has_changed_meanwhile(
    file: str, connect: Any, caplog: pytest.LogCaptureFixture, meanwhile: str
) -> None:
    """They go to the ledger if it is there under any name that they know; otherwise the log names what was created."""
    caplog.set_level(logging.WARNING)
    db = connect(file)
    db.execute(f"CREATE VIRTUAL TABLE other USING {MODULE}")
    if meanwhile == "renamed":
        db.execute("ALTER TABLE mine RENAME TO yours")
    else:
        db.execute("DROP TABLE mine")
    db.close()
    written(file, planned(ledgers=["mine", "yours"]), {"begun": "abc-0"}, {"created": "abc-0", "answer": ANSWER})
    table = "yours" if meanwhile == "renamed" else "other"
    db = opened(connect, file, table)
    assert rows(db, table) == ([("vsfb_1", "completed")] if meanwhile == "renamed" else [])
    assert ("its ledger is gone" in caplog.text) is (meanwhile != "renamed")
    assert left(file) == []


@pytest.mark.parametrize("name", ["it's", 'a "quote"', "größe 表", "with space", "semi;colon", "*[?]"])
def test_intents_of_any_name(connect: Any, sandbox: Any, tmp_path: Path, name: str) -> None:
    """Of the table, and of the file."""
    file = str(tmp_path / f"{name.replace('*', 'x')}[1].db")
    quoted = '"' + name.replace('"', '""') + '"'
    db = connect(file)
    db.execute(f"CREATE VIRTUAL TABLE {quoted} USING {MODULE}; {INSERT.format(quoted)}")
    db.close()
    written(file, planned(ledgers=[name]), {"begun": "abc-0"})
    db = connect(file)
    assert db.execute(f"SELECT count(*) FROM {quoted}").get == 2
    assert left(file) == []


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
@pytest.mark.parametrize("way", ["a symbolic link", "a URI", "a relative path"])
def test_intents_lie_beside_the_file_itself(
    file: str, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """However the database is named."""
    written(file, planned(), {"begun": "abc-0"})
    flags = apsw.SQLITE_OPEN_READWRITE
    if way == "a symbolic link":
        name = str(tmp_path / "link.db")
        Path(name).symlink_to(file)
    elif way == "a URI":
        name, flags = f"file:{file}?cache=private", flags | apsw.SQLITE_OPEN_URI
    else:
        monkeypatch.chdir(Path(file).parent)
        name = "ours.db"
    db = connect(name, flags=flags)
    db.execute("SELECT count(*) FROM mine").fetchall()
    assert rows(db) == [(None, "unknown")]
    assert left(file) == []


def test_intents_of_several_ledgers_in_one_file(file: str, connect: Any) -> None:
    """Opening one of them settles all of the file."""
    db = connect(file)
    db.execute(f"CREATE VIRTUAL TABLE other USING {MODULE}")
    db.close()
    written(file, planned(), {"begun": "abc-0"}, planned("abc-1", ["other"]), {"begun": "abc-1"})
    db = opened(connect, file)
    assert (rows(db), rows(db, "other")) == ([(None, "unknown")], [(None, "unknown")])
    assert left(file) == []


ENDS: dict[str, Callable[[Any], None]] = {
    "the next statement": lambda db: db.execute("SELECT 1").fetchall(),
    "close": lambda db: db.close(),
}


@pytest.mark.parametrize("end", ENDS)
def test_intents_of_a_failed_commit_are_gone_after(file: str, connect: Any, end: str) -> None:
    """The rows are in the ledger then."""
    db = connect(file)
    db.set_commit_hook(lambda: True, id="no")
    with pytest.raises(openai_vtab.WriteError):
        db.execute(f"BEGIN; {ONE}; COMMIT")
    assert len(left(file)) == 1
    db.set_commit_hook(None, id="no")
    ENDS[end](db)
    assert left(file) == []
    plain = apsw.Connection(file)
    assert [status for _, status in rows(plain)] == ["in_progress"]


def test_intents_survive_a_line_that_was_cut_off(file: str, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a line: the next one is not lost with it."""
    log = IntentLog(file)
    first, second = (log.new(["mine"], {"vector_store_id": "vs_1"}, {"file_ids": [f]}) for f in ("file-1", "file-2"))
    log.write([first, second])
    write = os.write

    def half(descriptor: int, data: Any) -> int:
        monkeypatch.setattr(intent_file.os, "write", write)
        write(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(intent_file.os, "write", half)
    with pytest.raises(openai_vtab.OperationalError, match="No space left"):
        first.begin()
    second.begin()
    second.created({"id": "vsfb_2"})
    assert log.path is not None
    read = {intent.id: intent.outcome for intent in read_intents(log.path, file).intents}
    assert read == {first.id: Outcome.PLANNED, second.id: Outcome.CREATED}
    log.remove()


def test_intents_have_the_mode_of_the_database_whatever_the_umask(file: str) -> None:
    """Another user who may write the database must be able to recover it."""
    Path(file).chmod(0o664)
    before = os.umask(0o077)
    try:
        log = IntentLog(file)
        log.write([log.new(["mine"], {}, {})])
    finally:
        os.umask(before)
    assert log.path is not None
    assert log.path.stat().st_mode & 0o777 == 0o664
    log.remove()


def test_intents_of_an_unknown_format_are_left_alone(file: str, connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A newer version has written them: a warning says so once, and the file stays. Others become rows all the same."""
    path = Path(f"{file}{intent_file.MARK}aaa")
    path.write_text('{"format":2,"boot":"x"}\n{"intent":"abc-0","ledgers":["mine"],"keys":{},"sent":{}}\n')
    written(file, planned(), {"created": "abc-0", "answer": ANSWER})
    db = opened(connect, file, "mine")
    db.execute("SELECT 1").fetchall()
    assert rows(db, "mine") == [("vsfb_1", "completed")]
    assert caplog.text.count("has format 2; a newer version of openai_vtab wrote it") == 1
    assert path.exists()


def test_intents_settle_a_snapshot(file: str, connect: Any, sandbox: Any) -> None:
    """The response comes while the row `unknown` is written: the next statement completes the row."""
    log = IntentLog(file)
    intent = log.new(["mine"], {"vector_store_id": "vs_1"}, {"file_ids": ["file-1"]})
    log.write([intent])
    intent.begin()
    due = log.unsettled()
    intent.created({"id": "vsfb_1", "vector_store_id": "vs_1", "status": "in_progress"})
    log.settle(due)
    assert [(found.id, found.outcome) for found in log.unsettled()] == [(intent.id, Outcome.CREATED)]
    log.settle(log.unsettled())
    assert log.unsettled() == []
    log.remove()


def test_intents_keep_the_newer_answer_of_a_looked_up_row(file: str, connect: Any) -> None:
    """The batch was looked up, and has finished, before its intent is settled: place and status stay."""
    db = connect(file)
    shadow = "INSERT INTO mine_ledger (vector_store_id, id, status, answer) VALUES (?, ?, ?, ?)"
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    db.execute(shadow, ("vs_demo", "vsfb_1", "completed", '{"id":"vsfb_1"}'))
    db.execute(shadow, ("vs_demo", "vsfb_9", "completed", '{"id":"vsfb_9"}'))
    db.execute(
        "INSERT INTO mine_ledger (vector_store_id, status, sent, intent) VALUES ('vs_demo', 'unknown', '{}', 'abc-0')"
    )
    db.close()
    written(file, planned(), {"begun": "abc-0"}, {"created": "abc-0", "answer": {**ANSWER, "status": "in_progress"}})
    db = opened(connect, file, "mine")
    db.execute("SELECT 1").fetchall()
    found = db.execute("SELECT id, status, intent FROM mine_ledger ORDER BY seq").fetchall()
    assert found == [("vsfb_1", "completed", "abc-0"), ("vsfb_9", "completed", None)]


def test_recovery_passes_over_a_file_that_is_removed_meanwhile(
    file: str, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It was listed, and its transaction has committed before it is read; the other file is recovered."""
    gone = Path(f"{file}{intent_file.MARK}0000")
    gone.symlink_to(gone.with_name("removed"))
    written(file, planned(), {"begun": "abc-0", "at": 5})
    assert gone in intent_file.left_behind(file)
    assert rows(opened(connect, file)) == [(None, "unknown")]
    (warning,) = caplog.records
    assert "1 row added for a transaction that was interrupted" in warning.getMessage()
