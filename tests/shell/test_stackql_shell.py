"""StackQL's statements in the shell: the page as it stands, options for its placeholders, and what a person sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..stackql import pages
from .command import run_process, run_shell
from .terminal import Terminal

REQUESTS = "SELECT method, path, status FROM openai_requests;\n"
SENT = """GET|/vector_stores/vs_demo/file_batches/vsfb_demo_running|200
POST|/vector_stores/vs_demo/file_batches|200
POST|/vector_stores/vs_demo/file_batches|200
POST|/vector_stores/vs_demo/file_batches/vsfb_demo_running/cancel|200
"""
SEED = pages.SELECT + pages.INSERT + pages.INSERT_REQUIRED + pages.EXEC + REQUESTS


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """The page's manifest, with values."""
    path = tmp_path / "manifest.yaml"
    path.write_text(pages.MANIFEST, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("way", ["input", "read", "argument", "timer"])
def test_stackql_page_runs_as_it_stands(way: str, manifest: str, tmp_path: Path) -> None:
    """From the input, a script, and the command line."""
    options = ["--sandbox", "--manifest", manifest, "--var", "batch_id=vsfb_demo_running", ":memory:"]
    script = tmp_path / "page.iql"
    script.write_text(SEED, encoding="utf-8")
    if way == "input":
        done = run_shell(*options, text=SEED)
    elif way == "argument":
        done = run_shell(*options, SEED)
    elif way == "timer":
        done = run_shell(*options, text=f".timer on\n{SEED}")
    else:
        done = run_shell(*options, text=f".read {script}\n")
    assert (done.stderr == "", done.returncode) == (way != "timer", 0)
    assert done.stdout.startswith("vsfb_demo_running|")
    assert done.stdout.endswith(SENT)


def test_stackql_var_wins_over_the_manifest(manifest: str) -> None:
    """A value may contain = and quotation marks; the last --var of a name counts."""
    done = run_shell("--sandbox", "--manifest", manifest, "--var", "vector_store_id=x", "--var", "vector_store_id=a='b'", ":memory:", "SELECT '{{ vector_store_id }}', '{{ chunking_strategy }}';")  # fmt: skip
    assert (done.stdout, done.stderr) == ('a=\'b\'|{"type": "auto"}\n', "")


def test_stackql_missing_values_are_listed_before_anything_runs() -> None:
    """Of all statements of a text; the types of the page's own manifest are no values."""
    done = run_shell("--sandbox", "--var", "x=1", ":memory:", f"CREATE TABLE t (a);{pages.SELECT}{pages.INSERT}")
    assert done.stderr.startswith(
        "no value for batch_id, vector_store_id, file_ids, chunking_strategy; give each to the shell as --var "
    )
    assert (done.stdout, done.returncode) == ("", 1)


def test_stackql_without_options_braces_are_text() -> None:
    """In SQLite's SQL; a statement of StackQL's says that its placeholders have no value."""
    done = run_shell("--sandbox", ":memory:", f"SELECT '{{{{ a }}}}';{pages.SELECT}")
    assert done.stdout == "{{ a }}\n"
    assert done.stderr.startswith("no value for batch_id, vector_store_id; give each ")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--var", "a"], "--var 'a' has no value; write --var NAME=VALUE"),
        (["--var", "=b"], "--var '=b' has no value; write --var NAME=VALUE"),
        (["--var"], "You need to specify a value after --var"),
        (["--manifest", "nope.yaml"], "[Errno 2] No such file or directory: 'nope.yaml'"),
    ],
)
def test_stackql_options_say_what_to_write(options: list[str], problem: str) -> None:
    """At the start."""
    done = run_shell("--sandbox", *options)
    assert (done.stderr.strip(), done.returncode) == (problem, 1)


def test_stackql_manifest_must_be_utf8(tmp_path: Path) -> None:
    """With or without a byte order mark."""
    path = tmp_path / "m.json"
    path.write_bytes('\ufeff{"a": "é"}'.encode())
    assert run_shell("--sandbox", "--manifest", str(path), ":memory:", "SELECT '{{ a }}';").stdout == "é\n"
    path.write_bytes(b'{"a": "\xe9"}')
    done = run_shell("--sandbox", "--manifest", str(path), ":memory:")
    assert done.stderr.strip() == f"--manifest {path} is not UTF-8; save it as UTF-8"


def test_stackql_errors_are_one_line_and_the_shell_goes_on() -> None:
    """Without SQLite's pointer; SQLite's own errors keep it."""
    done = run_shell("--sandbox", ":memory:", text="SHOW TABLES;\nSELECT a b c;\nSHOW VERSION;\n")
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("SHOW TABLES: there is no such statement; write SHOW RESOURCES IN openai.vector_stores, ")
    assert second == 'near "c": syntax error'
    assert "^--- error here" in done.stderr
    assert done.stdout.count("\n") == 1


def test_stackql_several_statements_on_a_line() -> None:
    """Each is divided from the next, translated or not."""
    sql = "SELECT 1; SHOW VERSION; SELECT count(*) > 1 FROM openai.files.files; SELECT 'EXEC;'; -- the end\n"
    version = run_shell("--sandbox", ":memory:", "SHOW VERSION").stdout
    done = run_shell("--sandbox", ":memory:", sql)
    assert (done.stdout, done.stderr) == (f"1\n{version}1\nEXEC;\n", "")


def test_stackql_exec_takes_the_shells_parameters() -> None:
    """Of .parameter set."""
    text = ".parameter set b 'vsfb_demo_running'\n.parameter set v 'vs_demo'\n"
    text += "EXEC openai.vector_stores.file_batches.cancel @batch_id=$b, @vector_store_id=$v;\n"
    done = run_shell("--sandbox", ":memory:", text=text)
    assert done.stdout.startswith('{"id":"vsfb_demo_running"')
    assert done.stderr == ""


@pytest.mark.slow
def test_stackql_statements_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    """Over several lines, as they are typed."""
    shell = terminal()
    shell.type("EXEC openai.vector_stores.file_batches.cancel\n")
    shell.until("..> ")
    shell.type("@vector_store_id='vs_demo' --required,\n@batch_id='vsfb_demo_running' --required\n;\n")
    shell.until("vsfb_demo_running", "sqlite> ")
    assert "openai.vector_stores.files" in shell.run("SHOW RESOURCES IN openai.vector_stores;", "files")


@pytest.mark.slow
def test_stackql_in_a_process(manifest: str) -> None:
    """As a user starts it."""
    done = run_process("--sandbox", "--manifest", manifest, "--var", "batch_id=vsfb_demo_running", text=SEED)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.endswith(SENT)
