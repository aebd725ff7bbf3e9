"""The commands beside the shell: openai-vtab sync, run and completion.

A command is imported when it is named, because their modules take a third of the time in which the shell starts.

>>> subcommand("sync")(["docs", "--store", "Handbook"])
0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def subcommand(name: str) -> Callable[[Sequence[str]], Any] | None:
    """The function that runs the command with the arguments after its name, and returns the exit status.

    None if there is no command of that name.
    """
    match name:
        case "sync":
            from .sync_command import run as sync

            return sync
        case "run":
            from .run_command import run as run_program

            return run_program
        case "completion":
            from .completion_scripts import run as write_completions

            return write_completions
        case _:
            return None
