"""openai-vtab sync: what it sends and deletes, what it says, and its exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import openai_vtab
from openai_vtab.sandbox import Status
from openai_vtab.schema import validators
from openai_vtab.sync import writer

from ..shell.command import run_shell
from .conftest import Done

Sync = Callable[..., Done]
Stored = Callable[[], list[tuple[str, str]]]
Ledger = Callable[[str], list[tuple[Any, ...]]]
BATCH = "POST /vector_stores/VS/file_batches"


def changes(done: Done) -> list[str]:
    """The requests of a sync that change something, sorted, without ids."""
    found = []
    for request in done.requests:
        method, path = request.split(" ")
        if method != "GET":
            names = {"vs_": "VS", "file-": "F"}
            parts = [
                next((name for id, name in names.items() if part.startswith(id)), part) for part in path.split("/")
            ]
            found.append(f"{method} {'/'.join(parts)}")
    return sorted(found)


def test_sync_uploads_all_and_then_nothing(sync: Sync, stored: Stored, database: Path, ledger: Ledger) -> None:
    """One batch attaches them. The second run sends no request."""
    done = sync()
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"table handbook in {database}\n")
    assert done.summary == "3 added, 0 changed, 0 unchanged, 0 deleted, 0 failed"
    assert changes(done) == ["POST /files"] * 3 + ["POST /vector_stores", BATCH]
    assert stored() == [("a.md", "first"), ("b.md", "second"), ("c.md", "third")]
    keys = [("docs/a.md",), ("docs/b.md",), ("docs/guides/c.md",)]
    assert ledger("SELECT key FROM handbook_documents ORDER BY key") == keys
    done = sync()
    assert (done.status, done.requests) == (0, [])
    assert done.summary == "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed"


def test_sync_replaces_changed_files(sync: Sync, stored: Stored, folder: Path) -> None:
    """The old file is detached and deleted once the new one is completed."""
    sync()
    (folder / "a.md").write_text("other")
    done = sync()
    assert done.summary == "0 added, 1 changed, 2 unchanged, 0 deleted, 0 failed"
    assert changes(done) == sorted(["POST /files", BATCH, "DELETE /vector_stores/VS/files/F", "DELETE /files/F"])
    assert stored() == [("a.md", "other"), ("b.md", "second"), ("c.md", "third")]
    assert sync().requests == []


def test_sync_of_ten_changed_files_sends_few_requests(sync: Sync, folder: Path, stored: Stored) -> None:
    """Four for each, and at most five to attach all of them and to look at them."""
    for number in range(40):
        (folder / f"{number:02}.md").write_text("old")
    sync()
    for number in range(10):
        (folder / f"{number:02}.md").write_text(f"text {number}")
    done = sync()
    assert done.summary == "0 added, 10 changed, 33 unchanged, 0 deleted, 0 failed"
    assert changes(done).count("POST /files") == 10
    assert changes(done).count(BATCH) == 1
    assert len(done.requests) <= 35
    assert len(stored()) == 43


def test_sync_deletes_what_is_gone_after_the_rest_is_searchable(sync: Sync, stored: Stored, folder: Path) -> None:
    """So that a file with a new name is always found."""
    sync()
    (folder / "a.md").rename(folder / "z.md")
    done = sync()
    assert done.summary == "1 added, 0 changed, 2 unchanged, 1 deleted, 0 failed"
    looked = max(number for number, request in enumerate(done.requests) if request.startswith("GET"))
    deleted = min(number for number, request in enumerate(done.requests) if request.startswith("DELETE"))
    assert looked < deleted
    assert stored() == [("b.md", "second"), ("c.md", "third"), ("z.md", "first")]


def test_sync_keeps_attributes(sync: Sync, database: Path, folder: Path, sandbox: Any, ledger: Ledger) -> None:
    """Those of a document that is the same, and those of one that has changed."""
    sync()
    settings = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    with openai_vtab.connect(database, **settings) as db:
        db.execute("UPDATE handbook SET attributes = json_object('author', 'Ann') WHERE key <> 'docs/b.md'")
    db.close()
    (folder / "a.md").write_text("other")
    done = sync()
    assert changes(done).count("POST /vector_stores/VS/files/F") == 0
    kept = [('{"author":"Ann"}',), ("{}",), ('{"author":"Ann"}',)]
    assert ledger("SELECT attributes FROM handbook_documents ORDER BY key") == kept
    with sandbox._state.lock:
        (store,) = sandbox._state.stores.values()
        assert [json.dumps(file.attributes) for file in store.files.values()].count('{"author": "Ann"}') == 2


def test_glob_and_prefix_choose_files_and_keys(sync: Sync, ledger: Ledger, folder: Path) -> None:
    """Documents that the pattern does not cover stay."""
    (folder / "notes.txt").write_text("text")
    (folder / ".hidden").write_text("text")
    sync("--glob", "**/*.md", "--prefix", "")
    keys = [("a.md",), ("b.md",), ("guides/c.md",)]
    assert ledger("SELECT key FROM handbook_documents ORDER BY key") == keys
    done = sync("--glob", "*.txt", "--prefix", "")
    assert done.summary == "1 added, 0 changed, 0 unchanged, 0 deleted, 0 failed"
    assert ledger("SELECT key FROM handbook_documents ORDER BY key") == [*keys, ("notes.txt",)]


def test_max_delete_stops_before_anything_is_sent(sync: Sync, stored: Stored, folder: Path) -> None:
    """An empty folder may be one that is not mounted."""
    sync()
    for file in ("a.md", "b.md"):
        (folder / file).unlink()
    (folder / "new.md").write_text("new")
    done = sync()
    assert (done.status, done.requests) == (1, [])
    assert "2 of 3 documents are no longer in" in done.err
    assert "more than half of them. Nothing was sent." in done.err
    assert len(stored()) == 3
    done = sync("--max-delete", "2")
    assert (done.status, done.summary) == (0, "1 added, 0 changed, 1 unchanged, 2 deleted, 0 failed")
    assert stored() == [("c.md", "third"), ("new.md", "new")]


def test_unreadable_folder_stops_before_anything_is_sent(sync: Sync, folder: Path) -> None:
    """Its documents are not gone."""
    sync()
    (folder / "d.md").write_text("new")
    if os.geteuid() == 0:  # root can read everything but a name that is not UTF-8
        (folder / "guides" / os.fsdecode(b"\xff.md")).write_text("x")
    else:
        (folder / "guides").chmod(0)
    done = sync()
    (folder / "guides").chmod(0o755)
    assert (done.status, done.requests) == (1, [])
    assert "guides" in done.err
    assert "cannot be read" in done.err


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """Nothing is created for it."""
    done = run_shell("sync", str(tmp_path / "none"), "--store", "Handbook")
    assert done.returncode == 1
    assert done.stderr == f"DIR is '{tmp_path / 'none'}', which is not a folder; give a folder that exists\n"
    assert not (tmp_path / "data").exists()


def test_empty_folder_is_no_error(sync: Sync, folder: Path) -> None:
    """Without documents, no vector store is created."""
    for file in ("a.md", "b.md", "guides/c.md"):
        (folder / file).unlink()
    done = sync()
    assert (done.status, done.summary) == (0, "0 added, 0 changed, 0 unchanged, 0 deleted, 0 failed")
    assert [request for request in done.requests if not request.startswith("GET")] == []


def test_failed_documents_are_listed_with_status_3(sync: Sync, folder: Path, sandbox: Any, stored: Stored) -> None:
    """What the API cannot process is attached again by the next run, and not uploaded."""
    sandbox.set_processing("b.md", error={"code": "server_error", "message": "An internal error occurred."})
    done = sync()
    assert done.status == 3
    assert done.summary == "3 added, 0 changed, 0 unchanged, 0 deleted, 1 failed"
    assert "  failed: docs/b.md: server_error: An internal error occurred.\n" in done.out
    sandbox.set_processing("b.md")
    done = sync()
    assert done.summary == "0 added, 0 changed, 2 unchanged, 0 deleted, 0 failed, 1 retried"
    assert changes(done) == [BATCH]
    assert (done.status, len(stored())) == (0, 3)


def test_empty_files_are_skipped(sync: Sync, folder: Path, stored: Stored) -> None:
    """A new one is not sent, and a document whose file has become empty keeps its content."""
    (folder / "empty.md").touch()
    assert sync().summary == "3 added, 0 changed, 0 unchanged, 0 deleted, 0 failed, 1 skipped"
    (folder / "a.md").write_text("")
    done = sync()
    assert (done.status, changes(done)) == (0, [])
    assert done.summary == "0 added, 0 changed, 2 unchanged, 0 deleted, 0 failed, 2 skipped"
    assert "  empty, skipped: docs/a.md, docs/empty.md\n" in done.out
    (folder / "empty.md").write_text("not any more")
    assert sync().summary == "1 added, 0 changed, 2 unchanged, 0 deleted, 0 failed, 1 skipped"
    assert ("a.md", "first") in stored()


def test_file_that_cannot_be_sent_fails_without_advice_for_sql(
    sync: Sync, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync writes the path, and not its user."""
    monkeypatch.setattr(validators, "MAX_FILE", 7)
    (folder / "large.md").write_text("too large")
    done = sync()
    assert done.status == 3
    assert "  failed: docs/large.md: 'large.md' has 9 bytes, more than the 7 of a file\n" in done.out


