"""APSW's virtual-table classes over a description: Module, VTable, Cursor. Glue; the decisions are in plan.py.

https://rogerbinns.github.io/apsw/vtable.html and https://www.sqlite.org/vtab.html
It must not know any particular table, nor HTTP statuses.

>>> Module(registration, vector_store_file_batches).create(connection)
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import apsw

from .. import planner, protocol
from ..errors import ProgrammingError, RowError, UnsupportedWriteError
from ..execution.statement import StatementSession
from ..ledger.shadow_table import SUFFIX
from ..ledger.store import Ledger
from ..protocol import Object, Response
from ..schema.columns import ERROR
from ..schema.decode import Fields, getter
from ..schema.table import Method, Table
from ..schema.values import InvalidValue, SQLiteValue, key_text
from ..sqlite.rowids import Rowids
from ..writes.order import affected
from ..writes.write import Write
from .context import ConnectionContext
from .downloads import Downloads
from .lookup import NOT_IN_LEDGER, Rows, ScanOptions

# https://www.sqlite.org/c3ref/module.html, iVersion: which of the methods there are
WITH_SAVEPOINT, WITH_SHADOW = 2, 3
LARGEST = 2.0**63  # of SQLite's integers

# The first APSW release that is not asked for whole IN lists. In APSW 3.54.0 and 3.54.1, an empty whole list ends the
# process (segmentation fault on Python 3.12 and 3.13) or the statement (SQLError <NULL> on 3.11), and no later release
# has been verified. Raise it together with the upper bound in setup.py, once the tests pass with a newer release.
UNVERIFIED_APSW = (3, 54)
TAKES_WHOLE_LISTS = tuple(map(int, apsw.apsw_version().split(".")[:2])) < UNVERIFIED_APSW

Update = TypeVar("Update", bound=Callable[..., Any])


class Module:
    """A table's module: SQLite asks it for the table in each schema, and under each name."""

    def __init__(self, context: ConnectionContext, table: Table) -> None:
        self.context = context
        self.table = table
        self.rowids = Rowids()
        context.rowids.append(self.rowids)
        self.getters = tuple(None if column.is_option else getter(column) for column in table.columns)

    def create(self, connection: apsw.Connection) -> None:
        """Make the table known to the connection under its name and its aliases, as eponymous tables."""
        self.context.internal_sql.ours |= {self.table.name, *self.table.aliases}
        module = SimpleNamespace(Connect=self.Connect, Create=self.Connect)
        # ShadowName: whether NAME_suffix belongs to the table NAME, so that SQLite protects it from ordinary SQL
        # (DEFENSIVE). Not a function of Python's: APSW loses a KeyboardInterrupt that is raised in it.
        for name in (self.table.name, *self.table.aliases):
            if self.table.remembered and name == self.table.name:
                try:
                    self._create(
                        connection, name, SimpleNamespace(**vars(module), ShadowName=SUFFIX.__eq__), WITH_SHADOW
                    )
                except Exception as error:
                    # APSW has 33 places for it in a process. Without one, all works; only DEFENSIVE protects no ledger.
                    if "xShadowName" not in str(error):
                        raise
                else:
                    continue
            self._create(connection, name, module, WITH_SAVEPOINT)

    def _create(self, connection: apsw.Connection, name: str, module: Any, version: int) -> None:
        connection.create_module(
            name, module, use_bestindex_object=True, use_no_change=True, eponymous=True, iVersion=version
        )

    def Connect(
        self, connection: apsw.Connection, modulename: str, dbname: str, tablename: str, *arguments: str
    ) -> tuple[str, VTable | SchemaChangedTable]:
        """SQLite opens the table: by the module's own name, or one created in a database with a ledger of its own."""
        if arguments:
            raise ProgrammingError(
                f"{modulename} takes no arguments in CREATE VIRTUAL TABLE: settings are keywords of connect() and "
                "register(); in SQL, a key would be stored in the database file"
            )
        ledger = None
        try:
            if self.table.remembered and self._is_created(modulename, dbname, tablename):
                ledger = self.context.ledger(connection, self.table, dbname, tablename)
        except apsw.SchemaChangeError:
            # SQLite will prepare the statement once more, and connect again what was created in the file; of what is
            # always there under this name, nothing was to be found there
            if tablename.lower() != modulename.lower():
                return self.table.schema, SchemaChangedTable()
        return self.table.schema, VTable(self, connection, Rows(self.table, self.rowids, self.context.created, ledger))

    def _is_created(self, modulename: str, dbname: str, tablename: str) -> bool:
        if tablename.lower() != modulename.lower():
            return True
        # created under the module's own name, which hides the table that is always there
        schema = '"' + dbname.replace('"', '""') + '"'
        sql = f"SELECT 1 FROM {schema}.sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
        return bool(list(self.context.internal_sql.read(sql, [tablename])))


