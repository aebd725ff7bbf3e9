"""APSW's virtual-table classes over a description: Module, VTable, Cursor. Glue; the decisions are in plan.py.

https://rogerbinns.github.io/apsw/vtable.html and https://www.sqlite.org/vtab.html
It must not know any particular table, nor HTTP statuses.

>>> Module(registration, vector_store_file_batches).create(connection)
"""

from __future__ import annotations

import itertools
import json
import math
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import apsw

from . import api, plan
from .api import Object, Request, Response
from .errors import MissingColumnsError, ProgrammingError, RowError, UnsupportedWriteError
from .fetch import Asking, Fetch
from .http import Client
from .outbox import Outbox, Write
from .settings import Settings
from .spec import WAIT_SECONDS, Column, Method, Table
from .values import Limits, Refused, SQLiteValue, key_text, seconds

Key = tuple[str, ...]

# seconds after its creation for which 404 does not mean that an object does not exist: reads lag behind writes,
# https://github.com/mkdev-me/terraform-provider-openai/issues/35
VISIBLE_WITHIN = 10.0


class Registration:
    """What the tables of one registered connection share: the client, its threads, the outbox, the statements."""

    def __init__(self, connection: apsw.Connection, settings: Settings) -> None:
        # weak, so that closing and forgetting a connection frees it and ends the threads
        weak = weakref.ref(connection)
        self.settings = settings
        self.limits = Limits(settings.max_files_per_batch)
        self.fetch = Fetch(Client(settings), lambda: (c := weak()) is not None and c.is_interrupted)
        self.outbox = Outbox(self.fetch)
        # those that run, with the changes counted when they began, and whether they only read
        self._statements: dict[int, tuple[Asking, int, bool]] = {}
        self._over: list[tuple[Asking, int]] = []
        self._connected = 0
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        connection.trace_v2(mask, self._trace, id=Registration)
        weakref.finalize(self, self.fetch.close)
        # SQLite disconnects tables when a connection is freed. At the interpreter's exit that can come after APSW
        # has been taken down, and crashes there: so what is still open is closed before.
        weakref.finalize(connection, _close, weak)

    def _trace(self, event: dict[str, Any]) -> None:
        """Follow which statements are running: SQLite tells when one begins (STMT) and when it is over (PROFILE)."""
        if event.get("trigger"):
            return
        # only now, because a statement that is reset counts its rows after the event that tells of its end
        for asking, before in self._over:
            self.outbox.statement_over(asking, event["total_changes"] > before)
        self._over.clear()
        if (over := self._statements.pop(event["id"], None)) is not None:
            asking, before, readonly = over
            asking.close()
            if not readonly:
                self._over.append((asking, before))
        if event["code"] == apsw.SQLITE_TRACE_STMT:
            self._statements[event["id"]] = (Asking(self.fetch), event["total_changes"], event["readonly"])

    def connected(self, change: int) -> None:
        """A table was connected (1) or disconnected (-1). With the last one the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive.
        """
        self._connected += change
        if not self._connected:
            self.fetch.close()

    @property
    def statement(self) -> Asking:
        """The statement that runs now: the one begun last of those not over."""
        for asking, _, _ in reversed(self._statements.values()):
            return asking
        return Asking(self.fetch)


def _close(weak: weakref.ref[apsw.Connection]) -> None:
    connection = weak()
    if connection is not None:
        connection.close(True)


class Rowids:
    """One rowid for each object, stable within a connection: SQLite de-duplicates the branches of an OR by it."""

    def __init__(self) -> None:
        self._keys: list[Key | None] = [None]  # rowid 0 is nobody's
        self._rowids: dict[Key, int] = {}

    def of(self, key: Key) -> int:
        """The rowid of an object."""
        rowid = self._rowids.get(key)
        if rowid is None:
            rowid = self.reserve()
            self.assign(rowid, key)
        return rowid

    def reserve(self) -> int:
        """A rowid for an object that has no key yet."""
        self._keys.append(None)
        return len(self._keys) - 1

    def assign(self, rowid: int, key: Key) -> None:
        """The object of a reserved rowid is known now."""
        self._keys[rowid] = key
        self._rowids.setdefault(key, rowid)

    def key(self, rowid: SQLiteValue) -> Key | None:
        """The object of a rowid, None when there is none."""
        if isinstance(rowid, int) and 0 < rowid < len(self._keys):
            return self._keys[rowid]
        return None


