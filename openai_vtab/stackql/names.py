"""StackQL's names for the tables: provider, service and resource, as in openai.vector_stores.file_batches.

They are the aliases in the tables' descriptions, and so names of modules, too: "openai.vector_stores.file_batches" in
quotes is the API's table, whatever a database calls its own tables.

>>> resource(["openai", "vector_stores", "files"], "FROM openai.vector_stores.files").table.name
'vector_store_files'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ProgrammingError
from ..schema.table import Table
from ..tables import TABLES

PROVIDER = "openai"


class Resource(NamedTuple):
    """A resource of StackQL's: its full name, which is also a module's, and its table."""

    full: str
    table: Table

    @property
    def service(self) -> str:
        """The name of its service."""
        return self.full.split(".")[1]

    @property
    def name(self) -> str:
        """Its own name."""
        return self.full.split(".")[2]


RESOURCES = {alias: Resource(alias, table) for table in TABLES for alias in table.aliases}
SERVICES = tuple(dict.fromkeys(found.service for found in RESOURCES.values()))


def resource(parts: Sequence[str], place: str) -> Resource:
    """Return the resource of a name in its parts. Raises ProgrammingError, which begins with the place."""
    full = ".".join(parts).lower()
    if full in RESOURCES:
        return RESOURCES[full]
    alike = meant(parts)
    advice = f"write {' or '.join(alike)}"
    if alike and parts[0].lower() != PROVIDER:
        raise ProgrammingError(f"{place}: the only provider here is {PROVIDER}; {advice}")
    if alike and parts[1].lower() not in SERVICES:
        raise ProgrammingError(f"{place}: {PROVIDER} has no such service here; {advice}")
    listed = f"SHOW RESOURCES IN {PROVIDER}.{service(parts[:2], place)} lists all"
    raise ProgrammingError(f"{place}: {PROVIDER} has no such resource here; {advice + '; ' if alike else ''}{listed}")


def service(parts: Sequence[str], place: str) -> str:
    """Return the service of a name in its parts. Raises ProgrammingError, which begins with the place."""
    provider(parts[0] if parts else "", place)
    name = parts[1].lower() if len(parts) > 1 else ""
    if name not in SERVICES:
        known = " or ".join(f"{PROVIDER}.{service}" for service in SERVICES)
        raise ProgrammingError(f"{place}: {PROVIDER} has no such service here; write {known}")
    return name


def provider(name: str, place: str) -> None:
    """Raise ProgrammingError, which begins with the place, unless the provider is openai."""
    if not name:
        raise ProgrammingError(f"{place}: a name is missing; write one such as {next(iter(RESOURCES))}")
    if name.lower() != PROVIDER:
        raise ProgrammingError(
            f"{place}: the only provider here is {PROVIDER}; write a name such as {next(iter(RESOURCES))}, or "
            "SCHEMA.TABLE for a table of your own"
        )


def meant(parts: Sequence[str]) -> list[str]:
    """Return up to two resources that the name can mean: those with its last part, or a similar name."""
    begin = -1 if parts and parts[0].lower() == PROVIDER else -2
    end = "." + ".".join(parts[begin:]).lower()
    return [full for full in RESOURCES if full.endswith(end)][:2] or like(".".join(parts), RESOURCES)


def like(name: str, known: Iterable[str]) -> list[str]:
    """Return up to two of the known names that are like this one."""
    from difflib import get_close_matches  # errors alone need it, and importing it takes a millisecond

    return get_close_matches(name.lower(), list(known), n=2, cutoff=0.8)
