"""SQL functions for the methods that are no SELECT, INSERT, UPDATE or DELETE: StackQL's EXEC.

They are flagged DIRECTONLY: a view or trigger stored in a database file cannot call them.
https://www.sqlite.org/c3ref/c_deterministic.html#sqlitedirectonly
It must not know any particular method: names and arguments come from the description.

>>> SELECT cancel_vector_store_file_batch('vs_…', 'vsfb_…') ->> 'status'
"""

from __future__ import annotations

from typing import Any

import apsw

from .. import protocol
from ..errors import RowError
from ..schema.decode import sql_value
from ..schema.table import Method, Table
from ..schema.validators import identifier
from ..schema.values import InvalidValue, Limits, SQLiteValue
from .context import ConnectionContext


def create(connection: apsw.Connection, context: ConnectionContext, table: Table) -> None:
    """Make the functions of the table known to the connection."""
    for method in table.of("EXEC"):
        connection.create_scalar_function(
            method.function,
            _function(context, table, method),
            len(method.variables),
            flags=apsw.SQLITE_DIRECTONLY,
        )


def _function(context: ConnectionContext, table: Table, method: Method) -> Any:
    def call(*arguments: SQLiteValue) -> SQLiteValue:
        if None in arguments:
            return None
        keys: dict[str, str] = {}
        for name, value in zip(method.variables, arguments, strict=True):
            try:
                keys[table.source(name)] = identifier(value, Limits())
            except InvalidValue as refused:
                problem = f"{method.function}, argument {name}: {refused}"
            else:
                continue
            raise RowError(problem)
        context.refuse_if_read_only(table, method)
        request = protocol.build(table, method, keys)
        context.writes.flush(context.statement)  # what was written before is sent before
        wait_budget = context.statement.wait_budget
        response = context.workers.wait(context.workers.send(request, wait_budget))
        if response.status == protocol.NOT_SENT:
            return None

        def understand(response: protocol.Response) -> protocol.Object:
            return protocol.verify_keys(table, request, response, protocol.parse_object(request, response) or {}, keys)

        return sql_value(context.workers.parse_once(response, understand))

    return call
