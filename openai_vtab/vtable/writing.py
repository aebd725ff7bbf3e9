"""Rows that are written: each INSERT, UPDATE and DELETE of a row becomes a Write in the queue of its transaction.

>>> RowWriter(context, rows).insert({"vector_store_id": "vs_1", "file_ids": '["file-1"]'})
1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .. import planner, protocol
from ..errors import RowError
from ..ledger.store import Ledger
from ..protocol import Object, Request, Response
from ..schema.table import Method
from ..schema.values import SQLiteValue
from ..writes.order import affected
from ..writes.write import Write
from .context import ConnectionContext
from .lookup import lookup_method
from .row_identity import NOT_IN_LEDGER, RowIdentities


class RowWriter:
    """Queues what is written to one table."""

    def __init__(self, context: ConnectionContext, rows: RowIdentities) -> None:
        self._context = context
        self._rows = rows
        self._table = rows.table
        self._writes = context.writes

    def insert(self, given: Mapping[str, SQLiteValue]) -> int:
        """Queue an INSERT of these columns; return the row's rowid. Raises RowError and UnsupportedWriteError."""
        table, context, ledger = self._table, self._context, self._rows.ledger
        if ledger is not None and (adopted := planner.adopted(table, given, context.limits)) is not None:
            return self._adopt(ledger, adopted)
        method, parameters = planner.insert(table, given, context.limits)
        context.refuse_if_read_only(table, method)
        request = self._naming_new_files(
            protocol.build(table, method, parameters), protocol.attached_ids(table, method, parameters)
        )
        keys = {source: str(parameters[source]) for source in table.key if source in parameters}
        sent = {source: value for source, value in parameters.items() if source not in keys}
        if context.settings.dry_run:
            return self._show(request)
        objects = affected(table, method, parameters)
        if ledger is None:
            new = self._rows.rowids.reserve()

            def assign(response: Response) -> Object:
                key, answer = self._created(request, response, parameters)
                self._rows.rowids.assign(new, key)
                return answer

            self._writes.add(Write(request, new, assign, context.writer, self._rows, objects))
            return new
        intent = self._writes.intents.of(ledger.file, ledger.schema).new(ledger.names, keys, sent)
        new = ledger.add(keys, sent, intent.id)
        self._writes.add(
            Write(
                request,
                new,
                lambda response: self._created(request, response, parameters)[1],
                context.writer,
                self._rows,
                objects,
                intent,
                ledger,
                lambda answer: ledger.complete(new, answer, answer),
            )
        )
        return new

    def _naming_new_files(self, request: Request, files: Sequence[str]) -> Request:
        """The request with those of `files` that this connection has just uploaded: a 404 may mean "not yet"."""
        created = self._context.created
        new = {id: created[id,] + protocol.READ_AFTER_WRITE_SECONDS for id in files if (id,) in created}
        return replace(request, new_files=new) if new else request

    def _created(
        self, request: Request, response: Response, parameters: Mapping[str, Any]
    ) -> tuple[tuple[str, ...], Object]:
        """The key of the object that was created, and the object. Raises APIError."""
        answer = protocol.created(self._table, request, response, parameters)
        key = tuple(answer[source] for source in self._table.key)
        self._context.created[key] = self._context.clock.monotonic()
        if any(source not in parameters for source in self._table.key):
            self._context.callbacks.on_created(key)
        return key, answer

    def _adopt(self, ledger: Ledger, keys: dict[str, str]) -> int:
        """Queue an INSERT of the keys alone: the ledger lists an object that was made elsewhere, if the API has it."""
        table = self._table
        request = protocol.build(table, lookup_method(table), keys)
        if self._context.settings.dry_run:
            return self._show(request)
        new = ledger.add(keys, None)

        def parse(response: Response) -> Object:
            answer = protocol.parse_object(request, response)
            if answer is None:
                names = " AND ".join(f"{source} = {value!r}" for source, value in keys.items())
                raise RowError(f"{ledger.name}: the API has none with {names}; write the keys of one that exists")
            return protocol.verify_keys(table, request, response, answer, keys)

        objects = affected(table, lookup_method(table), keys)
        self._writes.add(
            Write(
                request,
                new,
                parse,
                self._context.writer,
                self._rows,
                objects,
                ledger=ledger,
                on_done=lambda answer: ledger.complete(new, keys, answer),
            )
        )
        return new

    def _show(self, request: Request) -> int:
        """Queue an INSERT of a dry run, which COMMIT only shows. The rowid stands for no row."""
        new = NOT_IN_LEDGER + self._rows.rowids.reserve()
        self._writes.add(Write(request, new, lambda _: {}, self._context.writer, self._rows))
        return new

    def update(self, rowid: int, changed: Mapping[str, SQLiteValue]) -> None:
        """Queue an UPDATE that SETs these columns. Raises RowError and UnsupportedWriteError."""
        method, sent = planner.update(self._table, changed, self._context.limits)
        self._change(method, rowid, sent)

    def delete(self, rowid: int) -> None:
        """Take the row out of the ledger; without one, queue a DELETE. Raises RowError and UnsupportedWriteError."""
        if self._rows.ledger is None:
            self._change(planner.delete(self._table), rowid, {})
        elif not self._context.settings.dry_run:
            self._rows.forget(rowid)

    def _change(self, method: Method, rowid: int, sent: dict[str, object]) -> None:
        table = self._table
        self._context.refuse_if_read_only(table, method)
        keys = self._rows.keys_of(rowid)
        request = protocol.build(table, method, {**keys, **sent})

        def parse(response: Response) -> Object:
            if method.verb != "DELETE":
                answer = protocol.parse_object(request, response) or {}
                return protocol.verify_keys(table, request, response, answer, keys)
            answer = protocol.deleted(request, response, keys)
            created, gone = self._context.created, set(keys.values())
            # from now on, a 404 means that the object, and what was created in it, does not exist
            for key in [key for key in list(created) if gone <= set(key)]:
                created.pop(key, None)
            return {**answer, **keys}

        objects = affected(table, method, {**keys, **sent})
        self._writes.add(Write(request, rowid, parse, self._context.writer, self._rows, objects))
