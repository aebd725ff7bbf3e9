"""Write what the documentation says of the code from the descriptions in the code.

These are the pages of docs/reference/tables/, and the text between two marks of other pages, such as
`<!-- settings -->` and `<!-- end -->`.

python docs/write.py
"""

from __future__ import annotations

import inspect
import os.path
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from pathlib import Path

from openai_vtab import errors
from openai_vtab.connection import DESCRIBED
from openai_vtab.schema import docs
from openai_vtab.settings import Settings, described, table
from openai_vtab.shell import options, run_options, sync_options
from openai_vtab.shell.app import Shell
from openai_vtab.tables import TABLES
from openai_vtab.transport.request_log import COLUMNS
from openai_vtab.vtable import local_files

ROOT = Path(__file__).parent.parent
END = "<!-- end -->\n"


def written() -> dict[Path, str]:
    """Return the text of each file that is generated, in whole or between marks."""
    tables = Path("docs/reference/tables")
    pages = {tables / f"{table.name}.md": docs.page(table) for table in DESCRIBED}
    for name, makers in MARKED.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for mark, make in makers.items():
            text = _replaced(text, f"<!-- {mark} -->\n", _linked(make(), Path(name).parent))
        pages[Path(name)] = text
    return {ROOT / name: text for name, text in pages.items()}


def columns(described: dict[str, str]) -> str:
    """A table of columns."""
    return _table(("column", ""), ((f"`{name}`", doc) for name, doc in described.items()))


def setting_names() -> str:
    """The settings that can be given by another name than that of the keyword."""
    rows = []
    for name, found in described(Settings).items():
        url_name = found.url_name if found.url_name != name else ""
        if found.environment or url_name or found.option:
            option = found.option and f"--{found.option.name} {found.option.argument}".rstrip()
            rows.append((f"`{name}`", *map(_code, (found.environment, option, url_name))))
    return _table(("setting", "environment", "shell", "URL, DB-API"), rows)


def shell_options() -> str:
    """The options of openai-vtab that APSW's shell does not have."""
    return _table(
        ("option", ""),
        ((_code(f"--{option.name} {option.argument}".rstrip()), _sentence(option.help)) for option in options.ALL),
    )


def shell_commands() -> str:
    """The dot commands that are this package's, from the texts that .help shows."""
    rows = []
    for name, method in inspect.getmembers(Shell, inspect.isfunction):
        if name.startswith("command_") and method.__module__.startswith("openai_vtab."):
            usage, _, text = inspect.cleandoc(method.__doc__ or "").partition(": ")
            summary, _, more = text.partition("\n")
            rows.append(
                (_code("." + re.sub(r"\?([^?]+)\?", r"[\1]", usage)), f"{summary}. {' '.join(more.split())}".rstrip())
            )
    return _table(("command", ""), rows)


def arguments(parser: ArgumentParser) -> str:
    """The options of a command such as openai-vtab sync."""
    rows = []
    for action in parser._actions:  # argparse has no other way to list them
        value = f" {action.metavar}" if action.option_strings and action.metavar else ""
        rows.append((_code((action.option_strings or [str(action.metavar)])[-1] + value), _sentence(action.help or "")))
    return _table(("argument", ""), rows)


def sync_statuses() -> str:
    """The exit statuses of openai-vtab sync."""
    found = re.findall(r"^  (\d+) +(.*(?:\n {7}.*)*)", sync_options.EPILOGUE, re.MULTILINE)
    return _table(("exit status", ""), ((status, _sentence(" ".join(text.split()))) for status, text in found))


def sql_functions() -> str:
    """The functions for requests that are no SELECT, INSERT, UPDATE or DELETE."""
    return _table(
        ("function", "request"),
        (
            (f"`{method.function}({', '.join(method.variables)})`", f"`{method.http} {method.path}`")
            for api_table in TABLES
            for method in api_table.of("EXEC")
        ),
    )


def table_functions() -> str:
    """The tables that can be called as functions of their keys, which are then their first hidden columns."""
    rows = []
    for api_table in TABLES:
        hidden = [column.name for column in api_table.columns if column.hidden]
        needs = max((list(method.needs) for method in api_table.of("SELECT")), key=len)
        if hidden[: len(needs)] == needs:
            rows.append((f"`{api_table.name}({', '.join(needs)})`", api_table.doc))
    return _table(("call", ""), rows)


def error_tree() -> str:
    """The tree of exceptions."""
    (tree,) = re.findall(r"^    Exception\n(?:    .*\n)+", errors.__doc__ or "", re.MULTILINE)
    return f"```\n{inspect.cleandoc(tree)}\n```\n"


def error_classes() -> str:
    """A section for each class of exceptions, in the order of the tree."""
    sections = []
    for name in re.findall(r"─ (\w+)", error_tree()):
        paragraphs = [_attributes(text) for text in inspect.cleandoc(getattr(errors, name).__doc__).split("\n\n")]
        sections.append("\n\n".join([f"## {name}", *paragraphs]))
    return "\n" + "\n\n".join(sections) + "\n\n"


def _attributes(paragraph: str) -> str:
    """A paragraph of a docstring; one that describes attributes, `name: text` in each line, as a list."""
    names = r"^(\w+(?:, \w+)*): "
    if not re.match(names, paragraph):
        return " ".join(paragraph.split())
    return re.sub(names, lambda found: f"- {_code(found[1])}: ", paragraph, flags=re.MULTILINE)


MARKED: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"tables": lambda: docs.overview(DESCRIBED)},
    "docs/guides/requests.md": {"columns": lambda: columns(COLUMNS)},
    "docs/reference/tables/index.md": {"tables": lambda: docs.overview(DESCRIBED)},
    "docs/reference/functions.md": {
        "functions": sql_functions,
        "tables": table_functions,
        "fsdir": lambda: columns(local_files.COLUMNS | local_files.INPUTS),
    },
    "docs/reference/settings.md": {"settings": lambda: table(Settings), "names": setting_names},
    "docs/reference/shell.md": {
        "options": shell_options,
        "commands": shell_commands,
        "sync": lambda: arguments(sync_options.make_parser()),
        "run": lambda: arguments(run_options.make_parser()),
        "statuses": sync_statuses,
    },
    "docs/reference/errors.md": {"tree": error_tree, "classes": error_classes},
}


def _replaced(page: str, begin: str, text: str) -> str:
    """Return the page with the text between the mark `begin` and the next end. Raises ValueError without the mark."""
    before, rest = page.split(begin)
    return before + begin + text + END + rest.partition(END)[2]


def _linked(text: str, folder: Path) -> str:
    """The text with its links, which are relative to the project's folder, relative to `folder`."""
    return re.sub(r"\]\((docs/[^)]*)\)", lambda found: f"]({os.path.relpath(found[1], folder)})", text)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, cells))} |\n" for cells in lines)


def _cell(text: str) -> str:
    """A text whose bars do not end its cell."""
    return text.replace("|", r"\|")


def _sentence(text: str) -> str:
    """A text of --help as a sentence of Markdown."""
    text = re.sub(r"('[^' ]*')", r"`\1`", text[:1].upper() + text[1:])
    return text if text.endswith(".") else f"{text}."


def _code(names: str | None) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
