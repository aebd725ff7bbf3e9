"""The options of `openai-vtab run`.

>>> parse(["--sandbox", "datasette", "my.db", "--port", "8001"]).program
['datasette', 'my.db', '--port', '8001']
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .options import SANDBOX, SETTINGS

USAGE = "openai-vtab run [OPTIONS] PROGRAM [ARGUMENTS]\n       openai-vtab run [OPTIONS] -m MODULE [ARGUMENTS]"
DESCRIPTION = """\
Starts a Python program that uses sqlite3, such as Datasette or sqlite-utils, so
that each database it opens has the tables. Changes at the API are refused unless
--allow-writes is given; the program may always write to the database file.
"""
EPILOGUE = """\
PROGRAM is a command or module of the Python environment that openai-vtab is
installed in, or a .py file. Everything after it is the program's own. The exit
status is the program's; it is 2 if there is no such program, or if an option is
wrong.

The API key is read from OPENAI_API_KEY.
"""
OTHERWISE = {"upload-root": "(default: none)"}  # the help of options whose default is not the shell's
LEFT_OUT = ("base-url", "read-only")


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
    setting, option = SETTINGS["base-url"]
    address.add_argument(
        "--base-url", metavar=option.argument, dest=setting, default=argparse.SUPPRESS, help=option.help
    )
    parser.add_argument(
        "--allow-writes",
        action="store_const",
        dest="read_only",
        const=False,
        default=argparse.SUPPRESS,
        help="allow statements that change something at the API",
    )
    for name, (setting, option) in SETTINGS.items():
        if name in LEFT_OUT:
            continue
        text = option.help.partition(" (default")[0]
        text = f"{text} {OTHERWISE[name]}" if name in OTHERWISE else option.help
        if option.argument:
            parser.add_argument(
                f"--{name}", metavar=option.argument, dest=setting, default=argparse.SUPPRESS, help=text
            )
        else:
            parser.add_argument(
                f"--{name}",
                action="store_const",
                dest=setting,
                const=option.value,
                default=argparse.SUPPRESS,
                help=text,
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
