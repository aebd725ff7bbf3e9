"""The completions of the command line, in the shells that are on this machine."""

from __future__ import annotations

import shutil
import subprocess

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


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not on this machine")
def test_completion_in_zsh() -> None:
    """It can be parsed, and defines its function."""
    script = f"compdef() {{ echo $@ }}\n{zsh()}\nwhence -w _openai_vtab"
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=10, check=True)
    assert (done.stdout, done.stderr) == ("_openai_vtab openai-vtab\n_openai_vtab: function\n", "")


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
