"""APSW's virtual-table classes over a description: Module, VTable, Cursor. Glue; the decisions are in plan.py.

https://rogerbinns.github.io/apsw/vtable.html and https://www.sqlite.org/vtab.html
It must not know any particular table, nor HTTP statuses.

>>> Module(registration, vector_store_file_batches).create(connection)
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, cast

import apsw

from . import api, plan
from .api import Object, Response
from .columns import Fields, getter
from .errors import MissingColumnsError, ProgrammingError, RowError, UnsupportedWriteError
from .fetch import Asking
from .ledger import SUFFIX, Ledger
from .outbox import Write
from .registration import Registration
from .rowids import Key, Rowids
from .rows import Rows, Scan
from .spec import Method, Table
from .values import Refused, SQLiteValue, key_text


class Module:
    """A table's module: SQLite asks it for the table in each schema, and under each name."""

    def __init__(self, registration: Registration, table: Table) -> None:
        self.registration = registration
        self.table = table
        self.rowids = Rowids()
        self.created: dict[Key, float] = {}
        self.getters = tuple(None if column.steers else getter(column) for column in table.columns)

    def create(self, connection: apsw.Connection) -> None:
        """Make the table known to the connection under its name and its aliases, as eponymous tables."""
        for name in (self.table.name, *self.table.aliases):
            connection.create_module(
                name,
                cast(Any, self),  # its Connect takes settings that APSW's protocol does not know
                use_bestindex_object=True,
                use_no_change=True,
                eponymous=True,
                iVersion=4,  # with ShadowName, Savepoint and RollbackTo
            )

    def Connect(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, VTable]:
        """SQLite opens the table: by the module's own name, or one created in a database with a ledger of its own."""
        if arguments:
            raise ProgrammingError(
                f"{modulename} takes no arguments in CREATE VIRTUAL TABLE: settings are keywords of connect() and "
                "register(); in SQL, a key would be stored in the database file"
            )
        if self.table.remembered and self._is_created(modulename, dbname, tablename):
            ledger = self.registration.ledger(connection, self.table, dbname, tablename)
        else:
            ledger = None
        return self.table.schema, VTable(self, connection, Rows(self.table, self.rowids, self.created, ledger))

    Create = Connect

    def _is_created(self, modulename: str, dbname: str, tablename: str) -> bool:
        if tablename.lower() != modulename.lower():
            return True
        # created under the module's own name, which hides the table that is always there
        schema = '"' + dbname.replace('"', '""') + '"'
        sql = f"SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
        return bool(list(self.registration.nested.read(sql, [tablename])))

    def ShadowName(self, suffix: str) -> bool:
        """Whether NAME_suffix belongs to the table NAME: SQLite then protects it from ordinary SQL (DEFENSIVE)."""
        return self.table.remembered and suffix == SUFFIX


