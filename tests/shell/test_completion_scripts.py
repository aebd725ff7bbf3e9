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
    echo "${COMPREPLY[*]}"
}
complete_line --au
complete_line --auth ''
complete_line s
complete_line sync --st
complete_line sync --v
complete_line sync docs --no
complete_line completion ''
complete_line my
complete_line --quiet sync
complete_line run --allow-w
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
def test_completion_in_bash() -> None:
    """Options by their beginnings, the values of an option that has a few, and files where nothing fits."""
    done = subprocess.run(
        ["bash", "-u", "-c", bash() + COMPLETE], capture_output=True, text=True, timeout=10, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split("\n") == [
        "--auth",
        "auto bearer api-key",
        "sync",
        "--store",
        "--vector-store-id",
        "--no-wait",
        "bash zsh",
        "",  # my.db may be a file
        "",
        "--allow-writes",
        "",
    ]


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
    "run --allow-w": "run --allow-writes",
    "run --sandbox m": "run --sandbox my.db",
    "completion b": "completion bash",
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not on this machine")
def test_completion_in_zsh(tmp_path: Path) -> None:
    """Typed in an interactive zsh, with its own completion system."""
    for name, text in {".zshrc": ZSHRC, "completions.zsh": zsh(), "my.db": ""}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "docs").mkdir()
    master, terminal = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    with subprocess.Popen(
        ["zsh", "-d", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, cwd=tmp_path, env=environment
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
