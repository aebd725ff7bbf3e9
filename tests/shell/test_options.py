"""The command line's options: their order, their effects, --help and --version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apsw.shell import Shell as ApswShell

import openai_vtab
from openai_vtab.shell.app import Shell
from openai_vtab.shell.options import named_options, parse_options

from .command import SELECT, run_process, run_shell


def test_options_stand_in_any_order() -> None:
    """Before the database and after it, as in the sqlite3 shell; an option of APSW's shell keeps its value."""
    args = ["-separator", "--quiet", "--base-url", "http://127.0.0.1/v1", "my.db", "--quiet", "SELECT 1", "--dry-run"]
    options = parse_options([*args, "-csv", "--dry-run\n; SELECT 2"])
    assert options.rest == ["-separator", "--quiet", "-csv", "my.db", "SELECT 1", "--dry-run\n; SELECT 2"]
    assert options.quiet
    assert options.settings == {"base_url": "http://127.0.0.1/v1", "dry_run": True}


def test_options_after_the_database_are_options_of_the_statement(sandbox: Any) -> None:
    """A dry run deletes nothing, and a misspelt option ends the shell before the statement runs."""
    delete = "DELETE FROM vector_stores WHERE vector_store_id = 'vs_demo'"
    run_shell("--base-url", sandbox.base_url, ":memory:", delete, "--dry-run")
    wrong = run_shell("--base-url", sandbox.base_url, ":memory:", delete, "--dry")
    assert wrong.stderr == "Unrecognized argument 'dry'\n"
    assert [request.method for request in sandbox.requests] == []


def test_options_without_a_value_raise() -> None:
    """The error names the option."""
    with pytest.raises(ApswShell.Error, match="specify a value after --upload-root"):
        parse_options(["--upload-root"])


def test_options_sandbox_and_base_url_the_later_wins() -> None:
    """As with any option that is given twice."""
    assert parse_options(["--base-url", "http://127.0.0.1/v1", "--sandbox"]).settings == {}
    assert parse_options(["--sandbox", "--base-url", "http://127.0.0.1/v1"]).settings["base_url"].endswith("/v1")


def test_options_of_ours_and_of_apsw_mix() -> None:
    """In any order."""
    done = run_shell("-json", ":memory:", "--sandbox", SELECT, "-batch")
    assert '"status": "completed"' in done.stdout
    assert done.returncode == 0


@pytest.mark.slow
def test_options_work_with_no_color() -> None:
    """While NO_COLOR is set, APSW's shell would take --sandbox for -nocolour, and ask the real API."""
    done = run_process("--sandbox", "-csv", ":memory:", SELECT, environment={"NO_COLOR": "1"})
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("vsfb_demo_finished,completed", "", 0)


def test_help_lists_all_options() -> None:
    """Ours and those of APSW's shell."""
    done = run_shell("--help")
    text = done.stdout + done.stderr
    for option in (
        "openai-vtab",
        "--sandbox",
        "--base-url URL",
        "--version",
        "--help",
        "OPENAI_API_KEY",
        "-init filename",
    ):
        assert option in text
    assert done.returncode == 0


def test_version_shows_ours_sqlites_and_apsws() -> None:
    """On standard output, with status 0."""
    done = run_shell("--version")
    assert done.stdout.startswith(f"openai-vtab {openai_vtab.__version__}, SQLite 3.")
    assert done.returncode == 0


@pytest.mark.slow
def test_base_url_with_the_key_of_the_environment(sandbox: Any) -> None:
    """Without the key, the statement fails."""
    done = run_process("--base-url", sandbox.base_url, text=SELECT, environment={"OPENAI_API_KEY": sandbox.api_key})
    assert done.stdout == "vsfb_demo_finished|completed\n"
    done = run_process("--base-url", sandbox.base_url, text=SELECT)
    assert "no API key: set OPENAI_API_KEY" in done.stderr
    assert done.returncode == 1