class SchemaChangedTable:
    """Stands for a created table while another connection has changed the schema, until SQLite has read it again.

    It cannot be opened or written to: a statement that had it would be without the ledger. None begins with it.
    """

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """Any plan will do: SQLite makes another before the statement begins."""
        return True

    def Disconnect(self) -> None:
        """SQLite has read the schema."""


def _tells_of_refusal(update: Update) -> Update:
    """A method by which SQLite hands over a row: its exception makes the statement fail, which nothing else tells."""

    @wraps(update)
    def method(self: VTable, *arguments: Any) -> Any:
        try:
            return update(self, *arguments)
        except BaseException:
            self.context.refused()
            raise

    return cast(Update, method)


class VTable:
    """The table as one schema sees it."""

    def __init__(self, module: Module, connection: apsw.Connection, rows: Rows) -> None:
        self.module = module
        self.context = module.context
        self.writes = module.context.writes
        self.table = module.table
        self.rows = rows
        self.connection = weakref.ref(connection)
        self.context.connected()

    def BestIndexObject(self, info: apsw.IndexInfo) -> bool:
        """SQLite plans a query: hand the constraints to plan.choose, and its answer back."""
        constraints = [
            planner.Constraint(
                info.get_aConstraint_iColumn(i),
                info.get_aConstraint_op(i),
                info.get_aConstraint_usable(i),
                info.get_aConstraint_collation(i),
                info.get_aConstraintUsage_in(i),
            )
            for i in range(info.nConstraint)
        ]
        remembers = self.rows.ledger is not None
        order = [(info.get_aOrderBy_iColumn(i), info.get_aOrderBy_desc(i)) for i in range(info.nOrderBy)]
        used = info.colUsed if remembers or self.table.downloads else ()
        chosen = planner.choose(self.table, constraints, order, ledger=remembers, used=used)
        for number, position in enumerate(chosen.argv, start=1):
            info.set_aConstraintUsage_argvIndex(position, number)
        if TAKES_WHOLE_LISTS:  # otherwise SQLite calls Filter once for each value, and read-ahead makes that concurrent
            for position in chosen.in_lists:
                info.set_aConstraintUsage_in(position, True)
        for position in chosen.omit:
            info.set_aConstraintUsage_omit(position, True)
        info.idxNum, info.idxStr = chosen.plan.encode()
        info.estimatedCost = chosen.cost
        info.estimatedRows = chosen.rows
        info.orderByConsumed = bool(chosen.plan.order)
        if chosen.unique:
            info.idxFlags = apsw.SQLITE_INDEX_SCAN_UNIQUE
        return True

    def Open(self) -> Cursor:
        """SQLite begins to read."""
        return Cursor(self)

    def Disconnect(self) -> None:
        """SQLite closes the table."""
        self.context.disconnected()

    def Destroy(self) -> None:
        """DROP TABLE. SQLite will not ask this table for the transaction's COMMIT any more: another takes its place."""
        if self.writes.holds(self.rows):
            name = self.table.aliases[0] if self.table.aliases else self.table.name
            self.context.internal_sql.write(f'DELETE FROM "{name}" WHERE false')
        if self.rows.ledger is not None:
            self.rows.ledger.drop()
        self.context.dropped()

    def Rename(self, name: str) -> None:
        """ALTER TABLE … RENAME TO."""
        if self.rows.ledger is not None:
            self.rows.ledger.shadow.rename(name)

    @_tells_of_refusal
    def UpdateInsertRow(self, rowid: int | None, fields: Sequence[SQLiteValue]) -> int:
        """INSERT: check the row, queue the request, and give the row its rowid."""
        self._refuse_conflict_clause("INSERT")
        if rowid is not None:
            raise RowError(f"{self.table.name}.rowid: it is given by the table; leave it out")
        given = {c.name: value for c, value in zip(self.table.columns, fields, strict=True) if value is not None}
        ledger = self.rows.ledger
        if ledger is not None and (adopted := planner.adopted(self.table, given, self.context.limits)) is not None:
            return self._adopt(ledger, adopted)
        method, parameters = planner.insert(self.table, given, self.context.limits)
        self.context.refuse_if_read_only(self.table, method)
        request = protocol.build(self.table, method, parameters)
        keys = {source: str(parameters[source]) for source in self.table.key if source in parameters}
        sent = {source: value for source, value in parameters.items() if source not in keys}
        if self.context.settings.dry_run:
            return self._supposed(request)
        intent = None
        if ledger is None:
            new = self.module.rowids.reserve()
        else:
            intent = self.writes.intent_log(ledger.file).new(ledger.names, keys, sent)
            new = ledger.add(keys, sent, intent.id)

        def parse(response: Response) -> Object:
            answer = protocol.created(self.table, request, response, parameters)
            key = tuple(answer[source] for source in self.table.key)
            self.context.created[key] = self.context.clock.monotonic()
            if ledger is None:
                self.module.rowids.assign(new, key)
            return answer

        write = Write(request, new, parse, self.context.writer, self.rows, intent=intent)
        write.affected = affected(self.table, method, parameters)
        if ledger is not None:
            write.ledger = ledger
            write.on_done = lambda answer: ledger.complete(new, answer, answer)
        self.writes.add(write)
        return new

    def _adopt(self, ledger: Ledger, keys: dict[str, str]) -> int:
        """INSERT of the keys alone: the ledger lists an object made elsewhere, if the API has it."""
        method = self.table.lookup_method
        assert method is not None  # noqa: S101 - what is remembered can be looked up
        request = protocol.build(self.table, method, keys)
        if self.context.settings.dry_run:
            return self._supposed(request)
        new = ledger.add(keys, None)

        def parse(response: Response) -> Object:
            answer = protocol.parse_object(request, response)
            if answer is None:
                names = " AND ".join(f"{source} = {value!r}" for source, value in keys.items())
                raise RowError(f"{ledger.name}: the API has none with {names}; write the keys of one that exists")
            return protocol.verify_keys(self.table, request, response, answer, keys)

        write = Write(request, new, parse, self.context.writer, self.rows)
        write.affected = affected(self.table, method, keys)
        write.ledger = ledger
        write.on_done = lambda answer: ledger.complete(new, keys, answer)
        self.writes.add(write)
        return new

    def _supposed(self, request: protocol.Request) -> int:
        """A dry run's INSERT: shown at COMMIT, and remembered nowhere. The rowid stands for no row."""
        new = NOT_IN_LEDGER + self.rows.rowids.reserve()
        self.writes.add(Write(request, new, lambda _: {}, self.context.writer, self.rows))
        return new

    @_tells_of_refusal
    def UpdateChangeRow(self, rowid: int, newrowid: int, fields: Sequence[Any]) -> None:
        """UPDATE: find the method for what is SET, and queue the request."""
        self._refuse_conflict_clause("UPDATE")
        changed = {c.name: v for c, v in zip(self.table.columns, fields, strict=True) if v is not apsw.no_change}
        if newrowid != rowid:
            raise UnsupportedWriteError(f"{self.table.name}: the rowid cannot be SET")
        method, sent = planner.update(self.table, changed, self.context.limits)
        self._change(method, rowid, sent)

    @_tells_of_refusal
    def UpdateDeleteRow(self, rowid: int) -> None:
        """DELETE: a ledger forgets the row; otherwise queue the request."""
        if self.rows.ledger is not None:
            if not self.context.settings.dry_run:
                self.rows.forget(rowid)
        else:
            self._change(planner.delete(self.table), rowid, {})

    def _change(self, method: Method, rowid: int, sent: dict[str, object]) -> None:
        self.context.refuse_if_read_only(self.table, method)
        keys = self.rows.keys_of(rowid)
        request = protocol.build(self.table, method, {**keys, **sent})

        def parse(response: Response) -> Object:
            if method.verb != "DELETE":
                return protocol.verify_keys(
                    self.table, request, response, protocol.parse_object(request, response) or {}, keys
                )
            answer = protocol.deleted(request, response, keys)
            created, gone = self.context.created, set(keys.values())
            for key in [key for key in list(created) if gone <= set(key)]:  # also what was made in it
                created.pop(key, None)  # not there is not there from now on
            return {**answer, **keys}

        objects = affected(self.table, method, {**keys, **sent})
        self.writes.add(Write(request, rowid, parse, self.context.writer, self.rows, objects))

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

    def before_reading(self, reader: StatementSession) -> None:
        """What is read is what was written before: here, and by the API."""
        self.context.judge_nested()
        self.writes.flush(reader)
        connection = self.connection()
        if connection is not None and self.rows.ledger is not None:
            self.context.settle(connection, can_wait=False)

    def Begin(self) -> None:
        """The table takes part in a transaction from now on."""

    def Sync(self) -> None:
        """COMMIT, first half: send what is queued. An error here fails the COMMIT."""
        if self.context.is_writing:  # or it may be the last statement itself that commits, as it is reset
            self.context.judge_nested()
        self.writes.flush()

    def Commit(self) -> None:
        """COMMIT, second half: cannot fail."""
        self.writes.commit()

    def Rollback(self) -> None:
        """ROLLBACK, or a COMMIT that SQLite could not complete after Sync."""
        self.writes.rollback(self.context.user_rolls_back)

    def Savepoint(self, level: int) -> None:
        """SAVEPOINT, or the beginning of a statement that may have to be undone alone."""
        self.context.judge_nested()
        self.writes.savepoint(level, self.context.statement)

    def Release(self, level: int) -> None:
        """RELEASE."""
        self.context.judge_nested(level)
        self.writes.release(level)

    def RollbackTo(self, level: int) -> None:
        """ROLLBACK TO, or a statement that failed within a transaction."""
        self.context.judge_nested()
        self.writes.rollback_to(level)


