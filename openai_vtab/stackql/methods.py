"""StackQL's methods of a resource, from the tables' descriptions: get, list, create, update, delete, and EXEC's.

What is below the path of one object is a method of its resource: POST …/file_batches/{batch_id}/cancel is `cancel` of
file_batches, and POST /vector_stores/{vector_store_id}/search, which is a table here, is `search` of vector_stores.

>>> executable(vector_stores)["search"].table.name
'vector_store_search'
"""

from __future__ import annotations

from typing import NamedTuple

from ..schema import docs
from ..schema.table import Listing, Method, Table
from ..tables import TABLES


class Operation(NamedTuple):
    """A method by its name, the verb that StackQL calls it with, and the table that has it here."""

    name: str
    verb: str
    table: Table
    method: Method

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return docs.required(self.method)

    @property
    def optional(self) -> list[str]:
        """The parameters that may be given; those that only a query here has are left out for EXEC."""
        if self.verb == "EXEC":
            return [*self.method.body, *self.method.query]
        return docs.optional(self.table, self.method)

    @property
    def described(self) -> str:
        """One sentence: the request, and what it takes besides."""
        takes = f" Optional: {', '.join(self.optional)}." if self.optional else ""
        return f"{self.method.route}.{takes}"


def operations(table: Table) -> list[Operation]:
    """Return the methods of a table's resource, those of EXEC last."""
    names = {"INSERT": "create", "UPDATE": "update", "DELETE": "delete"}
    own = [
        Operation(names.get(m.verb) or ("list" if m.listing else "get"), m.verb, table, m)
        for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")
        for m in table.of(verb)
    ]
    return [*own, *executable(table).values()]


def executable(table: Table) -> dict[str, Operation]:
    """Return the methods of a table's resource that EXEC can call, by their names."""
    if table.lookup_method is None:
        return {}
    below = table.lookup_method.path + "/"
    found: dict[str, Operation] = {}
    for owner in TABLES:
        for method in owner.methods:
            is_read = method.verb == "SELECT" and (method.listing is not Listing.PAGES)
            if method.path.startswith(below) and (method.verb == "EXEC" or is_read):
                name = method.path.removeprefix(below)
                if "/" not in name and "{" not in name:
                    found[name] = Operation(name, "EXEC", owner, method)
    return found


def full_name(operation: Operation, table: Table) -> str:
    """The name of a method of EXEC that the API's description has for it: cancel_vector_store_file_batch."""
    return operation.method.function or f"{operation.name}_{_singular(table.name)}"


def _singular(name: str) -> str:
    return name.removesuffix("es") if name.endswith("ches") else name.removesuffix("s")


def statement(operation: Operation, full: str) -> str:
    """The statement that calls a method other than those of EXEC, for an error: with the required parameters."""
    keys = " AND ".join(f"{name} = '…'" for name in operation.method.variables)
    where = f" WHERE {keys}" if keys else ""
    if operation.verb == "INSERT":
        return f"INSERT INTO {full} ({', '.join(operation.required)}) VALUES (…)"
    if operation.verb == "UPDATE":
        return f"UPDATE {full} SET …{where}"
    return f"{'SELECT *' if operation.verb == 'SELECT' else 'DELETE'} FROM {full}{where}"