def test_sandbox_says_what_to_install(open_shell: Callable[..., Shell], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra of the package."""
    monkeypatch.setitem(sys.modules, "openai_vtab.sandbox", None)
    with pytest.raises(openai_vtab.NotSupportedError, match=r"pip install 'openai-vtab\[sandbox\]'"):
        open_shell().process_args(["--sandbox"])


def test_quiet_removes_the_progress_bar(shell_on_screen: Shell) -> None:
    """Whatever the terminal."""
    shell_on_screen.process_args(["--quiet"])
    assert shell_on_screen.bar is None


@pytest.mark.slow
def test_dry_run_shows_requests_and_sends_none() -> None:
    """Without a key, on standard error, so that the output stays what it would be."""
    done = run_process("--dry-run", text=f"INSERT INTO vector_stores (name) VALUES ('x');\n{SELECT}\nSELECT 1;\n")
    assert (done.stdout, done.returncode) == ("1\n", 0)
    get = "GET /vector_stores/vs_demo/file_batches/vsfb_demo_finished\n"
    assert done.stderr == 'POST /vector_stores\n{\n  "name": "x"\n}\n' + get


def test_read_only_refuses_writes() -> None:
    """Reads go on."""
    done = run_shell(
        "--sandbox", "--read-only", text=f"DELETE FROM vector_stores WHERE vector_store_id = 'vs_demo';\n{SELECT}"
    )
    assert done.stdout == "vsfb_demo_finished|completed\n"
    assert "vector_stores: this connection is read_only" in done.stderr
    assert done.returncode == 1


FILES = "SELECT name FROM fsdir('.') WHERE level = 2;\nSELECT CAST(readfile('a.txt') AS TEXT);\n"


def test_upload_root_is_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was at the start: .cd does not change it, nor does another database."""
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    upload = "INSERT INTO files (path, filename, purpose) VALUES ('a.txt', 'b.txt', 'assistants');\n"
    uploaded = "SELECT filename FROM files WHERE rowid = last_insert_rowid();\n"
    done = run_shell("--sandbox", text=f".cd deep\n{FILES}{upload}{uploaded}.open :memory:\n{FILES}")
    assert (done.stdout, done.stderr) == ("./a.txt\n./deep\nhello\nb.txt\n./a.txt\n./deep\nhello\n", "")
    monkeypatch.chdir(tmp_path)
    done = run_shell("--sandbox", text="SELECT readfile('../secret');")
    assert f"readfile: '../secret' is outside upload_root ({tmp_path}); write a path below it" in done.stderr
    assert done.returncode == 1


def test_upload_root_may_be_another_folder_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is relative to the current one at the start; an empty text closes it."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    done = run_shell("--sandbox", "--upload-root", "deep", text=f".cd /\n{FILES}")
    assert (done.stdout, done.stderr) == ("./a.txt\nhello\n", "")
    done = run_shell("--sandbox", "--upload-root", "", text=FILES)
    assert done.stdout == ""
    assert done.stderr.count("local files may not be read, because upload_root is not set; write upload_root=") == 2


@pytest.mark.parametrize("given", ["nope", "a.txt"])
def test_upload_root_that_is_no_folder_ends_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """At the start, before any statement."""
    (tmp_path / "a.txt").touch()
    monkeypatch.chdir(tmp_path)
    done = run_shell("--sandbox", "--upload-root", given, text="SELECT 1;")
    assert (done.stdout, done.returncode) == ("", 1)
    problem = f"--upload-root is '{given}', which is not a folder; give a folder that exists, or '' for none"
    assert done.stderr.strip() == problem


@pytest.mark.slow
def test_errors_as_rows_and_upload_root(tmp_path: Path) -> None:
    """Both are settings of connect()."""
    (tmp_path / "a.txt").write_text("hello")
    upload = "INSERT INTO files (path, purpose) VALUES ('a.txt', 'assistants');\n"
    bad = SELECT.replace("vsfb_demo_finished", "no")
    done = run_process(
        "--sandbox",
        "--errors-as-rows",
        "--upload-root",
        str(tmp_path),
        text=f"{upload}{bad}\nSELECT filename FROM files WHERE rowid = last_insert_rowid();\n",
    )
    assert done.stdout == "no|\na.txt\n"
    assert done.stderr == "warning: 1 keys or lists could not be read: look at the column error of their rows\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("files.path: 'a' is outside upload_root (/x)", "in the shell, upload_root is --upload-root DIR"),
        (
            "base_url is http://x, or allow_http=True",
            "in the shell, base_url is --base-url URL, allow_http is --allow-http",
        ),
        ("two errors in my_upload_root.md and a/base_url.txt", ""),
    ],
)
def test_options_are_named_for_the_settings_in_an_error(text: str, line: str) -> None:
    """A name within a word or a path is another name."""
    assert named_options(text) == line


def test_options_follow_an_error() -> None:
    """Files and addresses: the library names its settings, and the shell its options."""
    done = run_shell("--sandbox", ":memory:", "INSERT INTO files (path, purpose) VALUES ('no.md', 'assistants')")
    assert "absolute or relative to it\n(in the shell, upload_root is --upload-root DIR)\n" in done.stderr
    done = run_shell("--base-url", "http://example.com/v1", ":memory:", "SELECT 1")
    assert done.stderr.endswith("(in the shell, base_url is --base-url URL, allow_http is --allow-http)\n")
