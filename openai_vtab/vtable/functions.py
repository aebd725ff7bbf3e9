"""SQL functions for the methods that are no SELECT, INSERT, UPDATE or DELETE (StackQL's EXEC).

They are flagged DIRECTONLY: a view or a trigger that is stored in a database file cannot call them.
https://www.sqlite.org/c3ref/c_deterministic.html#sqlitedirectonly

>>> SELECT cancel_vector_store_file_batch('vs_…', 'vsfb_…') ->> 'status'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

from .. import protocol
from ..errors import RowError
from ..schema.decode import sql_value
from ..schema.table import Method, Table
from ..schema.validators import identifier
from ..schema.values import InvalidValue, Limits, SQLiteValue
from .context import ConnectionContext


def create(connection: apsw.Connection, context: ConnectionContext, table: Table) -> None:
    """Register the functions of a table."""
    for method in table.of("EXEC"):
        connection.create_scalar_function(
            method.function,
            _function(context, table, method),
            len(method.variables),
            flags=apsw.SQLITE_DIRECTONLY,
        )


def _function(context: ConnectionContext, table: Table, method: Method) -> Callable[..., SQLiteValue]:
    """The function for a method: it sends the request at once, and returns the object as JSON."""

    def call(*arguments: SQLiteValue) -> SQLiteValue:
        if None in arguments:
            return None
        keys = _keys(table, method, arguments)
        context.refuse_if_read_only(table, method)
        request = protocol.build(table, method, keys)
        session = context.session
        context.writes.flush(session)  # rows that were written before are sent before
        response = context.workers.wait(context.workers.send(request, session.wait_budget))
        if response.status == protocol.NOT_SENT:
            return None

        def parse(response: protocol.Response) -> protocol.Object:
            return protocol.verify_keys(table, request, response, protocol.parse_object(request, response) or {}, keys)

        return sql_value(context.workers.parse_once(response, parse))

    return call


def _keys(table: Table, method: Method, arguments: Sequence[SQLiteValue]) -> dict[str, str]:
    """The arguments as keys by their sources. Raises RowError."""
    keys: dict[str, str] = {}
    for name, value in zip(method.variables, arguments, strict=True):
        try:
            keys[table.sources[name]] = identifier(value, Limits())
        except InvalidValue as refused:
            raise RowError(f"{method.function}, argument {name}: {refused}") from None
    return keys