class Module:
    """A table's module: SQLite asks it for the table in each schema, and under each name."""

    def __init__(self, registration: Registration, table: Table) -> None:
        self.registration = registration
        self.table = table
        self.rowids = Rowids()
        self.created: dict[Key, float] = {}  # what this connection has made itself, and when (time.monotonic)
        self.getters = tuple(_steering(table, c) if c.steers else _getter(c) for c in table.columns)

    def create(self, connection: apsw.Connection) -> None:
        """Make the table known to the connection under its name and its aliases, as eponymous tables."""
        for name in (self.table.name, *self.table.aliases):
            connection.create_module(
                name,
                cast(Any, self),  # APSW's protocol asks for ShadowName, which it calls only when it is there
                use_bestindex_object=True,
                use_no_change=True,
                eponymous=True,
                iVersion=4,  # with Savepoint and RollbackTo
            )

    def Connect(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, VTable]:
        """SQLite opens the table."""
        if arguments:
            raise ProgrammingError(
                f"{modulename} takes no arguments in CREATE VIRTUAL TABLE: settings are keywords of connect() and "
                "register(); in SQL, a key would be stored in the database file"
            )
        return self.table.schema, VTable(self, connection)

    Create = Connect


class VTable:
    """The table as one schema sees it."""

    def __init__(self, module: Module, connection: apsw.Connection) -> None:
        self.module = module
        self.registration = module.registration
        self.outbox = module.registration.outbox
        self.table = module.table
        self.connection = weakref.ref(connection)
        self.registration.connected(1)

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """SQLite plans a query: hand the constraints to plan.choose, and its answer back."""
        constraints = [
            plan.Constraint(
                info.get_aConstraint_iColumn(i),
                info.get_aConstraint_op(i),
                info.get_aConstraint_usable(i),
                info.get_aConstraint_collation(i),
                info.get_aConstraintUsage_in(i),
            )
            for i in range(info.nConstraint)
        ]
        chosen = plan.choose(self.table, constraints)
        for number, position in enumerate(chosen.argv, start=1):
            info.set_aConstraintUsage_argvIndex(position, number)
        for position in chosen.whole:
            info.set_aConstraintUsage_in(position, True)
        info.idxNum = chosen.idxNum
        info.idxStr = chosen.idxStr
        info.estimatedCost = chosen.cost
        info.estimatedRows = chosen.rows
        if chosen.unique:
            info.idxFlags = apsw.SQLITE_INDEX_SCAN_UNIQUE
        return True

    def Open(self) -> Cursor:
        """SQLite begins to read."""
        return Cursor(self)

    def Disconnect(self) -> None:
        """SQLite closes the table."""
        self.registration.connected(-1)

    Destroy = Disconnect

    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: check the row, queue the request, and give the row its rowid."""
        self._refuse_conflict_clause("INSERT")
        if rowid is not None:
            raise RowError(f"{self.table.name}.rowid: it is given by the table; leave it out")
        given = {c.name: value for c, value in zip(self.table.columns, fields, strict=True) if value is not None}
        method, parameters = plan.insert(self.table, given, self.registration.limits)
        request = api.build(self.table, method, parameters)
        new = self.module.rowids.reserve()

        def settle(response: Response) -> str:
            keys = api.created(self.table, request, response, parameters)
            self.module.rowids.assign(new, tuple(keys.values()))
            self.module.created[tuple(keys.values())] = time.monotonic()
            return keys["id"]

        self.outbox.add(Write(request, new, settle, self.registration.statement))
        return new

    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: find the method for what is SET, and queue the request."""
        self._refuse_conflict_clause("UPDATE")
        changed = {c.name: v for c, v in zip(self.table.columns, fields, strict=True) if v is not apsw.no_change}
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self.table.name}: the rowid cannot be SET")
        method = plan.update(self.table, changed)
        keys = self.key_of(rowid)
        request = api.build(self.table, method, {**keys, **changed})

        def settle(response: Response) -> str:
            api.decipher(request, response)
            return keys["id"]

        self.outbox.add(Write(request, rowid, settle, self.registration.statement))

    def UpdateDeleteRow(self, rowid: int) -> None:
        """DELETE: queue the request."""
        method = plan.delete(self.table)
        keys = self.key_of(rowid)
        request = api.build(self.table, method, keys)

        def settle(response: Response) -> str:
            api.decipher(request, response)
            return keys["id"]

        self.outbox.add(Write(request, rowid, settle, self.registration.statement))

    def _refuse_conflict_clause(self, verb: str) -> None:
        """OR IGNORE and the like say what a conflict of keys shall do. There is none: the API gives the keys.

        https://www.sqlite.org/c3ref/vtab_on_conflict.html
        """
        connection = self.connection()
        mode = connection.vtab_on_conflict() if connection else apsw.SQLITE_ABORT
        if mode != apsw.SQLITE_ABORT:
            clause = apsw.mapping_conflict_resolution_modes[mode]
            name = str(clause).removeprefix("SQLITE_")
            raise UnsupportedWriteError(
                f"{self.table.name}: {verb} OR {name} is not possible, the API knows no conflicts; write {verb}"
            )

    def key_of(self, rowid: int) -> dict[str, str]:
        """The keys of a row that SQLite has just read."""
        return dict(zip(self.table.key, self.module.rowids.key(rowid) or (), strict=True))

    def Begin(self) -> None:
        """The table takes part in a transaction from now on."""

    def Sync(self) -> None:
        """COMMIT, first half: send what is queued. An error here fails the COMMIT."""
        self.outbox.flush()

    def Commit(self) -> None:
        """COMMIT, second half: cannot fail."""
        self.outbox.commit()

    def Rollback(self) -> None:
        """ROLLBACK."""
        self.outbox.rollback()

    def Savepoint(self, level: int) -> None:
        """SAVEPOINT, or the beginning of a statement that may have to be undone alone."""
        self.outbox.savepoint(level, self.registration.statement)

    def Release(self, level: int) -> None:
        """RELEASE."""
        self.outbox.release(level)

    def RollbackTo(self, level: int) -> None:
        """ROLLBACK TO, or a statement that failed within a transaction."""
        self.outbox.rollback_to(level)