class VTable:
    """The table as one schema sees it."""

    def __init__(self, module: Module, connection: apsw.Connection, rows: Rows) -> None:
        self.module = module
        self.registration = module.registration
        self.outbox = module.registration.outbox
        self.table = module.table
        self.rows = rows
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
        remembers = self.rows.ledger is not None
        chosen = plan.choose(self.table, constraints, ledger=remembers, used=info.colUsed if remembers else ())
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

    def Destroy(self) -> None:
        """DROP TABLE."""
        if self.rows.ledger is not None:
            self.rows.ledger.drop()
        self.registration.connected(-1)

    def Rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO."""
        if self.rows.ledger is not None:
            self.rows.ledger.rename(name)

    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: check the row, queue the request, and give the row its rowid."""
        self._refuse_conflict_clause("INSERT")
        if rowid is not None:
            raise RowError(f"{self.table.name}.rowid: it is given by the table; leave it out")
        given = {c.name: value for c, value in zip(self.table.columns, fields, strict=True) if value is not None}
        ledger = self.rows.ledger
        if ledger is not None and (adopted := plan.adopted(self.table, given, self.registration.limits)) is not None:
            return self._adopt(ledger, adopted)
        method, parameters = plan.insert(self.table, given, self.registration.limits)
        request = api.build(self.table, method, parameters)
        keys = {source: str(parameters[source]) for source in self.table.key if source in parameters}
        sent = {source: value for source, value in parameters.items() if source not in keys}
        new = self.module.rowids.reserve() if ledger is None else ledger.add(keys, sent)

        def settle(response: Response) -> Object:
            answer = api.created(self.table, request, response, parameters)
            key = tuple(answer[source] for source in self.table.key)
            self.module.created[key] = time.monotonic()
            if ledger is None:
                self.module.rowids.assign(new, key)
            return answer

        write = Write(request, new, settle, self.registration.statement)
        if ledger is not None:
            write.landed = lambda answer: ledger.landed(new, answer, answer)
            write.lost = lambda answer: ledger.remember(answer, answer, sent)
            write.unknown = lambda: ledger.remember_unknown(keys, sent, int(time.time()))
        self.outbox.add(write)
        return new

    def _adopt(self, ledger: Ledger, keys: dict[str, str]) -> int:
        """INSERT of the keys alone: the ledger lists an object made elsewhere, if the API has it."""
        request = api.build(self.table, self.table.of("SELECT")[0], keys)
        new = ledger.add(keys, None)

        def settle(response: Response) -> Object:
            answer = api.decipher(request, response)
            if answer is None:
                names = " AND ".join(f"{source} = {value!r}" for source, value in keys.items())
                raise RowError(f"{ledger.name}: the API has none with {names}; write the keys of one that exists")
            return api.keyed(self.table, request, response, answer, keys)

        write = Write(request, new, settle, self.registration.statement)
        write.landed = lambda answer: ledger.landed(new, keys, answer)
        self.outbox.add(write)
        return new

    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: find the method for what is SET, and queue the request."""
        self._refuse_conflict_clause("UPDATE")
        changed = {c.name: v for c, v in zip(self.table.columns, fields, strict=True) if v is not apsw.no_change}
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self.table.name}: the rowid cannot be SET")
        self._change(plan.update(self.table, changed), rowid, changed)

    def UpdateDeleteRow(self, rowid: int) -> None:
        """DELETE: a ledger forgets the row; otherwise queue the request."""
        if self.rows.ledger is not None:
            self.rows.forget(rowid)
        else:
            self._change(plan.delete(self.table), rowid, {})

    def _change(self, method: Method, rowid: int, changed: dict[str, Any]) -> None:
        keys = self.rows.keys_of(rowid)
        request = api.build(self.table, method, {**keys, **changed})

        def settle(response: Response) -> Object:
            return {**(api.decipher(request, response) or {}), **keys}

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

    def before_reading(self, reader: Asking) -> None:
        """What is read is what was written before: here, and by the API."""
        self.outbox.flush(reader)
        connection = self.connection()
        if connection is not None and self.rows.ledger is not None:
            self.registration.settle(connection, can_wait=False)

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
        self.table = vtable.table
        self.getters = vtable.module.getters
        self.asking = vtable.registration.statement
        self.note = vtable.registration.note
        self._rows: Iterator[tuple[int, Fields]] = iter(())
        self._row: tuple[int, Fields] | None = None
        self._steering: dict[str, SQLiteValue] = {}

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan with the values of the plan that plan.choose made."""
        if self.note is None:
            self.vtable.before_reading(self.asking)
        if idxNum == plan.NOTHING:
            raise self._missing(idxStr)
        given = dict(zip(idxStr.split(",") if idxStr else (), args, strict=True))
        steering = {
            name: given.pop(name) for name in list(given) if name != "rowid" and self.table.by_name[name].steers
        }
        self._steering = {name: self._steered(name, value) for name, value in steering.items() if value is not None}
        if None in steering.values():  # equal to nothing
            self._rows = iter(())
        else:
            self._rows = self._begin(idxNum, given)
        self._row = next(self._rows, None)

    def _begin(self, idxNum: int, given: dict[str, Any]) -> Iterator[tuple[int, Fields]]:  # noqa: N803
        many = any(isinstance(value, (set, frozenset)) for value in given.values())
        rows, scan = self.vtable.rows, Scan(self.asking, self._steering, not many, self.note)
        if idxNum == plan.BY_ROWID:
            value = given["rowid"]
            values = value if many else (value,)
            numbers = {self._cast(v, "INTEGER") if isinstance(v, (float, str)) else v for v in values}
            return rows.by_rowid(scan, sorted(n for n in numbers if isinstance(n, int)))
        texts = {self.table.source(name): self._texts(value) for name, value in given.items()}
        if idxNum in (plan.LISTED, plan.REMEMBERED):
            return rows.listed(scan, texts, ask=idxNum == plan.LISTED)
        keys = (dict(zip(texts, key, strict=True)) for key in itertools.product(*texts.values()))
        return rows.by_key(scan, self.table.of("SELECT")[idxNum - plan.FIRST_METHOD], keys)

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
        if number < 0:
            return self._row[0]
        get = self.getters[number]
        return self._steering_column(number) if get is None else get(self._row[1])

    def ColumnNoChange(self, number: int) -> Any:
        """An UPDATE asks for a column that it does not SET: so that UpdateChangeRow knows what is SET."""
        return apsw.no_change

    def Close(self) -> None:
        """The scan is given up or over."""
        self._rows = iter(())

    def _missing(self, idxStr: str) -> MissingColumnsError:  # noqa: N803
        return plan.missing_columns(self.table, idxStr)

    def _steered(self, name: str, value: SQLiteValue) -> SQLiteValue:
        check = self.table.by_name[name].check
        assert check is not None  # noqa: S101 - Table sees to it
        try:
            checked: SQLiteValue = check(value, self.vtable.registration.limits)
        except Refused as refused:
            problem = f"{self.table.name}.{name}: {refused}"
        else:
            return checked
        raise ProgrammingError(problem)

    def _steering_column(self, number: int) -> SQLiteValue:
        """What says how to read is as it was given; where SQLite did not hand it over, NULL would lose the row."""
        name = self.table.columns[number].name
        if name not in self._steering:
            raise ProgrammingError(
                f"{self.table.name}.{name}: it has no value of its own; write {name} = … with a value, or "
                "with a column of a table that comes earlier in the join"
            )
        return self._steering[name]

    def _texts(self, value: Any) -> list[str]:
        """The keys that a value of argv stands for, in a stable order."""
        values = value if isinstance(value, (set, frozenset)) else (value,)
        texts = {key_text(self._cast(v, "TEXT") if isinstance(v, float) else v) for v in values}
        return sorted(text for text in texts if text is not None)

    def _cast(self, value: SQLiteValue, type: str) -> SQLiteValue:
        """A value as SQLite takes it when it compares it with one of this type."""
        return next(self.vtable.registration.nested.read(f"SELECT CAST(? AS {type})", [value]))[0]
