"""The command line's options that APSW's shell does not have.

>>> options = parse_options(["--dry-run", "-csv", "my.db"])
>>> options.settings, options.rest
({'dry_run': True}, ['-csv', 'my.db'])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from apsw.shell import Shell

HELP = """
OPTIONS of openai-vtab:

   --sandbox            connect to a local server with demo data instead of
                        OpenAI's: no key, no network, no cost
   --base-url URL       the API's address (default: OPENAI_BASE_URL, or
                        https://api.openai.com/v1)
   --dry-run            send nothing; show the method, path and body of each
                        request instead
   --read-only          refuse statements that would change something at the API
   --errors-as-rows     return a row for an object that could not be read: its
                        keys, and the reason in the column error
   --upload-root DIR    the folder whose files INSERT INTO files (path, purpose)
                        may upload (default: none)
   --quiet              show no progress bar
   --version            show the versions of openai-vtab, SQLite and APSW
   --help               show this help

The API key is read from OPENAI_API_KEY. OPENAI_ORG_ID and OPENAI_PROJECT_ID
are used when they are set.
"""

# Options that stand for one setting of connect(): a fixed value, or the next argument.
FLAGS = {"dry-run": ("dry_run", True), "read-only": ("read_only", True), "errors-as-rows": ("errors", "row")}
VALUES = {"base-url": "base_url", "upload-root": "upload_root"}
APSW_VALUES = ("init", "separator", "nullvalue", "encoding")  # options of APSW's shell that take the next argument


@dataclass
class Options:
    """The parsed options. `settings` are for connect(), and `rest` holds the arguments for APSW's shell."""

    settings: dict[str, Any] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    sandbox: bool = False
    quiet: bool = False
    version: bool = False


def parse_options(args: Sequence[str]) -> Options:
    """Parse the options, which may stand in any order before the database.

    Of --sandbox and --base-url, the later one wins. Raises Shell.Error for an option that lacks its value.
    """
    options = Options()
    left = list(args)
    while left and left[0].startswith("-") and not options.version:
        option = left.pop(0)
        name = option.lstrip("-")
        if name == "version":
            options.version = True
        elif name == "sandbox":
            options.sandbox = True
            options.settings.pop("base_url", None)
        elif name == "quiet":
            options.quiet = True
        elif name in FLAGS:
            setting, value = FLAGS[name]
            options.settings[setting] = value
        elif name in VALUES:
            if not left:
                raise Shell.Error(f"You need to specify a value after --{name}")
            options.settings[VALUES[name]] = left.pop(0)
        else:
            options.rest.append(option)
            if name in APSW_VALUES and left:
                options.rest.append(left.pop(0))
    options.rest += left
    return options
