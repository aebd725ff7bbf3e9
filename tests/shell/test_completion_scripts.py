"""The completions of the command line, in the shells that are on this machine."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from openai_vtab.shell import run_options, sync_options
from openai_vtab.shell.app import main
from openai_vtab.shell.completion_scripts import bash, command_words, shell_words, zsh
from openai_vtab.shell.options import ALL

COMPLETE = """
complete_line() {
    COMP_WORDS=(openai-vtab "$@")
    COMP_CWORD=$#
    _openai_vtab
    (IFS=,; echo "${COMPREPLY[*]}")
}
"""
COMPLETED = {  # the words as bash splits them, of which the last one is being typed: what is offered; "" is any file
    "--au": {"--auth"},
    "--auth ''": {"auto", "bearer", "api-key"},
    "--auth = b": {"bearer"},
    "--upload-root ''": {"docs", "my docs"},
    "--manifest ''": {""},
    "''": {"sync", "run", "completion", "app.py", "my.db", "docs", "my docs", "datasette"},
    "s": {"sync"},
    "my": {"my.db", "my docs"},
    "--quiet sync": {""},
    "--sandbox ''": {""},
    "sync ''": {"docs", "my docs"},
    "sync --glob '*.md' d": {"docs"},
    "sync docs ''": {""},
    "sync --st": {"--store"},
    "sync --v": {"--vector-store-id"},
    "sync docs --no": {"--no-wait"},
    "sync --store ''": {""},
    "run --allow-w": {"--allow-writes"},
    "run data": {"datasette"},
    "run app": {"app.py"},
    "run --upload-root ''": {"docs", "my docs"},
    "run --base-url http : //localhost : 4000/v1 --auth bearer data": {"datasette"},
    "run --base-url = http : //localhost data": {"datasette"},
    "run --sandbox datasette my.db ''": {""},
    "run --sandbox datasette --sand": {""},
    "run -m ''": {""},
    "run -m datasette --sand": {""},
    "completion ''": {"bash", "zsh"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database, a script, two folders and a program."""
    for name in ("docs", "my docs"):
        (tmp_path / name).mkdir()
    for name in ("my.db", "app.py", "datasette"):
        (tmp_path / name).touch()
    (tmp_path / "datasette").chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
def test_completion_in_bash(folder: Path) -> None:
    """Options after a hyphen, else what the place takes: folders, programs, the values of an option, or any file."""
    bash_ = shutil.which("bash") or ""
    lines = "".join(f"complete_line {words}\n" for words in COMPLETED)
    done = subprocess.run(
        [bash_, "-u", "-c", bash() + COMPLETE + lines],
        cwd=folder,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    offered = (set(line.split(",")) for line in done.stdout.splitlines())
    assert dict(zip(COMPLETED, offered, strict=True)) == COMPLETED


ZSHRC = """
PROMPT= PS2= RPROMPT=
unsetopt beep prompt_sp prompt_cr zle_bracketed_paste
autoload -Uz compinit && compinit -D
source completions.zsh
openai-vtab() { print -r -- "<${(j: :)@}>" }
"""
TYPED = {  # before Tab: the line that runs then
    "--au": "--auth",
    "--auth be": "--auth bearer",
    "sy": "sync",
    "m": "my.db",
    "--quiet my": "--quiet my.db",
    "sync --st": "sync --store",
    "sync do": "sync docs",
    "sync docs --no": "sync docs --no-wait",
    "--upload-root do": "--upload-root docs",
    "run --allow-w": "run --allow-writes",
    "run --sandbox datas": "run --sandbox datasette",
    "run app.": "run app.py",
    "run --sandbox datasette m": "run --sandbox datasette my.db",
    "run datasette --sand": "run datasette --sand",
    "completion b": "completion bash",
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not on this machine")
def test_completion_in_zsh(folder: Path) -> None:
    """Typed in an interactive zsh, with its own completion system."""
    for name, text in {".zshrc": ZSHRC, "completions.zsh": zsh()}.items():
        (folder / name).write_text(text)
    (folder / "my docs").rmdir()
    master, terminal = pty.openpty()
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "dumb"}
    with subprocess.Popen(
        ["zsh", "-d", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, cwd=folder, env=environment
    ) as process:
        os.close(terminal)
        os.write(master, "".join(f"openai-vtab {line}\t\n" for line in TYPED).encode() + b"exit\n")
        shown = b""
        while select.select([master], [], [], 20)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the end of a pseudo-terminal on Linux
                break
        process.kill()
    os.close(master)
    assert re.findall(r"^<(.*)>", shown.decode(), re.MULTILINE) == list(TYPED.values()), shown.decode()
    assert b"bad option" not in shown


def test_completion_has_every_option() -> None:
    """Of the shell, of sync and of run; in zsh with its help, quoted."""
    assert [word.text for word in shell_words()] == [f"--{option.name}" for option in ALL]
    words = shell_words()
    for parser in (sync_options.make_parser(), run_options.make_parser()):
        of_command = command_words(parser)
        assert {word.text for word in of_command} <= {o for a in parser._actions for o in a.option_strings}
        words += of_command
    script = zsh()
    for word in words:
        assert f"'{word.text}[" in script
    assert (
        "'--auth[the header that carries the key: auto (default), bearer or api-key]:HOW:(auto bearer api-key)'"
        in script
    )
    assert r"'\'''\'' for none)]:DIR:_files -/'" in script
    assert script.replace("'\\''", "").count("'") % 2 == 0


@pytest.mark.parametrize(("arguments", "status"), [(["bash"], 0), (["zsh"], 0), (["fish"], 2), ([], 2)], ids=str)
def test_completion_command(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes a script, or what to write instead."""
    with pytest.raises(SystemExit) as ended:
        main(["completion", *arguments])
    done = capsys.readouterr()
    assert ended.value.code == status
    assert bool(done.out) is (status == 0)
    assert ("write openai-vtab completion bash, or zsh" in done.err) is (status == 2)
