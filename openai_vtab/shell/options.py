"""The command line's options that APSW's shell does not have.

>>> options = parse_options(["my.db", "--dry-run", "-csv"])
>>> options.settings, options.rest
({'dry_run': True}, ['-csv', 'my.db'])
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from apsw.shell import Shell

from ..settings import Option, Settings, described

WIDTH = 79  # columns of the help text

# The options that stand for one setting of connect(), with the setting's name.
SETTINGS = {found.option.name: (name, found.option) for name, found in described(Settings).items() if found.option}
SANDBOX = Option("sandbox", "connect to a local server with demo data instead of OpenAI's: no key, no network, no cost")
VAR = Option("var", "fill {{ NAME }} in statements with VALUE; may be given more than once", "NAME=VALUE")
MANIFEST = Option("manifest", "fill {{ NAME }} from a manifest of StackQL's, YAML or JSON", "FILE")
OTHERS = (
    Option("quiet", "show no progress bar"),
    Option("version", "show the versions of openai-vtab, SQLite and APSW"),
    Option("help", "show this help"),
)
ALL = (SANDBOX, *(option for _, option in SETTINGS.values()), VAR, MANIFEST, *OTHERS)
NAMES = re.compile(  # in an error's text; a name without an underscore, such as errors, may be an ordinary word
    rf"(?<![\w./-])({'|'.join(setting for setting, _ in SETTINGS.values() if '_' in setting)})(?![\w./-])"
)
APSW_VALUES = ("init", "separator", "nullvalue", "encoding")  # options of APSW's shell that take the next argument


@dataclass
class Options:
    """The parsed options. `settings` are for connect(), and `rest` holds the arguments for APSW's shell."""

    settings: dict[str, Any] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    sandbox: bool = False
    quiet: bool = False
    version: bool = False


def parse_options(args: Sequence[str]) -> Options:
    """Parse the options, which may stand in any order before and after the database, as in the sqlite3 shell.

    An argument that begins with a hyphen and has a space or a line break is SQL that begins with a comment. Of
    --sandbox and --base-url, the later one wins. Raises Shell.Error for an option that lacks its value.
    """
    options = Options()
    left = list(args)
    others: list[str] = []  # the database, then SQL and commands
    while left and not options.version:
        option = left.pop(0)
        name = option.lstrip("-")
        if not option.startswith("-") or any(map(str.isspace, option)):
            others.append(option)
        elif name == "version":
            options.version = True
        elif name == "sandbox":
            options.sandbox = True
            options.settings.pop("base_url", None)
        elif name == "quiet":
            options.quiet = True
        elif name in SETTINGS:
            setting, found = SETTINGS[name]
            options.settings[setting] = _argument(name, left) if found.argument else found.value
        elif name == VAR.name:
            options.variables.append(_argument(name, left))
        elif name == MANIFEST.name:
            options.manifests.append(_argument(name, left))
        else:
            options.rest.append(option)
            if name in APSW_VALUES and left:
                options.rest.append(left.pop(0))
    options.rest += others
    return options


def _argument(name: str, left: list[str]) -> str:
    """Take the argument of an option from what is left. Raises Shell.Error if nothing is."""
    if not left:
        raise Shell.Error(f"You need to specify a value after --{name}")
    return left.pop(0)


def named_options(text: str) -> str:
    """A line that names the options for the settings in an error's text, "" when there are none.

    >>> named_options("base_url is 'api.openai.com'")
    'in the shell, base_url is --base-url URL'
    """
    options = dict(SETTINGS.values())
    found = dict.fromkeys(NAMES.findall(text))
    names = [f"{name} is --{options[name].name} {options[name].argument}".rstrip() for name in found]
    return f"in the shell, {', '.join(names)}" if names else ""


def help_text() -> str:
    """The options' part of --help."""
    lines = [
        textwrap.fill(
            option.help,
            WIDTH,
            initial_indent=f"   --{option.name} {option.argument}".ljust(24),
            subsequent_indent=" " * 24,
            break_on_hyphens=False,
        )
        for option in ALL
    ]
    sync = "openai-vtab sync DIR --store NAME makes a vector store the same as a folder: openai-vtab sync --help"
    run = "openai-vtab run PROGRAM starts a program that uses sqlite3 with the tables: openai-vtab run --help"
    key = (
        "The API key is read from OPENAI_API_KEY. OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS are used "
        "when they are set."
    )
    paragraphs = [line for text in (key, sync, run) for line in ("", textwrap.fill(text, WIDTH))]
    return "\n".join(["", "OPTIONS of openai-vtab:", "", *lines, *paragraphs, ""])