def test_refused_uploads_do_not_stop_the_others(sync: Sync, folder: Path, sandbox: Any, stored: Stored) -> None:
    """The API refuses a file; the others of its transaction are sent, and none of them twice."""
    for number in range(20):
        (folder / f"{number:02}.md").write_text(str(number))
    message = {"error": {"message": "Invalid extension exe.", "type": "invalid_request_error"}}
    sandbox.inject(Status(400, message), times=1, method="POST", path="/files", after=4)
    done = sync()
    assert (done.status, done.summary) == (3, "22 added, 0 changed, 0 unchanged, 0 deleted, 1 failed")
    assert "Invalid extension exe." in done.out
    assert len(stored()) == 22
    assert changes(done).count("POST /files") == 23
    done = sync()
    assert (done.status, done.summary) == (0, "1 added, 0 changed, 22 unchanged, 0 deleted, 0 failed")


def test_errors_of_the_account_stop_the_sync(sync: Sync, sandbox: Any) -> None:
    """They would meet every document. What was sent is used by the next run."""
    sandbox.inject(Status(401), times=None, method="POST", path="/files")
    done = sync()
    assert done.status == 1
    assert "401" in done.err
    sandbox.clear_faults()
    assert sync().summary == "3 added, 0 changed, 0 unchanged, 0 deleted, 0 failed"


