"""The command `openai-vtab run`: a program written for sqlite3, with the tables in each database that it opens.

>>> run(["--sandbox", "sqlite-utils", "query", "my.db", "SELECT id FROM vector_stores"])
[{"id": "vs_demo"},
 {"id": "vs_archive"}]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ..errors import Error
from ..launcher import children, program, stand_in
from ..settings import Settings
from .local_sandbox import start_sandbox
from .run_options import parse

WRONG = 2


def run(args: Sequence[str]) -> Any:
    """Run the command with the arguments after `run`, and return the program's exit status, as sys.exit takes it."""
    given = parse(args)
    with ExitStack() as resources:
        try:
            Settings(**given.settings)
            name, *arguments = given.module or given.program
            found = program.module(name) if given.module else program.find(name)
            settings = given.settings | (start_sandbox(resources) if given.sandbox else {})
        except Error as error:
            print(error, file=sys.stderr)
            return WRONG
        stand_in.install(settings)
        children.equip(settings)
        return found.run(arguments)
