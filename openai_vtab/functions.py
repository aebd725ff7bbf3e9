"""SQL functions for the methods that are no SELECT, INSERT, UPDATE or DELETE: StackQL's EXEC.

They are flagged DIRECTONLY: a view or trigger stored in a database file cannot call them.
https://www.sqlite.org/c3ref/c_deterministic.html#sqlitedirectonly
It must not know any particular method: names and arguments come from the description.

>>> SELECT cancel_vector_store_file_batch('vs_…', 'vsfb_…') ->> 'status'
"""

from __future__ import annotations

from typing import Any

import apsw

from . import api
from .columns import sql_value
from .errors import RowError
from .registration import Registration
from .spec import Method, Table
from .values import Limits, Refused, SQLiteValue, identifier


def create(connection: apsw.Connection, registration: Registration, table: Table) -> None:
    """Make the functions of the table known to the connection."""
    for method in table.of("EXEC"):
        connection.create_scalar_function(
            method.function,
            _function(registration, table, method),
            len(method.variables),
            flags=apsw.SQLITE_DIRECTONLY,
        )


def _function(registration: Registration, table: Table, method: Method) -> Any:
    def call(*arguments: SQLiteValue) -> SQLiteValue:
        if None in arguments:
            return None
        keys: dict[str, str] = {}
        for name, value in zip(method.variables, arguments, strict=True):
            try:
                keys[table.source(name)] = identifier(value, Limits())
            except Refused as refused:
                problem = f"{method.function}, argument {name}: {refused}"
            else:
                continue
            raise RowError(problem)
        registration.refuse_if_read_only(table, method)
        request = api.build(table, method, keys)
        registration.writes.flush(registration.statement)  # what was written before is sent before
        patience = registration.statement.patience
        response = registration.fetch.wait(registration.fetch.send(request, patience))
        if response.status == api.NOT_SENT:
            return None

        def understand(response: api.Response) -> api.Object:
            return api.keyed(table, request, response, api.decipher(request, response) or {}, keys)

        return sql_value(registration.fetch.understood(response, understand))

    return call