def test_commits_are_of_some_documents_each(
    sync: Sync, folder: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unchanged documents do not count."""
    monkeypatch.setattr(writer, "DOCUMENTS_PER_COMMIT", 2)
    done = sync()
    assert changes(done).count(BATCH) == 2
    (folder / "a.md").write_text("other")
    (folder / "guides" / "c.md").write_text("other")
    done = sync()
    assert changes(done).count(BATCH) == 1
    assert len(stored()) == 3


def test_timeout_and_no_wait_leave_documents_in_progress(
    sync: Sync, sandbox: Any, stored: Stored, folder: Path
) -> None:
    """The next run takes away what they have superseded. Only --timeout has a status of its own for it."""
    sync()
    (folder / "a.md").write_text("other")
    sandbox.set_processing("a.md", seconds=3600)
    done = sync("--no-wait")
    assert (done.status, done.summary) == (0, "0 added, 1 changed, 2 unchanged, 0 deleted, 0 failed, 1 in progress")
    assert sum(request.startswith("GET") for request in done.requests) <= 2
    done = sync("--timeout", "0.2")
    assert (done.status, done.summary) == (3, "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed, 1 in progress")
    assert len(stored()) == 4
    sandbox.finish()
    done = sync()
    assert (done.status, changes(done)) == (0, ["DELETE /files/F", "DELETE /vector_stores/VS/files/F"])
    assert len(stored()) == 3


def test_dry_run_prints_the_plan_and_sends_nothing(
    sync: Sync, folder: Path, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It creates no file, and leaves one that exists as it is."""
    done = sync("--dry-run")
    assert (done.status, done.requests) == (0, [])
    assert not database.exists()
    plan = "would add docs/a.md\nwould add docs/b.md\nwould add docs/guides/c.md\n"
    assert plan in done.out
    assert done.summary == "3 to add, 0 to change, 0 unchanged, 0 to delete, 0 failed"
    shown = [record.getMessage().split("\n")[0] for record in caplog.records]
    assert [request.split(" ")[0] for request in shown] == ["POST"] * 5
    assert shown.count("POST /files") == 3
    sync()
    (folder / "a.md").write_text("other")
    (folder / "b.md").unlink()
    before = database.read_bytes()
    done = sync("--dry-run")
    assert (done.status, done.requests) == (0, [])
    assert "would change docs/a.md\nwould delete docs/b.md\n" in done.out
    assert done.summary == "0 to add, 1 to change, 1 unchanged, 1 to delete, 0 failed"
    assert database.read_bytes() == before
    assert sync().summary == "0 added, 1 changed, 1 unchanged, 1 deleted, 0 failed"


def test_checksum_finds_a_change_that_size_and_time_hide(sync: Sync, folder: Path, stored: Stored) -> None:
    """The file was written in place, with its old size and time."""
    file = folder / "a.md"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    sync()
    with file.open("r+") as opened:
        opened.write("FIRST")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert sync().summary == "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed"
    planned = sync("--checksum", "--dry-run")
    assert (planned.summary, planned.requests) == ("0 to add, 1 to change, 2 unchanged, 0 to delete, 0 failed", [])
    assert sync("--checksum").summary == "0 added, 1 changed, 2 unchanged, 0 deleted, 0 failed"
    assert ("a.md", "FIRST") in stored()


def test_symbolic_links_are_named(sync: Sync, folder: Path) -> None:
    """They are not followed, and do not go unnoticed."""
    (folder / "link.md").symlink_to(folder / "a.md")
    done = sync()
    assert (done.status, done.summary) == (0, "3 added, 0 changed, 0 unchanged, 0 deleted, 0 failed")
    assert "  not synced, because they are symbolic links: link.md\n" in done.out


def test_quiet_prints_only_problems(sync: Sync, folder: Path, sandbox: Any) -> None:
    """So that cron sends no mail without one."""
    assert (sync("--quiet").out, sync("--quiet").out) == ("", "")
    (folder / "empty.md").touch()
    assert sync("--quiet").out == ""
    (folder / "new.md").write_text("new")
    sandbox.set_processing("new.md", error={"code": "server_error", "message": "An internal error occurred."})
    assert sync("--quiet").out.startswith("  failed: docs/new.md: ")


def test_database_below_the_folder_is_no_document(folder: Path, stored: Stored) -> None:
    """Nor are the files that belong to it."""
    args = ("sync", str(folder), "--store", "Handbook", str(folder / "my.db"))
    assert "3 added" in run_shell(*args).stdout
    (folder / "my.db.md").write_text("a document")
    (folder.parent / "link").symlink_to(folder)
    args = ("sync", str(folder.parent / "link"), "--prefix", "docs/", *args[2:])
    assert "1 added, 0 changed, 3 unchanged" in run_shell(*args).stdout
    assert len(stored()) == 4


def test_documents_of_others_stay(sync: Sync, database: Path, sandbox: Any, ledger: Ledger) -> None:
    """Those whose keys are not below the folder."""
    sync()
    with openai_vtab.connect(database, base_url=sandbox.base_url, api_key=sandbox.api_key) as db:
        db.execute("INSERT INTO handbook (key, content) VALUES ('faq', 'text'), ('docs2/a.md', 'text')")
    db.close()
    assert sync().summary == "0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed"
    assert ledger("SELECT count(*) FROM handbook_documents") == [(5,)]


def test_keys_are_those_of_fsdir(sync: Sync, folder: Path, database: Path, sandbox: Any) -> None:
    """SQL in the folder above has the same keys, and finds nothing to send."""
    sync()
    settings = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "upload_root": folder.parent}
    sandbox.requests.clear()
    with openai_vtab.connect(database, **settings) as db:
        db.execute(
            "INSERT OR REPLACE INTO handbook (key, path) SELECT name, name FROM fsdir('docs') WHERE name LIKE '%.md'"
        )
        db.execute("DELETE FROM handbook WHERE key LIKE 'docs/%' AND key NOT IN (SELECT name FROM fsdir('docs'))")
    db.close()
    assert list(sandbox.requests) == []


