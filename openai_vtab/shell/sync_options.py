"""The options of `openai-vtab sync`.

>>> parse(["docs", "--store", "Handbook", "--glob", "**/*.md"]).store
'Handbook'
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..sync.patterns import ALL
from .options import SANDBOX, SETTINGS

WAIT_SECONDS = 3600.0
DESCRIPTION = """\
Makes the documents of a vector store the same as the files of a folder: uploads
what is new or changed, and deletes the documents of files that are gone. Run it
again and again, for instance from cron: only what has changed is sent.
"""
EPILOGUE = """\
exit status:
  0    every file of the folder is in the vector store (with --no-wait: it was
       sent, and may still fail)
  1    the sync has stopped at an error; run it again to go on from there
  2    the command line is wrong
  3    the sync is complete, but documents have failed, are still in progress
       after --timeout, or have an upload with an unknown outcome
  130  interrupted by Ctrl-C

The API key is read from OPENAI_API_KEY, which cron does not take from your
profile. DATABASE has the documents as a table, which you can search with
openai-vtab DATABASE.
"""


def parse(args: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments after `sync`. Exits with status 2 if they are wrong, and with 0 after --help."""
    parser = make_parser()
    options = parser.parse_intermixed_args(list(args))
    if options.rebuild and (options.dry_run or options.sandbox):
        parser.error("--rebuild reads the vector store, so it cannot be given with --dry-run or --sandbox")
    return options


def make_parser() -> argparse.ArgumentParser:
    """The parser of these arguments, which also describes them in docs/reference/shell.md."""
    parser = argparse.ArgumentParser(
        "openai-vtab sync",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder")
    parser.add_argument(
        "database",
        metavar="DATABASE",
        nargs="?",
        help="the database that remembers what was sent (default: a file in your data directory, whose name is shown)",
    )
    store = parser.add_argument_group("the vector store (one of both is needed)").add_mutually_exclusive_group(
        required=True
    )
    store.add_argument("--store", metavar="NAME", help="its name; the first sync creates it")
    store.add_argument("--vector-store-id", metavar="ID", help="the id of one that exists")
    _add_files(parser.add_argument_group("which files"))
    _add_run(parser.add_argument_group("how to run"))
    _add_repairs(parser.add_argument_group("repairs"))
    _add_connection(parser.add_argument_group("the connection"))
    return parser


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--glob",
        metavar="PATTERN",
        action="append",
        help=f"files to sync, relative to DIR (default: '{ALL}', all but hidden ones); can be repeated",
    )
    group.add_argument(
        "--prefix",
        metavar="TEXT",
        help="what the keys of the documents begin with, before the path below DIR (default: the name of DIR and /)",
    )
    group.add_argument(
        "--max-delete",
        metavar="N",
        type=_count,
        help="stop if more documents than this would be deleted (default: half of them)",
    )


def _add_run(group: argparse._ArgumentGroup) -> None:
    dry_run = SETTINGS["dry-run"][1]
    group.add_argument("--dry-run", action="store_true", help=f"print the plan; {dry_run.help}")
    wait = group.add_mutually_exclusive_group()
    wait.add_argument("--no-wait", action="store_true", help="do not wait until the API has processed the documents")
    wait.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=WAIT_SECONDS,
        help=f"how long to wait for that (default: {WAIT_SECONDS:g})",
    )
    group.add_argument("--quiet", action="store_true", help="print only problems, and show no progress bar")


def _add_repairs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--checksum", action="store_true", help="read all files, whatever their size and time say")
    group.add_argument(
        "--retry-unknown",
        action="store_true",
        help="upload documents again whose upload has an unknown outcome; its file may remain at OpenAI",
    )
    group.add_argument(
        "--rebuild",
        action="store_true",
        help="DATABASE is lost: find the files of DIR in the vector store by their names and sizes",
    )


def _add_connection(group: argparse._ArgumentGroup) -> None:
    for name in ("base-url", "auth"):
        option = SETTINGS[name][1]
        group.add_argument(f"--{name}", metavar=option.argument, help=option.help)
    group.add_argument("--sandbox", action="store_true", help=SANDBOX.help)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of documents; write a whole number, such as 100")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; write a number, such as 600")
    return seconds
