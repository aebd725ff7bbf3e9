"""The contract between planner and scan: what SQLite carries from BestIndex to Filter.

SQLite calls BestIndex once for each plan that it considers, and Filter once for each scan of the plan that it took.
Between the two it keeps an integer, a text and a list of values, and nothing else; so these three are the plan. They
are written by `ScanPlan.encode`, read by `ScanPlan.decode`, and no other code knows their form.

    idxNum  kind              the scan returns                      argv holds
    0       NOTHING           nothing: Filter raises                nothing
                              MissingColumnsError
    1       BY_ROWID          the object with a rowid               the rowid, options
    2       LEDGER_REFRESHED  the rows of the ledger, read again    keys that narrow the ledger, options
                              from the API unless they are
                              finished
    3       LEDGER_ONLY       the rows of the ledger, no request    keys that narrow the ledger
    4 + n   METHOD            the rows of the table's n-th          the method's keys, the columns that narrow its
                              SELECT method                         list, options, LIMIT, OFFSET

idxStr names the values of argv, in their order, and is readable because EXPLAIN QUERY PLAN shows it:

    vector_store_id,batch_id             two keys
    vector_store_id,status,LIMIT desc    a key, a column that narrows the list, LIMIT; the list is in descending order
    vector_store_id,rowid>=              a key, and a value that the rowid of each row is compared with
    purpose,created_at<                  a column that narrows the list, and a value that is only checked: SQLite
                                         compares, and vtable/number_comparisons.py warns of a text
    file_id content                      a key; the column `content` is downloaded for each row
    vector_store_id responses            a key that narrows a ledger, whose stored responses have columns that the query
                                         reads
    needs vector_store_id                NOTHING: the missing columns; "cannot use" when a term gives one, but its value
                                         is not known when the table is read

For `=` argv has the value. For IN it has a set of all values; where APSW cannot take the set, SQLite calls Filter once
for each value.

https://www.sqlite.org/vtab.html#the_xbestindex_method

>>> ScanPlan(ScanKind.METHOD, method=1, columns=("vector_store_id",), limits=("LIMIT",), order="desc").encode()
(5, 'vector_store_id,LIMIT desc')
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ..errors import MissingColumnsError
from ..schema.table import Table
from ..tables import TABLES

LIMITS = ("LIMIT", "OFFSET")
ORDERS = ("asc", "desc")
RESPONSES = "responses"
NEEDS, CANNOT_USE = "needs ", "cannot use "


class ScanKind(IntEnum):
    """The kinds of scan; the module's docstring says what each gives."""

    NOTHING = 0
    BY_ROWID = 1
    LEDGER_REFRESHED = 2
    LEDGER_ONLY = 3
    METHOD = 4


@dataclass(frozen=True)
class ScanPlan:
    """The rows that a scan reads.

    kind: the kind of scan.
    method: for METHOD, the number of the SELECT method.
    columns: the columns whose values are in argv; for NOTHING, the missing ones.
    limits: LIMIT and OFFSET, when their values follow in argv.
    compared: the comparisons of columns of numbers, such as "created_at<", whose values come last in argv.
    order: "asc" or "desc" when the rows must come in the order of the method's `ordered_by`, else "".
    download: the column that is downloaded for each row, else "".
    responses: whether the query reads columns of a ledger's stored responses, rather than only keys and statuses.
    unusable: for NOTHING, whether the query has a term for a column, but with a value that is not known in time.
    """

    kind: ScanKind
    method: int = 0
    columns: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    order: str = ""
    download: str = ""
    responses: bool = False
    compared: tuple[str, ...] = ()
    unusable: bool = False

    def encode(self) -> tuple[int, str]:
        """The plan as idxNum and idxStr."""
        names = ",".join(self.columns + self.limits + self.compared)
        if self.kind is ScanKind.NOTHING:
            return self.kind, (CANNOT_USE if self.unusable else NEEDS) + names
        words = self.order, self.download, RESPONSES if self.responses else ""
        return self.kind + self.method, " ".join([names, *filter(None, words)])

    @staticmethod
    def decode(idxNum: int, idxStr: str) -> ScanPlan:  # noqa: N803 - SQLite's names
        """The plan that was encoded."""
        kind = ScanKind(min(idxNum, ScanKind.METHOD))
        if kind is ScanKind.NOTHING:
            missing = tuple(idxStr.removeprefix(CANNOT_USE).removeprefix(NEEDS).split(","))
            return ScanPlan(kind, columns=missing, unusable=idxStr.startswith(CANNOT_USE))
        names, *words = idxStr.split(" ")
        values = names.split(",") if names else []
        return ScanPlan(
            kind,
            idxNum - kind,
            columns=tuple(name for name in values if name not in LIMITS and not is_comparison(name)),
            limits=tuple(name for name in values if name in LIMITS),
            compared=tuple(name for name in values if is_comparison(name)),
            order="".join(word for word in words if word in ORDERS),
            download="".join(word for word in words if word not in (*ORDERS, RESPONSES)),
            responses=RESPONSES in words,
        )


def is_comparison(name: str) -> bool:
    """Whether a name of argv, such as "created_at<", is that of a value that is only checked."""
    return not name.isidentifier() and not name.startswith("rowid") and name != ""


@dataclass(frozen=True)
class IndexChoice:
    """The result of BestIndex: the plan, and what SQLite must know of it. Positions are those of the constraints.

    argv: the constraints whose values the scan is given, in the order of the plan's columns, limits and comparisons.
    cost, rows: the estimates by which SQLite compares plans.
    unique: the scan gives at most one row.
    in_lists: the IN lists of argv that are delivered as one set each.
    omit: the constraints that SQLite need not check again.
    """

    plan: ScanPlan
    argv: tuple[int, ...]
    cost: float
    rows: int
    unique: bool = False
    in_lists: tuple[int, ...] = ()
    omit: tuple[int, ...] = ()

    @property
    def idxNum(self) -> int:
        """The number for SQLite."""
        return self.plan.encode()[0]

    @property
    def idxStr(self) -> str:
        """The text for SQLite."""
        return self.plan.encode()[1]


def missing_columns(table: Table, plan: ScanPlan) -> MissingColumnsError:
    """The error for a plan of the kind NOTHING."""
    needs = " AND ".join(f"{name} = …" for name in table.of("SELECT")[-1].needs)
    message = (
        f"{table.name} needs {needs} (or IN) in WHERE or ON, from values or from a table that comes earlier in the "
        f"join; missing: {', '.join(plan.columns)}"
    )
    if plan.unusable:
        message += " (a term is there, but its value is not known when the table is read)"
    for other in TABLES:
        key = other.of("SELECT")[0].variables[-1:]
        if other.remembered and set(key) <= set(plan.columns):
            message += (
                f"; the API has no list of {other.name}, but a ledger has: CREATE VIRTUAL TABLE my_batches USING "
                f"{other.name}"
            )
    return MissingColumnsError(message)
