"""The shell's own commands: .batches, .watch, .requests, .describe, and their help and completions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from openai_vtab.connection import DESCRIBED
from openai_vtab.errors import APIError
from openai_vtab.sandbox import Answer, Status
from openai_vtab.shell.app import Shell
from openai_vtab.shell.commands import CommandShell
from openai_vtab.tables import TABLES

from .command import LEDGER, T, run_shell
from .conftest import NEW_BATCH, Pauses
from .terminal import Console, Screen


def test_batches_watch_and_requests() -> None:
    """A bar for each batch, the end of a watch whose batches are all finished, and what both have cost."""
    text = f"{LEDGER}.batches\n.watch mine 0.2\n.mode jsonl\n.requests 1\n.requests\n"
    done = run_shell("--sandbox", text=text)
    assert (done.stderr, done.returncode) == ("", 0)
    *drawn, watched, one, first, second = done.stdout.splitlines()
    assert drawn == [
        "mine: 2 completed; 2 of 6 files failed",
        "  in vs_demo",
        "    vsfb_demo_finished  completed   █████████████████████████████ 3/3",
        "    vsfb_demo_failures  completed   ██████████××××××××××××××××××× 1/3, 2 failed",
    ]
    assert watched == "mine: 2 completed; 2 of 6 files failed"
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
def test_batches_leave_out_invalid_counts(open_shell: Callable[..., Shell], sandbox: Any, counts: Any) -> None:
    """In .batches and .watch."""
    batch = {"id": "vsfb_1", "vector_store_id": "vs_1", "status": "completed", "file_counts": counts}
    sandbox.inject(Answer(batch), times=None)
    shell = open_shell()
    shell.db.execute(f"CREATE VIRTUAL TABLE led USING {T}")
    shell.db.execute("INSERT INTO led (vector_store_id, batch_id) VALUES ('vs_1', 'vsfb_1')")
    shell.command_batches([])
    shell.command_watch([])
    assert shell.stdout.getvalue().count("led: 1 completed") == 2


def test_watch_draws_over_its_last_lines(screen: Screen, shell_on_screen: Shell, sandbox: Any, pauses: Pauses) -> None:
    """No more than the terminal has lines. It ends when all batches are finished, or by Ctrl-C."""
    shell = shell_on_screen
    pauses.actions = [lambda: None, sandbox.finish]
    shell.command_watch(["mine", "0.01"])
    first, second = screen.written().split("\x1b[8A\x1b[J")
    assert first.splitlines()[0] == "mine: 5 in_progress"
    assert first.splitlines()[-1] == "  and 7 more lines"
    assert second.splitlines()[0] == "mine: 5 completed"
    assert len(first.splitlines()) == len(second.splitlines()) == 6
    shell.command_watch([])
    assert screen.written() == "mine: 5 completed\n"
    with pytest.raises(Shell.Error, match='No ledger is named "yours"; write mine'):
        shell.command_watch(["yours"])
    shell.db.execute(NEW_BATCH)
    shell.command_watch([".2"])
    assert screen.written().splitlines()[0] == "mine: 5 completed, 1 in_progress"
    shell.stdout = console = Console()
    shell.command_watch([".2"])
    assert console.getvalue().splitlines()[0] == "mine: 5 completed, 1 in_progress"
    assert set(pauses.seconds) == {0.2}


def test_watch_goes_on_after_errors(open_shell: Callable[..., Shell], sandbox: Any, pauses: Pauses) -> None:
    """Each is shown, and the next look is taken; five in a row end the watch."""
    shell = open_shell()
    shell.db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    shell.db.execute(NEW_BATCH)
    sandbox.inject(Status(400, message="not now"), times=2, method="GET")
    sandbox.inject(Status(400, message="not yet"), times=5, method="GET", after=1)
    pauses.actions = [lambda: None] * 7
    with pytest.raises(APIError, match=f"GET {sandbox.base_url}/vector_stores/vs_demo/file_batches/.*not yet"):
        shell.command_watch(["0.2"])
    shown = shell.stdout.getvalue()
    bars = [line for line in shown.splitlines() if line.endswith("░ 0/1")]
    assert (shown.count("not now"), shown.count("not yet"), len(bars)) == (2, 4, 5)
    assert [line.partition(":")[0] for line in shown.splitlines() if line.startswith("failed look")] == [
        f"failed look {n} of 5" for n in (1, 2, 1, 2, 3, 4)
    ]
    assert pauses.actions == []


FULL = "time method path status ms bytes"


@pytest.mark.parametrize(
    ("mode", "columns", "shown"),
    [
        ("box", 40, "method path status"),
        ("box", 80, FULL),
        ("box", 140, FULL),
        ("box --width 40", 140, "method path status"),
        ("box --width 0", 140, FULL),
    ],
)
def test_requests_fit_the_terminal(screen: Screen, shell_on_screen: Shell, mode: str, columns: int, shown: str) -> None:
    """In a box, with as many columns as there is room for, none of them broken."""
    screen.resize(columns)
    shell_on_screen.process_command(f".mode {mode}")
    shell_on_screen.command_requests(["1"])
    box = screen.written().splitlines()
    assert box[1].replace("│", " ").split() == shown.split()
    assert max(map(len, box)) <= columns


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_requests_keep_ids_whole(screen: Screen, shell_on_screen: Shell, columns: int) -> None:
    """A path is folded after a slash; where a box has no room for an id, there are lines."""
    store, batch = f"vs_{'5' * 32}", f"vsfb_{'6' * 32}"
    shell_on_screen.db.execute(
        f"SELECT * FROM {T} WHERE vector_store_id = ? AND batch_id = ?", (store, batch)
    ).fetchall()
    screen.resize(columns)
    shell_on_screen.process_command(".mode box")
    shell_on_screen.command_requests(["1"])
    lines = screen.written().splitlines()
    assert max(map(len, lines)) <= columns
    assert [sum(id in line for line in lines) for id in (store, batch)] == [1, 1]
    assert lines[0].startswith("╭")


def test_describe_lists_and_shows_tables() -> None:
    """Also by an alias, and by the name of a user's table."""
    names = [*(table.name for table in DESCRIBED), "openai_tables", "openai_columns", "openai_requests", "fsdir"]
    described = [*names, "mine", "Handbook", "openai.files", TABLES[0].aliases[0]]
    documents = "CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook');\n"
    text = LEDGER + documents + ".describe\n" + "".join(f'.describe "{name}"\n' for name in described)
    done = run_shell("--sandbox", text=text)
    assert (done.stderr, done.returncode) == ("", 0)
    for name in names:
        assert f"\n{name}: " in done.stdout
    assert done.stdout.count("\nvector_store_file_batches: ") == 3
    assert max(map(len, done.stdout.splitlines())) < 80


