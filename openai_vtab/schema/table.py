"""What a table is: frozen descriptions of columns and methods, checked when they are made.

A resource of the API is one `Table` in tables/; planning, requests, checks, documentation and help are read
from it. This file must not know SQLite's callbacks, HTTP or any particular resource.

>>> Table("models", "The models.", columns=(Column("id", "TEXT", "The model's id."),),
...       methods=(Method("SELECT", "GET /models/{id}"),), object="model")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .validators import Check, SQLiteValue, flag, seconds

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "EXEC")
WHOLE = "*"  # the source of a column that is the object itself
FAILURE = "!"  # the source of a column that says why the object could not be read
PLACE = "#"  # the source of a column that is the object's place in its list, from 0
TYPES = ("TEXT", "INTEGER", "REAL", "BLOB")  # a JSON column is TEXT: a type named JSON has numeric affinity


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `values` are those that the API knows, when they are few and it refuses others. `source` is the name (or dotted
    path) in the API's JSON when it differs from `name`; columns with one source are one thing under several names.
    `check` turns the SQL value into JSON, and says what is wrong with it. A column that `steers` is given by `=` in a
    query, says how to read, and comes back as it was given; when a method does
    not require it, NULL stands for not given.
    """

    name: str
    type: str
    doc: str
    hidden: bool = False
    source: str = ""
    check: Check | None = None
    is_option: bool = False
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", self.name)
        if self.type not in TYPES:
            raise ValueError(f"column {self.name}: type {self.type!r} is none of {TYPES}")
        if not self.doc.endswith("."):
            raise ValueError(f"column {self.name}: the doc is a sentence and ends with a full stop")

    @cached_property
    def is_json(self) -> bool:
        """Whether its values are JSON text, as its sentence then says."""
        return "JSON" in self.doc


WAIT_SECONDS = Column(
    "wait_seconds",
    "REAL",
    "In a query: wait up to this many seconds until the row has finished; then return it as it stands.",
    hidden=True,
    check=seconds,
    is_option=True,
)
RAW = Column(
    "raw",
    "TEXT",
    "The whole object that the API returned, with the keys of the request: JSON.",
    hidden=True,
    source=WHOLE,
)
ERROR = Column(
    "error",
    "TEXT",
    "With errors='row', why the row has only its keys: JSON with status, code, message and request_id; null otherwise.",
    hidden=True,
    source=FAILURE,
)
REFRESH = Column(
    "refresh",
    "INTEGER",
    "In a query: 1 looks up finished objects of a ledger, too.",
    hidden=True,
    check=flag,
    is_option=True,
)


@dataclass(frozen=True)
class Method:
    """One operation of the API and the SQL that reaches it.

    A variable in the route is a column of the same name. `required` columns must be given besides them; `body`
    columns are sent in the JSON body, under their sources or `sent_as`, or in a form whose file is the field
    `multipart`. `query` maps columns to parameters of the URL that narrow a list: they are used when they are given
    by `=`. `copied_into` names, for a body column that is a list of objects, the columns that are copied into every object
    which lacks them. `only_when_set_to` binds an UPDATE by the values that are SET. `function` is the name of the SQL function
    for an EXEC. `repeatable` tells that doing it twice is doing it once; of one that is not, `verify_path` is the path of
    the list that shows whether it was done. `attached_files` is the column with the files that are attached to a vector
    store: OpenAI limits how many in a minute. A SELECT method that `gives` a column reads the bytes of that column
    alone, for a row that is known, when a statement reads it; the column `size` says how many bytes they are.

    Any other SELECT method gives one object, or `listing`: "pages" of at most `page_size` objects, in the order of the column
    `ordered_by`, or the one list "data" of a single answer.
    """

    verb: str
    route: str
    required: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    copied_into: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only_when_set_to: Mapping[str, SQLiteValue] = field(default_factory=dict)
    function: str = ""
    repeatable: bool = True
    verify_path: str = ""
    attached_files: str = ""
    multipart: str = ""
    sent_as: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    listing: str = ""
    page_size: int = 100
    ordered_by: str = ""
    gives: str = ""
    size: str = ""

    @cached_property
    def http(self) -> str:
        """The HTTP method: GET, POST or DELETE."""
        return self.route.partition(" ")[0]

    @cached_property
    def path(self) -> str:
        """The path template below the base URL, such as "/vector_stores/{vector_store_id}"."""
        return self.route.partition(" ")[2]

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The columns in the path, in the path's order."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The columns without which the method cannot be used."""
        return self.variables + self.required

    @cached_property
    def accepts(self) -> frozenset[str]:
        """Every column that may be given."""
        copied = (name for names in self.copied_into.values() for name in names)
        return frozenset((*self.needs, *self.body, *self.query, *copied))


