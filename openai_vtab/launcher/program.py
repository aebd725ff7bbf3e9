"""Finds a Python program by what a person types, and runs it in this process as `python` would.

>>> find("datasette").run(["my.db"])            # a command of this environment
>>> find("manage.py").run(["migrate"])          # a file
>>> find("sqlite_utils").run(["tables", "my.db"])    # a module, as python -m
"""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ProgrammingError


@dataclass(frozen=True)
class Program:
    """A program that was found.

    argv0: the first element of its sys.argv.
    folder: the folder that its imports are looked up in first, the first element of its sys.path.
    start: runs it. Returns its exit status, as sys.exit() takes it.
    """

    argv0: str
    folder: str
    start: Callable[[], Any]

    def run(self, arguments: Sequence[str]) -> Any:
        """Run it with these arguments, and return its exit status. May raise SystemExit instead."""
        sys.argv[:] = [self.argv0, *arguments]
        if not sys.flags.safe_path:
            sys.path[0] = self.folder
        return self.start()


def find(name: str) -> Program:
    """Return the program of a name: a file, a command that a package has installed, or a module.

    Raises ProgrammingError if there is none.
    """
    if Path(name).is_file() and (name.endswith(".py") or os.sep in name):
        return _file(name)
    if commands := tuple(entry_points(group="console_scripts", name=name)):
        return _command(commands[0])
    if _is_module(name):
        return module(name)
    if re.fullmatch(r"python[\d.]*", name):
        raise ProgrammingError(f"PROGRAM is {name!r}; leave it out: openai-vtab run x.py, or openai-vtab run -m x")
    files = [str(path) for path in Path().glob("*.py")]
    similar = get_close_matches(name, [*entry_points(group="console_scripts").names, *files])
    instead = f"did you mean {' or '.join(similar)}?" if similar else "install it there, or give the path of a .py file"
    raise ProgrammingError(f"PROGRAM is {name!r}, and {sys.prefix} has no command or module of this name; {instead}")


def module(name: str) -> Program:
    """Return the module of a name, as python -m runs it. Raises ProgrammingError if there is none."""
    if not _is_module(name):
        raise ProgrammingError(f"MODULE is {name!r}, and {sys.prefix} has no module of this name; install it there")

    def start() -> None:
        runpy.run_module(name, run_name="__main__", alter_sys=True)

    return Program(name, str(Path.cwd()), start)


def _file(name: str) -> Program:
    def start() -> None:
        runpy.run_path(name, run_name="__main__")

    return Program(name, str(Path(name).resolve().parent), start)


def _command(command: EntryPoint) -> Program:
    """The program of a command. Reloaders start it again by sys.argv[0], which is therefore its file."""
    scripts = sysconfig.get_path("scripts")
    file = Path(scripts, command.name)

    def start() -> Any:
        # Reloaders and multiprocessing look at __main__, which must not be the launcher's.
        sys.modules["__main__"] = ModuleType("__main__")
        return command.load()()

    return Program(str(file) if file.is_file() else command.name, scripts, start)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