class Cursor:
    """One scan of the table."""

    def __init__(self, vtable: VTable) -> None:
        self.vtable = vtable
        self.table = vtable.table
        self.getters = vtable.module.getters
        self.session = vtable.context.statement
        self.note = vtable.context.note
        self._rows: Iterator[tuple[int, Fields]] = iter(())
        self._row: tuple[int, Fields] | None = None
        self._option_values: dict[str, SQLiteValue] = {}
        self._never_numbers: dict[str, set[int]] = {}

    def Filter(self, idxNum: int, idxStr: str, args: tuple[Any, ...]) -> None:  # noqa: N803 - SQLite's names
        """SQLite begins a scan with the values of the plan that plan.choose made."""
        if self.note is None:
            self.vtable.before_reading(self.session)
        plan = planner.ScanPlan.decode(idxNum, idxStr)
        if plan.kind is planner.ScanKind.NOTHING:
            raise planner.missing_columns(self.table, plan)
        self.getters = self.vtable.module.getters
        given = dict(zip(plan.columns, args, strict=False))
        at_most = args[len(plan.columns) :]
        option_values = {name: given.pop(name) for name in list(given) if name != "rowid" and self._is_option(name)}
        if any(option_values.get(name, "") is None for name in self.table.asked):  # equal to nothing
            self._rows = iter(())
        else:
            # an option that is NULL is not given
            checked = {name: self._checked(name, value) for name, value in option_values.items() if value is not None}
            # what the API takes as JSON comes back as it was written
            self._option_values = option_values | {
                name: value
                for name, value in checked.items()
                if isinstance(value, (str, int, float)) and not isinstance(value, bool)
            }
            scan = ScanOptions(self.session, checked, note=self.note, order=plan.order, at_most=_total(at_most))
            scan.download = self.table.downloads.get(plan.download)
            numbers = {n for n, name in enumerate(plan.columns) if isinstance(given.get(name), (int, float))}
            unequal = plan.kind is not planner.ScanKind.BY_ROWID and self._is_unequal(idxStr, numbers)
            self._rows = iter(()) if unequal else self._begin(plan, given, scan)
            if plan.download and self.note is None:
                self._download(plan.download, scan)
        self._row = next(self._rows, None)

    def _download(self, name: str, scan: ScanOptions) -> None:
        """Have one column of the rows, and why it cannot be read, asked for when SQLite reads them."""
        rows = Downloads(scan, self.vtable.rows, self.table.downloads[name], self._rows)
        getters = dict(zip(self.table.by_name, self.getters, strict=True))
        getters |= {name: rows.content, ERROR.name: rows.error}
        self._rows, self.getters = rows, tuple(getters.values())

    def _begin(self, plan: planner.ScanPlan, given: dict[str, Any], scan: ScanOptions) -> Iterator[tuple[int, Fields]]:
        rows = self.vtable.rows
        many = any(isinstance(value, (set, frozenset)) for value in given.values())
        scan.single = not many
        if plan.kind is planner.ScanKind.BY_ROWID:
            value = given["rowid"]
            values = value if many else (value,)
            numbers = {self._whole_number(v) if isinstance(v, (float, str)) else v for v in values}
            return rows.by_rowid(scan, sorted(n for n in numbers if isinstance(n, int)))
        if plan.kind is not planner.ScanKind.METHOD:
            texts = {self.table.source(name): self._texts(value) for name, value in given.items()}
            return rows.listed(scan, texts, ask=plan.kind is planner.ScanKind.LISTED)
        method = self.table.of("SELECT")[plan.method]
        fixed = {self.table.source(name): value for name, value in scan.option_values.items() if name in method.sent}
        for name in [name for name in method.query if name in given]:
            value = given.pop(name)
            if value is None:  # equal to nothing
                return iter(())
            if self._narrows(name, value):
                fixed[self.table.source(name)] = value
            else:  # SQLite compares, and throws rows away: LIMIT does not tell how many it reads
                scan.at_most = None
        texts = {self.table.source(name): self._texts(value) for name, value in given.items()}
        if many and not method.listing and self.note is None:
            self.session.add_expected_keys(math.prod(map(len, texts.values())))
        keys = ({**fixed, **dict(zip(texts, key, strict=True))} for key in itertools.product(*texts.values()))
        return rows.by_key(scan, method, keys)

    def _is_unequal(self, idxStr: str, numbers: set[int]) -> bool:  # noqa: N803
        """Whether one of the numbers among the values, by their positions, cannot be equal to the text that a key is.

        It comes from a row value, of a column that is compared without affinity; https://www.sqlite.org/rowvalue.html
        """
        if not numbers:
            return False
        if idxStr not in self._never_numbers:
            self._never_numbers[idxStr] = self.vtable.context.never_numbers(self.session, idxStr)
        return not numbers.isdisjoint(self._never_numbers[idxStr])

    def _is_option(self, name: str) -> bool:
        return self.table.by_name[name].is_option

    def _narrows(self, name: str, value: SQLiteValue) -> bool:
        """Whether the API narrows a list to the value: OpenAI refuses others, which another server's rows may have."""
        known = self.table.by_name[name].values
        return isinstance(value, str) and value != "" and (not known or value in known)

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
        return self._option_column(number) if get is None else get(self._row[1])

    def ColumnNoChange(self, number: int) -> Any:
        """An UPDATE asks for a column that it does not SET: so that UpdateChangeRow knows what is SET."""
        return apsw.no_change

    def Close(self) -> None:
        """The scan is given up or over."""
        self._rows = iter(())

    def _checked(self, name: str, value: SQLiteValue) -> Any:
        check = self.table.by_name[name].check
        assert check is not None  # noqa: S101 - Table sees to it
        try:
            checked = check(value, self.vtable.context.limits)
        except InvalidValue as refused:
            problem = f"{self.table.name}.{name}: {refused}"
        else:
            return checked
        raise ProgrammingError(problem)

    def _option_column(self, number: int) -> SQLiteValue:
        """What says how to read is as it was given; where SQLite did not hand it over, NULL would lose the row."""
        name = self.table.columns[number].name
        if name not in self._option_values:
            raise ProgrammingError(
                f"{self.table.name}.{name}: it has no value of its own; write {name} = … with a value, or "
                "with a column of a table that comes earlier in the join"
            )
        return self._option_values[name]

    def _texts(self, value: Any) -> list[str]:
        """The keys that a value of argv stands for, in a stable order."""
        if isinstance(value, str):  # most are one text
            text = key_text(value)
            return [] if text is None else [text]
        values = value if isinstance(value, (set, frozenset)) else (value,)
        texts = {key_text(self._as_text(v) if isinstance(v, float) else v) for v in values}
        # a column of REAL holds 5.0, which SQLite compares with '5' as a number
        texts |= {str(int(v)) for v in values if isinstance(v, float) and v.is_integer() and abs(v) < LARGEST}
        return sorted(text for text in texts if text is not None)

    def _whole_number(self, value: SQLiteValue) -> SQLiteValue:
        """The rowid that SQLite takes the value for; None when no rowid is equal to it."""
        sql = "SELECT CAST(?1 AS INTEGER) WHERE CAST(?1 AS INTEGER) = ?1"
        return next(self.vtable.context.internal_sql.read(sql, [value]), (None,))[0]

    def _as_text(self, value: float) -> SQLiteValue:
        """The number as SQLite writes it when it compares it with text."""
        return next(self.vtable.context.internal_sql.read("SELECT CAST(? AS TEXT)", [value]))[0]


def _total(numbers: Sequence[Any]) -> int | None:
    """LIMIT plus OFFSET; None when there is no limit."""
    counts = [number for number in numbers if isinstance(number, int) and number >= 0]
    return sum(counts) if counts and len(counts) == len(numbers) else None
