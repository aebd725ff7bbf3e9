"""The completions of the command line, in the shells that are on this machine."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from openai_vtab.shell.app import main
from openai_vtab.shell.completion_scripts import bash, shell_words, sync_words, zsh
from openai_vtab.shell.options import ALL
from openai_vtab.shell.sync_options import make_parser

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
        "",
    ]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not on this machine")
def test_completion_in_zsh() -> None:
    """It can be parsed, and defines its function."""
    script = f"compdef() {{ echo $@ }}\n{zsh()}\nwhence -w _openai_vtab"
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=10, check=True)
    assert (done.stdout, done.stderr) == ("_openai_vtab openai-vtab\n_openai_vtab: function\n", "")


def test_completion_has_every_option() -> None:
    """Of the shell and of sync; in zsh with its help, quoted."""
    assert [word.text for word in shell_words()] == [f"--{option.name}" for option in ALL]
    assert {word.text for word in sync_words()} <= {o for a in make_parser()._actions for o in a.option_strings}
    script = zsh()
    for word in [*shell_words(), *sync_words()]:
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