class Cursor:
    """One scan of the table."""

    def __init__(self, vtable: VTable) -> None:
        self.vtable = vtable
        self.module = vtable.module
        self.table = vtable.table
        self.asking = vtable.registration.statement
        self._rows: Iterator[tuple[int, Object]] = iter(())
        self._row: tuple[int, Object] | None = None
        self._steering: dict[str, float] = {}

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan with the values of the plan that plan.choose made."""
        self.vtable.outbox.flush(reader=self.asking)
        if idxNum == plan.NOTHING:
            raise self._missing(idxStr)
        given = dict(zip(idxStr.split(","), args, strict=True))
        steering = {
            name: given.pop(name) for name in list(given) if name != "rowid" and self.table.by_name[name].steers
        }
        self._steering = {name: self._seconds(name, value) for name, value in steering.items() if value is not None}
        if None in steering.values():  # equal to nothing
            self._rows = iter(())
        elif idxNum == plan.BY_ROWID:
            self._rows = self._by_rowid(given["rowid"])
        else:
            method = self.table.of("SELECT")[idxNum - plan.FIRST_METHOD]
            sources = [self.table.source(name) for name in given]
            keys = itertools.product(*(self._texts(value) for value in given.values()))
            self._rows = self._objects(method, (dict(zip(sources, key, strict=True)) for key in keys))
        self._row = next(self._rows, None)

    def Eof(self) -> bool:
        """Whether the scan is over."""
        return self._row is None

    def Next(self) -> None:
        """The next row."""
        self._row = next(self._rows, None)

    def Rowid(self) -> int:
        """The row's rowid."""
        assert self._row is not None  # noqa: S101 - SQLite asks only after Eof said no
        return self._row[0]

    def Column(self, number: int) -> SQLiteValue:
        """The row's value in a column."""
        assert self._row is not None  # noqa: S101
        return self.module.getters[number](self._row[1]) if number >= 0 else self._row[0]

    def ColumnNoChange(self, number: int) -> Any:
        """An UPDATE asks for a column that it does not SET: so that UpdateChangeRow knows what is SET."""
        return apsw.no_change

    def Close(self) -> None:
        """The scan is given up or over."""
        self._rows = iter(())

    def _missing(self, idxStr: str) -> MissingColumnsError:  # noqa: N803
        return plan.missing_columns(self.table, idxStr)

    def _objects(
        self, method: Method, keys: Iterable[dict[str, str]], rowid: int | None = None
    ) -> Iterator[tuple[int, Object]]:
        """The objects with these keys, in their order; those that do not exist are left out."""

        def request_of(key: dict[str, str]) -> Request:
            return api.build(self.table, method, key)

        if WAIT_SECONDS.name in self._steering:
            keys = list(keys)
            deadline = self.asking.deadline(self._steering[WAIT_SECONDS.name])
            for key in keys:
                self._until_visible(key, request_of(key))
            self.asking.until(self._finished, map(request_of, keys), deadline)
        for key, request in self.asking.ahead(keys, request_of):
            known = self._until_visible(key, request)
            response = self.asking.answer(request)
            answer = api.decipher(request, response)
            if answer is not None:
                row = api.keyed(self.table, request, response, answer, key)
                yield rowid or self.module.rowids.of(known), {**row, **self._steering}

    def _until_visible(self, key: dict[str, str], request: Request) -> Key:
        """Have an object that this connection has just made asked for until the API knows it."""
        known = tuple(key[source] for source in self.table.key)
        created = self.module.created.get(known)
        if created is not None:
            deadline = created + VISIBLE_WITHIN
            self.asking.until(lambda r, response: api.decipher(r, response) is not None, [request], deadline)
        return known

    def _finished(self, request: Request, response: Response) -> bool:
        """Whether waiting for it is over. By its status alone: counts are all zero at first, a store's says nothing."""
        answer = api.decipher(request, response)
        return answer is None or answer.get("status") in self.table.finished

    def _seconds(self, name: str, value: SQLiteValue) -> float:
        try:
            return seconds(value)
        except Refused as refused:
            problem = f"{self.table.name}.{name}: {refused}"
        raise ProgrammingError(problem)

    def _by_rowid(self, value: Any) -> Iterator[tuple[int, Object]]:
        method = self.table.of("SELECT")[0]
        rowids = sorted(v for v in value if isinstance(v, int)) if isinstance(value, (set, frozenset)) else [value]
        for rowid in rowids:
            key = self.module.rowids.key(rowid)
            if key is not None:
                yield from self._objects(method, [dict(zip(self.table.key, key, strict=True))], rowid)

    def _texts(self, value: Any) -> list[str]:
        """The keys that a value of argv stands for, in a stable order."""
        values = value if isinstance(value, (set, frozenset)) else (value,)
        texts = {key_text(self._as_text(v) if isinstance(v, float) else v) for v in values}
        return sorted(text for text in texts if text is not None)

    def _as_text(self, value: float) -> SQLiteValue:
        """A number as SQLite writes it when it compares it with text."""
        connection = self.vtable.connection()
        assert connection is not None  # noqa: S101 - it is running this scan
        text: SQLiteValue = connection.execute("SELECT CAST(? AS TEXT)", (value,)).get
        return text


def _steering(table: Table, column: Column) -> Callable[[Object], SQLiteValue]:
    """A column that says how to read is as it was given; where SQLite did not hand it over, NULL would lose the row."""

    def get(answer: Object) -> SQLiteValue:
        if column.name not in answer:
            raise ProgrammingError(
                f"{table.name}.{column.name}: it has no value of its own; write {column.name} = … with a value, or "
                "with a column of a table that comes earlier in the join"
            )
        value: SQLiteValue = answer[column.name]
        return value

    return get


def _getter(column: Column) -> Callable[[Object], SQLiteValue]:
    """How a column is read from an object of the API."""
    name, *path = column.source.split(".")

    def get(answer: Object) -> SQLiteValue:
        value = answer.get(name)
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None or isinstance(value, str):
            return value if value is None or value.isascii() else _whole(value)
        if column.type == "INTEGER" and isinstance(value, float) and value.is_integer():
            value = int(value)
        return sql_value(value)

    return get


def sql_value(value: Any) -> SQLiteValue:
    """A JSON value as SQLite stores it: arrays and objects as JSON text, true and false as 1 and 0."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _float(value)
    if isinstance(value, float):
        return value if not math.isnan(value) else None
    return _whole(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _whole(text: str) -> str:
    """The text without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
