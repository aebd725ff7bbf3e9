"""The options of `openai-vtab run`.

>>> parse(["--sandbox", "datasette", "my.db", "--port", "8001"]).program
['datasette', 'my.db', '--port', '8001']
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import SANDBOX, SETTINGS

USAGE = "openai-vtab run [OPTIONS] PROGRAM [ARGUMENTS]\n       openai-vtab run [OPTIONS] -m MODULE [ARGUMENTS]"
DESCRIPTION = """\
Starts a Python program that uses sqlite3, such as Datasette or sqlite-utils, so
that each database it opens has the tables. Changes at the API are refused unless
--allow-writes is given; the program may always write to the database file.
"""
EPILOGUE = """\
PROGRAM is a command or module of the Python environment that openai-vtab is
installed in, or a .py file: openai-vtab run x.py, without "python". Everything
after it is the program's own. The exit status is the program's; it is 2 if
there is no such program, or if an option is wrong.

The API key is read from OPENAI_API_KEY.
"""
LEFT_OUT = ("base-url", "read-only", "upload-root")  # which are added with a difference


def parse(args: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments after `run`. Exits with status 2 if they are wrong, and with 0 after --help.

    `settings` are for connect(). `program` and `module` hold a name and its arguments; one of them is empty.
    """
    parser = make_parser()
    given = parser.parse_args(list(args))
    if not given.program and not given.module:
        parser.error("PROGRAM is missing; write for instance: openai-vtab run datasette my.db")
    names = {setting for setting, _ in SETTINGS.values()}
    settings = {name: value for name, value in vars(given).items() if name in names}
    return argparse.Namespace(
        settings={"read_only": True, **settings}, program=given.program, module=given.module, sandbox=given.sandbox
    )


def make_parser() -> argparse.ArgumentParser:
    """The parser of these arguments, which also describes them in docs/reference/shell.md."""
    parser = argparse.ArgumentParser(
        "openai-vtab run",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    address = parser.add_mutually_exclusive_group()
    address.add_argument("--sandbox", action="store_true", help=SANDBOX.help)
    _add(address, "base-url")
    parser.add_argument(
        "--allow-writes",
        action="store_const",
        dest="read_only",
        const=False,
        default=argparse.SUPPRESS,
        help="allow statements that change something at the API",
    )
    for name in SETTINGS:
        if name not in LEFT_OUT:
            _add(parser, name)
    _add(
        parser,
        "upload-root",
        type=_folder,
        help="the folder whose files fsdir(), readfile() and the column path of an INSERT may read (default: none)",
    )
    parser.add_argument(
        "-m",
        metavar="MODULE",
        dest="module",
        nargs=argparse.REMAINDER,
        default=[],
        help="run a module as python -m does",
    )
    parser.add_argument("program", metavar="PROGRAM", nargs=argparse.REMAINDER, help="the program and its arguments")
    return parser


def _add(group: argparse._ActionsContainer, name: str, **differences: Any) -> None:
    """Add the option of a setting. It sets the setting only if it is given."""
    setting, option = SETTINGS[name]
    value = {"metavar": option.argument} if option.argument else {"action": "store_const", "const": option.value}
    group.add_argument(
        f"--{name}", **{"dest": setting, "default": argparse.SUPPRESS, "help": option.help, **value, **differences}
    )


def _folder(text: str) -> str:
    """The absolute path of a folder: the program may change its current folder."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder; give a folder that exists")
    return str(Path(text).absolute())