def test_commands_say_what_is_wrong() -> None:
    """And what to write instead."""
    create = "CREATE VIRTUAL TABLE notes USING vector_store_documents(name = 'Notes');\n"
    done = run_shell("--sandbox", text=f".describe nonsense\n.batches\n.requests x\n{create}.batches\n")
    assert 'No table is named "nonsense"; .describe lists the tables' in done.stderr
    assert "No ledger exists; write CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;" in done.stderr
    assert 'SELECT batch_id, status, count(*) FROM "notes" GROUP BY 1, 2;' in done.stderr
    assert ".requests takes one number, not x; write .requests 5" in done.stderr


def test_help_has_every_command() -> None:
    """Its docstring begins with its usage, as APSW requires."""
    done = run_shell("--sandbox", text=".help\n.help watch\n")
    for command in (".batches ?TABLE?", ".describe ?TABLE?", ".requests ?N?", ".watch ?TABLE? ?SECONDS?"):
        assert f"\n{command} " in done.stderr
    for name, method in vars(CommandShell).items():
        if name.startswith("command_"):
            assert method.__doc__.startswith(name.removeprefix("command_"))


def test_completion_of_commands_knows_ledgers(open_shell: Callable[..., Shell]) -> None:
    """For .watch and .batches; .describe completes tables."""
    shell = open_shell()

    def completed(line: str) -> list[str]:
        token = line.rpartition(" ")[2]
        return shell.complete_command(line, token, len(line) - len(token), len(line))

    assert completed(".watch m") == []
    shell.db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    assert completed(".watch m") == completed(".batches mi") == ["mine"]
    assert completed(".describe vector_stor")[-1] == "vector_stores"
    assert ".watch " in completed(".wat")
