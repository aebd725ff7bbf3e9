"""The shell's own commands and options, where its output is no terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from openai_vtab import bars, commands
from openai_vtab.commands import Commands
from openai_vtab.progress import Progress
from openai_vtab.sandbox import Answer, Status
from openai_vtab.shell import Shell
from openai_vtab.tables import TABLES

from .test_shell import SELECT, T, shell

LEDGER = f"""CREATE VIRTUAL TABLE mine USING {T};
INSERT INTO mine (vector_store_id, id) VALUES ('vs_demo', 'vsfb_demo_finished'), ('vs_demo', 'vsfb_demo_failures');
"""


def test_batches_watch_and_requests() -> None:
    """A bar for each batch, the watch is over when all are finished, and what it has cost."""
    text = f"{LEDGER}.batches\n.watch mine 0.2\n.mode jsonl\n.requests 1\n.requests\n"
    done = shell("--sandbox", text=text)
    assert (done.stderr, done.returncode) == ("", 0)
    *drawn, watched, one, first, second = done.stdout.splitlines()
    assert drawn == [
        "mine: 2 completed",
        "  vsfb_demo_finished            completed   ████████████████████ 3/3",
        "  vsfb_demo_failures            completed   ███████××××××××××××× 1/3, 2 failed",
    ]
    assert watched == "mine: 2 completed"
    assert one == second
    assert [json.loads(line)["path"].rpartition("/")[2] for line in (first, second)] == [
        "vsfb_demo_finished",
        "vsfb_demo_failures",
    ]


@pytest.mark.parametrize(
    "counts",
    [None, {"completed": None, "failed": 1}, {"completed": "3"}, [1], "x", 5, {"completed": -1}, {"failed": 1e400}],
    ids=str,
)
def test_batches_with_odd_counts(sandbox: Any, counts: Any) -> None:
    """What is no number of files is left out; the shell goes on."""
    batch = {"id": "vsfb_1", "vector_store_id": "vs_1", "status": "completed", "file_counts": counts}
    sandbox.inject(Answer(batch), times=None)
    done = shell(
        "--base-url",
        sandbox.base_url,
        text=f"CREATE VIRTUAL TABLE led USING {T};\n"
        "INSERT INTO led (vector_store_id, batch_id) VALUES ('vs_1', 'vsfb_1');\n"
        ".batches\n.watch\nSELECT 'goes on';\n",
        environment={"OPENAI_API_KEY": sandbox.api_key},
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.count("led: 1 completed") == 2
    assert done.stdout.endswith("goes on\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_what_people_read_fits_every_encoding(encoding: str) -> None:
    """A character that the terminal lacks is written as ASCII; data for a pipe is an error of one line."""

    def run(*commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "openai_vtab", "--sandbox", ":memory:", *commands],
            capture_output=True,
            encoding=encoding,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            timeout=60,
            check=False,
        )

    done = run(f"CREATE VIRTUAL TABLE led USING {T}", ".describe", ".describe files", ".batches", ".requests")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "INSERT INTO files" in done.stdout
    done = run(".help batches", ".help describe")
    assert "Traceback" not in done.stderr
    assert (done.stdout, done.returncode) == ("", 0)
    done = run("SELECT 'Ж'")
    assert done.stderr.startswith("The output's encoding, ")
    assert done.stderr.endswith("has no '\\u0416': set PYTHONIOENCODING=utf-8\n")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 1)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT CAST(x'ff00fe' AS TEXT)", "A value is text that is not UTF-8; for bytes, leave out CAST(… AS TEXT)"),
        (f"CREATE VIRTUAL TABLE b USING {T}(x)", f"{T} takes no arguments in CREATE VIRTUAL TABLE"),
    ],
)
def test_an_error_is_one_line(sql: str, problem: str) -> None:
    """On the command line; from standard input, after the place."""
    done = shell("--sandbox", ":memory:", sql)
    assert done.stderr.startswith(problem)
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)
    done = shell("--sandbox", text=f"{sql};\nSELECT 'goes on';\n")
    assert problem in done.stderr
    assert (done.stderr.count("\n"), done.stdout, done.returncode) == (2, "goes on\n", 1)


def test_json_comes_as_json() -> None:
    """Columns that are JSON and what json functions give; not what only looks like it, nor in other modes."""
    sql = (
        "SELECT file_counts, json_array(1), '[1]' AS x, NULL AS attributes, 'a' AS raw, x'00' AS files "
        f"FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';"
    )
    counts = {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3}
    row = {"file_counts": counts, "json_array(1)": [1], "x": "[1]", "attributes": None, "raw": "a", "files": "AA=="}
    done = shell("--sandbox", text=f".mode jsonl\n{sql}\n.mode json\n{sql}\n.mode csv\n{sql}\n")
    first, second, third = done.stdout.strip().split("\n", 2)
    assert json.loads(first) == row
    assert json.loads(second) == [row]
    assert third.startswith('"{""in_progress"":0')


def test_the_tables_are_known() -> None:
    """In .tables, .schema, .describe and .help; what is not there is said."""
    text = f"{LEDGER}CREATE TABLE x (y);\n.tables\n.tables vector_store_s%\n.schema x\n.schema vector_store_search\n"
    listed = shell("--sandbox", text=text)
    lines = listed.stdout.splitlines()
    names = [*(table.name for table in TABLES), "openai_tables", "openai_columns", "openai_requests"]
    assert lines[: len(names) + 3] == ["mine", "mine_ledger", "x", *names]
    assert lines[len(names) + 3 :][:4] == [
        "vector_store_search",
        "CREATE TABLE x (y);",
        "-- always there",
        "CREATE TABLE vector_store_search(",
    ]
    described = [table.name for table in TABLES] + [*names[-3:], "mine", "openai.files", TABLES[0].aliases[0]]
    text = LEDGER + ".describe\n" + "".join(f'.describe "{name}"\n' for name in described)
    done = shell("--sandbox", text=text)
    assert (done.stderr, done.returncode) == ("", 0)
    for name in names:
        assert f"\n{name}: " in done.stdout
    assert done.stdout.count("\nvector_store_file_batches: ") == 3
    assert max(map(len, done.stdout.splitlines())) < 80
    done = shell("--sandbox", text=".help\n.help watch\n.describe nonsense\n.batches\n.requests x\n")
    for command in (".batches ?TABLE?", ".describe ?TABLE?", ".requests ?N?", ".watch ?TABLE? ?SECONDS?"):
        assert f"\n{command} " in done.stderr
    assert 'No table "nonsense" of the API; .describe lists them' in done.stderr
    assert "CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;" in done.stderr
    assert "requests takes a number" in done.stderr


def test_the_timer_counts_requests() -> None:
    """On standard error, with the rest of the timer; those that read-ahead asked for are named."""
    keys = " UNION ALL ".join(f"SELECT 'vsfb_{n}' AS k" for n in range(5))
    join = f"SELECT count(status) FROM ({keys}) LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = k;"
    done = shell("--sandbox", text=f".timer on\n{SELECT}\n{join}\nSELECT 1;\n")
    assert done.stdout == "vsfb_demo_finished|completed\n0\n1\n"
    said = [line for line in done.stderr.splitlines() if "request" in line]
    assert said == ["* 1 request", "* 5 requests (3 asked for ahead)", "* 0 requests"]


def test_the_timer_counts_each_statement_of_a_line() -> None:
    """What is typed at once is counted apart; after an error nothing of the line runs, as without the timer."""
    line = f"SELECT 1; {SELECT} -- a remark\n"
    done = shell("--sandbox", ":memory:", ".timer on", line, f"{SELECT} SELECT nonsense; {SELECT}")
    assert done.stdout == "1\nvsfb_demo_finished|completed\nvsfb_demo_finished|completed\n"
    said = [text for text in done.stderr.splitlines() if text.endswith(("request", "requests", "nonsense"))]
    remark = "* 0 requests"  # is a statement of its own to SQLite
    assert said == ["* 0 requests", "* 1 request", remark, "* 1 request", "no such column: nonsense", "* 0 requests"]


def test_the_timer_leaves_bindings_alone() -> None:
    """Each statement has them all; one that lacks a binding is an error as without the timer."""
    text = ".parameter set a 1\n.timer on\nSELECT $a; SELECT $a + 1;\nSELECT $b;\nSELECT 3;\n"
    done = shell(text=text)
    assert done.stdout == "1\n2\n3\n"
    assert "No binding present for 'b'" in done.stderr
    assert done.stderr.count("* 0 requests\n") == 4


def test_watch_goes_on_after_an_error(sandbox: Any, tmp_path: Path) -> None:
    """It is shown, and the next look is taken; five in a row end it."""
    key = {"OPENAI_API_KEY": sandbox.api_key}
    args = ("--base-url", sandbox.base_url, str(tmp_path / "my.db"))
    ledger = f"CREATE VIRTUAL TABLE mine USING {T};"
    new = "INSERT INTO mine (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'));"
    shell(*args, ledger, new, environment=key)
    sandbox.inject(Status(400, message="not now"), times=2, method="GET")
    sandbox.inject(Status(400, message="not yet"), times=5, method="GET", after=1)
    done = shell(*args, ".watch 0.2", environment=key)
    problem = f"GET {sandbox.base_url}/vector_stores/vs_demo/file_batches/"
    bar = [line for line in done.stdout.splitlines() if line.endswith("░ 0/1")]
    assert (done.stdout.count("not now"), done.stdout.count("not yet"), len(bar)) == (2, 4, 5)
    assert [line.partition(" that")[0] for line in done.stdout.splitlines() if line.startswith("look")] == [
        *(f"look {n} of 5" for n in (1, 2, 1, 2, 3, 4))
    ]
    assert done.stderr.startswith(problem)
    assert "not yet" in done.stderr
    assert done.returncode == 1


def test_options_stand_in_any_order(typed: Shell) -> None:
    """Ours are taken out; an option of APSW's keeps its value."""
    args = ["-separator", "--quiet", "--quiet", "--base-url", "http://127.0.0.1/v1", "-batch", "my.db", "--quiet"]
    assert typed._own_options(args) == ["-separator", "--quiet", "-batch", "my.db", "--quiet"]
    assert typed.bar is None
    assert typed.settings["base_url"] == "http://127.0.0.1/v1"
    with pytest.raises(Shell.Error, match="specify a value after --upload-root"):
        typed._own_options(["--upload-root"])


