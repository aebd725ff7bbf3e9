"""StackQL's methods of a resource, from the tables' descriptions: get, list, create, update, delete, and EXEC's.

What is below the path of one object is a method of its resource: POST …/file_batches/{batch_id}/cancel is `cancel` of
file_batches, and POST /vector_stores/{vector_store_id}/search, which is a table here, is `search` of vector_stores.

>>> executable(vector_stores)["search"].table.name
'vector_store_search'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..schema import docs
from ..schema.table import Listing, Method, Table
from ..schema.values import sql_literal
from ..tables import TABLES

PLACE = "'…'"  # of a value that an error does not know


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


def statements(found: Sequence[Operation], full: str, given: Mapping[str, str]) -> list[str]:
    """The statements that call methods other than those of EXEC, for an error.

    given: the SQL of the arguments, which the statements contain. If some of the methods have all that they require,
    only their statements are returned.
    """
    complete = [one for one in found if given and all(name in given for name in one.method.needs)]
    return list(dict.fromkeys(_statement(one, full, given) for one in complete or found))


def _statement(operation: Operation, full: str, given: Mapping[str, str]) -> str:
    method = operation.method
    where = " AND ".join(f"{name} = {given.get(name, PLACE)}" for name in method.variables)
    where = f" WHERE {where}" if where else ""
    if operation.verb in ("SELECT", "DELETE"):
        limit = f" LIMIT {given['limit']}" if method.listing and "limit" in given else ""
        return f"{'SELECT *' if operation.verb == 'SELECT' else 'DELETE'} FROM {full}{where}{limit}"
    written = [name for name in given if name in method.accepts and name not in method.needs]
    if operation.verb == "UPDATE":
        fixed = {name: sql_literal(value) for name, value in method.only_when_set_to.items()}
        values = fixed or {name: given.get(name, PLACE) for name in written or method.body[:1]}
        return f"UPDATE {full} SET {', '.join(f'{name} = {value}' for name, value in values.items())}{where}"
    names = [*method.needs, *written] or method.body[:1]
    return f"INSERT INTO {full} ({', '.join(names)}) VALUES ({', '.join(given.get(name, PLACE) for name in names)})"