def test_file_that_changes_while_it_is_sent_is_sent_again(
    sync: Sync, folder: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other documents of its transaction are not uploaded twice."""
    commit = writer.DocumentWriter._commit

    def change_and_commit(self: writer.DocumentWriter, pending: dict[int, writer.Item]) -> None:
        (folder / "a.md").write_text("other")  # as long as before, or the upload itself would fail
        commit(self, pending)

    monkeypatch.setattr(writer.DocumentWriter, "_commit", change_and_commit)
    done = sync()
    assert (done.status, done.err) == (0, "")
    assert changes(done).count("POST /files") <= 4
    assert stored() == [("a.md", "other"), ("b.md", "second"), ("c.md", "third")]


def test_default_database_is_remembered(folder: Path, tmp_path: Path) -> None:
    """It is in the user's data directory, and its name is printed. A dry run does not create it."""
    args = ("sync", str(folder), "--store", "Handbook")
    assert "3 to add" in run_shell(*args, "--dry-run").stdout
    assert not (tmp_path / "data").exists()
    done = run_shell(*args)
    (database,) = (tmp_path / "data" / "openai-vtab").glob("*.db")
    assert done.stdout.startswith(f"table handbook in {database}\n")
    assert "3 unchanged" in run_shell(*args).stdout


def test_sandbox_option_needs_no_database(folder: Path, tmp_path: Path) -> None:
    """The sandbox forgets all of it."""
    done = run_shell("sync", str(folder), "--store", "Handbook", "--sandbox")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "table handbook in memory")
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_sandbox_option_with_a_database_works_once(folder: Path, database: Path) -> None:
    """The next sandbox does not know the vector store that the database lists; the error says what to do instead."""
    args = ("sync", str(folder), "--store", "Handbook", str(database), "--sandbox")
    assert run_shell(*args).returncode == 0
    done = run_shell(*args)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"DATABASE is '{database}', which lists documents that the sandbox has forgotten" in done.stderr
    assert "python -m openai_vtab.sandbox" in done.stderr


def test_key_that_is_missing_is_said_once(sync: Sync, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the only row that failed is not repeated as a list of one row."""
    sync()
    monkeypatch.delenv("OPENAI_API_KEY")
    (folder / "a.md").write_text("changed")
    done = sync()
    assert done.status == 1
    assert done.err.count("no API key") == 1
