"""Programs: what a name means, and what a name that means nothing is told."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from openai_vtab.errors import ProgrammingError
from openai_vtab.launcher import program


def test_find_prefers_files_then_commands_then_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is one that ends with .py, or that is given with a folder: a database named pytest is no program."""
    monkeypatch.chdir(tmp_path)
    for name in ("site.py", "pytest", "json.py"):
        Path(name).write_text("")
    scripts = sysconfig.get_path("scripts")
    here = str(tmp_path.resolve())
    found = {
        name: program.find(name) for name in ("site.py", "./pytest", "pytest", "json.tool", str(tmp_path / "json.py"))
    }
    assert {name: found.folder for name, found in found.items()} == {
        "site.py": here,
        "./pytest": here,
        "pytest": scripts,
        "json.tool": here,
        str(tmp_path / "json.py"): here,
    }
    assert found["pytest"].argv0 == str(Path(scripts, "pytest"))


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("pytst", "did you mean pytest"),
        ("manag.py", "did you mean manage.py"),
        ("no-such-thing", "install it there, or give the path of a .py file"),
        ("no.such.module", "install it there"),
        ("", "install it there"),
    ],
)
def test_find_says_what_was_meant(name: str, instead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest commands and files, or what to do."""
    monkeypatch.chdir(tmp_path)
    Path("manage.py").write_text("")
    with pytest.raises(ProgrammingError) as raised:
        program.find(name)
    assert str(raised.value).startswith(
        f"PROGRAM is {name!r}, and {sys.prefix} has no command or module of this name; "
    )
    assert instead in str(raised.value)


@pytest.mark.parametrize("name", ["python", "python3.11"])
def test_find_of_python_says_to_leave_it_out(name: str) -> None:
    """The programs run in this process, which is Python already."""
    with pytest.raises(ProgrammingError, match=f"PROGRAM is '{name}'; leave it out: openai-vtab run x.py, or "):
        program.find(name)


def test_module_is_not_a_command() -> None:
    """With -m, only a module is meant."""
    assert program.module("json.tool").argv0 == "json.tool"
    with pytest.raises(ProgrammingError, match=r"MODULE is 'openai-vtab', and .* has no module of this name"):
        program.module("openai-vtab")