def test_the_sandbox_is_an_extra(typed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said."""
    monkeypatch.setitem(sys.modules, "openai_vtab.sandbox", None)
    with pytest.raises(Shell.Error, match=r"pip install 'openai-vtab\[sandbox\]'"):
        typed._own_options(["--sandbox"])


def test_a_dry_run_shows_and_sends_nothing() -> None:
    """Without a key: on standard error, so that the output stays what it would be."""
    done = shell("--dry-run", text=f"INSERT INTO vector_stores (name) VALUES ('x');\n{SELECT}\nSELECT 1;\n")
    assert (done.stdout, done.returncode) == ("1\n", 0)
    get = "GET /vector_stores/vs_demo/file_batches/vsfb_demo_finished\n"
    assert done.stderr == 'POST /vector_stores\n{\n  "name": "x"\n}\n' + get


def test_read_only_reads() -> None:
    """And refuses the rest."""
    done = shell(
        "--sandbox", "--read-only", text=f"DELETE FROM vector_stores WHERE vector_store_id = 'vs_demo';\n{SELECT}"
    )
    assert done.stdout == "vsfb_demo_finished|completed\n"
    assert "vector_stores: this connection is read_only" in done.stderr
    assert done.returncode == 1


def test_errors_as_rows_and_an_upload_root(tmp_path: Path) -> None:
    """Settings that a shell needs, too."""
    (tmp_path / "a.txt").write_text("hello")
    upload = "INSERT INTO files (path, purpose) VALUES ('a.txt', 'assistants');\n"
    bad = SELECT.replace("vsfb_demo_finished", "no")
    done = shell(
        "--sandbox",
        "--errors-as-rows",
        "--upload-root",
        str(tmp_path),
        text=f"{upload}{bad}\nSELECT filename FROM files WHERE rowid = last_insert_rowid();\n",
    )
    assert done.stdout == "no|\na.txt\n"
    assert done.stderr == "1 could not be read, keys or lists: the column error of their rows says why\n"
    assert done.returncode == 0


def test_a_pipe_gets_no_progress(sandbox: Any) -> None:
    """Nor does it with --quiet missing: nothing of a bar is anywhere."""
    sandbox.latency = 0.3
    key = {"OPENAI_API_KEY": sandbox.api_key}
    done = shell("--base-url", sandbox.base_url, text=SELECT, environment=key)
    assert (done.stdout, done.stderr) == ("vsfb_demo_finished|completed\n", "")


def test_without_a_key_the_shell_says_what_to_do() -> None:
    """At the first request, whatever way it is asked."""
    for done in (shell(text=SELECT), shell(":memory:", SELECT)):
        assert "no API key" in done.stderr
        assert done.stderr.count("openai-vtab --sandbox") == 1
        assert done.returncode == 1


def test_completion_knows_tables_columns_and_functions(tmp_path: Path) -> None:
    """Hidden columns, too; after a schema's or an alias's dot; the ledgers for .watch."""
    shell = Shell()
    shell._completion_cache = None

    def sql(token: str) -> list[str]:
        return shell.complete_sql(token, token, 0, len(token))

    def command(line: str) -> list[str]:
        token = line.rpartition(" ")[2]
        return shell.complete_command(line, token, len(line) - len(token), len(line))

    try:
        shell.db = None, str(tmp_path / "my.db")
        shell.open_with_tables(shell.db)
        assert "vector_store_search" in sql("vector_store_s")
        assert sql("wait_s") == ["wait_seconds"]
        assert sql("b.wait_s") == ["b.wait_seconds"]
        assert sql("openai.vector_store_sea") == ["openai.vector_store_search"]
        assert "cancel_vector_store_file_batch(" in sql("cancel_vector")
        assert command(".watch m") == []
        shell.db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
        assert command(".watch m") == command(".batches mi") == ["mine"]
        assert command(".describe vector_stor")[-1] == "vector_stores"
        assert ".watch " in command(".wat")
    finally:
        shell.close()


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ({"completed": 2, "in_progress": 2}, "█████░░░░░"),
        ({"completed": 1999, "failed": 1}, "█████████×"),
        ({"completed": 1, "failed": 1, "cancelled": 1, "in_progress": 1997}, "█×-░░░░░░░"),
        ({"cancelled": 3}, "----------"),
        ({}, "          "),
    ],
)
def test_a_bar_shows_all_there_is(counts: dict[str, int], drawn: str) -> None:
    """In its length; without Unicode by other characters; with colour nothing else changes."""
    assert bars.bar(counts, 10, bars.Look()) == drawn
    plain = drawn.translate(str.maketrans("█×░", "#x."))
    assert bars.bar(counts, 10, bars.Look(unicode=False)) == plain
    coloured = bars.bar(counts, 10, bars.Look(colour=True))
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[90m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == drawn


@pytest.mark.parametrize("width", [20, 32, 50, 67, 68, 80, 200])
def test_a_batch_fits_the_terminal(width: int) -> None:
    """Whatever its width."""
    counts = {"completed": 1200, "failed": 300, "cancelled": 400, "in_progress": 100}
    for line in bars.lines("vsfb_" + "0" * 40, "in_progress", counts, bars.Look(width=width)):
        assert len(line) < width


def test_every_command_is_in_the_help() -> None:
    """Its docstring begins with its usage, as APSW wants it."""
    for name, method in vars(Commands).items():
        if name.startswith("command_"):
            assert method.__doc__.startswith(name.removeprefix("command_"))


class Screen:
    """A pseudo-terminal of 40 columns and 10 lines, within this process."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")

    def widen(self, columns: int) -> None:
        """As when its window is drawn wider."""
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))

    def written(self) -> str:
        """What has come since the last call, without colours."""
        self.stream.flush()
        os.set_blocking(self.master, False)
        text = b""
        try:
            while more := os.read(self.master, 65536):
                text += more
        except BlockingIOError:
            return re.sub("\x1b\\[[0-9;]*m", "", text.decode().replace("\r\n", "\n"))
        raise AssertionError("the terminal is gone")


