"""How a setting is described: from its description it is checked, documented, and read from a URL or an option.

>>> setting(4, Number(0, is_whole=True), "Retries of a request where a retry is safe.")
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

from ..errors import ConfigurationError, InterfaceError
from .kinds import Kind

T = TypeVar("T")
C = TypeVar("C", bound=type)
MAX_SHOWN = 200  # characters of a wrong value in an error message


@dataclass(frozen=True)
class Option:
    """An option of the openai-vtab command that gives a setting.

    name: the option without its dashes.
    help: what it does, for --help.
    argument: the name of the option's value; "" when it has none.
    value: the setting's value when the option has none.
    """

    name: str
    help: str
    argument: str = ""
    value: object = None


@dataclass(frozen=True)
class Setting:
    """The description of a setting.

    kind: the values that it takes.
    doc: one or more sentences, Markdown.
    environment: the environment variable that is read when the setting is None, else "".
    url_name: its name in the query of SQLAlchemy's URL and in the DB-API; "" when a URL cannot hold it.
    option: the option of the openai-vtab command that gives it, None when there is none.
    """

    name: str
    default: object
    kind: Kind
    doc: str
    environment: str = ""
    url_name: str = ""
    option: Option | None = None

    def check(self, value: object) -> None:
        """Raise InterfaceError if the setting cannot have the value; for headers and parameters, ConfigurationError."""
        if self.kind.accepts(value):
            return
        if problem := self.kind.problem(value):
            name = f"{self.name} (or {self.environment})" if self.environment else self.name
            raise ConfigurationError(f"{name} {problem}; write {self.kind.expected}")
        raise InterfaceError(f"{self.name} is {_shown(value)}; write {self.kind.expected}")


def setting(
    default: T,
    kind: Kind,
    doc: str,
    *,
    environment: str = "",
    url_name: str | None = None,
    option: Option | None = None,
    repr: bool = True,
) -> T:
    """A field of a dataclass with the description of a setting. Without a `url_name` it has its own name in URLs."""
    metadata = {"kind": kind, "doc": doc, "environment": environment, "url_name": url_name, "option": option}
    return field(default=default, repr=repr, metadata=metadata)


@cache
def described(settings: Any) -> dict[str, Setting]:
    """The descriptions of a dataclass of settings, by their names."""
    found = {}
    for item in fields(settings):
        url_name = item.metadata["url_name"]
        metadata = {**item.metadata, "url_name": item.name if url_name is None else url_name}
        found[item.name] = Setting(item.name, item.default, **metadata)
    return found


def documented(settings: C) -> C:
    """Decorate a dataclass of settings: its docstring lists them."""
    lines = [
        textwrap.fill(f"{name}: {found.doc}", 116, initial_indent="    ", subsequent_indent="        ")
        for name, found in described(settings).items()
    ]
    settings.__doc__ = f"{settings.__doc__}\n\n" + "\n".join(lines) + "\n"
    return settings


def table(settings: Any) -> str:
    """The table of the settings, Markdown."""
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, found in described(settings).items():
        default = (
            f"`{found.environment}`"
            if found.environment
            else f"{found.default:g}"
            if isinstance(found.default, float)
            else str(found.default)
        )
        lines.append(f"| `{name}` | {default} | {found.doc} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    """A value for an error message, shortened. Of bytes only the type: an address may hold a password."""
    text = f"of type {type(value).__name__}" if isinstance(value, bytes | bytearray) else repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