@dataclass(frozen=True)
class Table:
    """A resource of the API as a table.

    `methods` of one verb are ordered, most specific first. `object` is the API's name of the resource, as its objects
    carry it in their member `object`. `identity` are the sources that tell two rows apart; without them it is the
    variables of the first SELECT method, or, of a list "data", the place in it. `finished` are the values of `status`
    that stay. `aliases` are further names of the whole table. Of a `remembered` table the API has no list: what is
    created in a database file keeps a ledger.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    methods: tuple[Method, ...]
    object: str
    identity: tuple[str, ...] = ()
    finished: frozenset[str] = frozenset()
    remembered: bool = False
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = set(self.by_name)
        if len(known) != len(self.columns):
            raise ValueError(f"table {self.name}: two columns have one name")
        for column in self.columns:
            if column.is_option and column.check is None:
                raise ValueError(f"table {self.name}: no check for {column.name}")
        for method in self.methods:
            if method.verb not in VERBS:
                raise ValueError(f"table {self.name}: verb {method.verb!r} is none of {VERBS}")
            unknown = (
                method.accepts
                | method.only_when_set_to.keys()
                | ({method.attached_files, method.gives, method.size} - {""})
            ) - known
            if unknown:
                raise ValueError(f"table {self.name}, {method.route}: no column {', '.join(sorted(unknown))}")
            if method.verb == "INSERT":
                unchecked = [name for name in method.accepts if self.by_name[name].check is None]
                if unchecked:
                    raise ValueError(f"table {self.name}, {method.route}: no check for {', '.join(sorted(unchecked))}")

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    def source(self, name: str) -> str:
        """The source of the column `name`."""
        return self.by_name[name].source

    def of(self, verb: str) -> tuple[Method, ...]:
        """The methods of one SQL verb, in order; without those that only give a column."""
        return self._by_verb[verb]

    @cached_property
    def _by_verb(self) -> dict[str, tuple[Method, ...]]:
        return {verb: tuple(m for m in self.methods if m.verb == verb and not m.gives) for verb in VERBS}

    @cached_property
    def downloads(self) -> dict[str, Method]:
        """The methods that give a column alone, by the column's name."""
        return {method.gives: method for method in self.methods if method.gives}

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The sources that identify one object: those of the first SELECT method, in the order of its path."""
        if self.identity:
            return self.identity
        return tuple(self.source(name) for name in self.of("SELECT")[0].variables)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The columns that say how to read and without which no row can be read; the other ones are options."""
        return frozenset(n for m in self.of("SELECT") for n in m.required if self.by_name[n].is_option)

    @cached_property
    def lookup_method(self) -> Method | None:
        """The method that reads a single object, if there is one."""
        return next((method for method in self.of("SELECT") if not method.listing), None)

    @cached_property
    def schema(self) -> str:
        """The CREATE TABLE statement that declares the table to SQLite."""
        columns = ", ".join(f"{c.name} {c.type}{' HIDDEN' if c.hidden else ''}" for c in self.columns)
        return f"CREATE TABLE {self.name}({columns})"