@pytest.fixture
def screen() -> Iterator[Screen]:
    """Closed at the end."""
    opened = Screen()
    yield opened
    opened.stream.close()
    os.close(opened.master)


BLANK = "\r" + " " * 39 + "\r"


def test_a_progress_bar_is_one_line_and_leaves_none(screen: Screen) -> None:
    """As wide as the terminal but for what is left free; another one for another thing; gone when it is over."""
    show = bars.ProgressBar(screen.stream)
    show(Progress("keys", 0, finished=True))
    assert screen.written() == ""
    show(Progress("keys", 5, 20))
    drawn = screen.written()
    assert " 25%|" in drawn
    assert " 5/20 [" in drawn
    assert max(map(len, drawn.split("\r"))) <= 37
    show(Progress("rows", 3, None))
    assert "\r3 rows [" in screen.written()
    show.hide()
    show.hide()
    assert screen.written() == BLANK
    show(Progress("rows", 4, 4))
    assert "4/4 [" in screen.written()
    show(Progress("rows", 4, 4, finished=True))
    assert screen.written().endswith(BLANK)
    show.close()
    assert screen.written() == ""


def test_without_tqdm_there_is_no_bar(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: nothing is drawn, and nothing fails."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    show = bars.ProgressBar(screen.stream)
    for step in (Progress("keys", 1, 2), Progress("keys", 2, 2), Progress("keys", 2, 2, finished=True)):
        show(step)
    assert screen.written() == ""


class Console(io.StringIO):
    """What takes itself for a terminal and has no size, as some editors' do."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(screen: Screen, sandbox: Any, tmp_path: Path) -> Iterator[Shell]:
    """A shell on the screen, with a ledger of five batches in progress."""
    opened = Shell(stdout=screen.stream)
    opened.settings |= {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    try:
        opened.db = None, str(tmp_path / "my.db")
        opened.open_with_tables(opened.db)
        opened.db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
        for _ in range(5):
            opened.db.execute(NEW)
        yield opened
    finally:
        opened.close()


NEW = "INSERT INTO mine (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'))"


def test_watch_draws_over_what_it_drew(
    screen: Screen, typed: Shell, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than the terminal has lines; it ends when all are finished, or by Ctrl-C."""
    pauses = iter([lambda: None, sandbox.finish])

    def pause(seconds: float) -> None:
        assert seconds == 0.2
        action = next(pauses, None)
        if action is None:
            raise KeyboardInterrupt
        action()

    monkeypatch.setattr(commands.time, "sleep", pause)
    typed.command_watch(["mine", "0.01"])
    first, second = screen.written().split("\x1b[8A\x1b[J")
    assert first.splitlines()[0] == "mine: 5 in_progress"
    assert first.splitlines()[-1] == "  and 4 lines more"
    assert second.splitlines()[0] == "mine: 5 completed"
    assert len(first.splitlines()) == len(second.splitlines()) == 8
    typed.command_watch([])
    assert screen.written() == "mine: 5 completed\n"
    with pytest.raises(Shell.Error, match="No ledger yours; there is mine"):
        typed.command_watch(["yours"])
    typed.db.execute(NEW)
    typed.command_watch([".2"])
    assert screen.written().splitlines()[0] == "mine: 5 completed, 1 in_progress"
    typed.stdout = console = Console()
    typed.command_watch([".2"])
    assert console.getvalue().splitlines()[0] == "mine: 5 completed, 1 in_progress"


FULL = "time method path status ms bytes note"


@pytest.mark.parametrize(
    ("mode", "columns", "shown"),
    [
        ("box", 40, "path method status ms"),
        ("box", 80, FULL),
        ("box", 140, FULL),
        ("box --width 40", 140, "path method status ms"),
        ("box --width 0", 140, FULL),
    ],
)
def test_requests_fit_the_terminal(screen: Screen, typed: Shell, mode: str, columns: int, shown: str) -> None:
    """In a box, with as many columns as there is room for, none of them broken."""
    screen.widen(columns)
    typed.process_command(f".mode {mode}")
    typed.command_requests(["1"])
    box = screen.written().splitlines()
    assert box[1].replace("│", " ").split() == shown.split()
    assert max(map(len, box)) <= columns


def test_a_console_without_a_size_has_a_bar_of_80_columns() -> None:
    """It is the width that all take for granted."""
    console = Console()
    show = bars.ProgressBar(console)
    show(Progress("keys", 1, 2))
    assert max(map(len, console.getvalue().split("\r"))) == 77
    show(Progress("keys", 2, 2, finished=True))
    assert console.getvalue().endswith("\r" + " " * 79 + "\r")
