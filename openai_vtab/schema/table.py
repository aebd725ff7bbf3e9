"""The description of a table: frozen columns and methods, checked when they are made.

A resource of the API is one `Table` in tables/. Plans, requests, checks and documentation are derived from it.

>>> Table("models", "The models.", columns=(Column("id", "TEXT", "The model's id."),),
...       methods=(Method("SELECT", "GET /models/{id}"),), object="model")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from functools import cached_property

from .comparison import Comparison, same
from .values import Check, SQLiteValue

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "EXEC")
TYPES = ("TEXT", "INTEGER", "REAL", "BLOB")  # a JSON column is TEXT: a type named JSON has numeric affinity


class SpecialSource(StrEnum):
    """The sources of columns whose values are not members of the API's object."""

    OBJECT = "*"  # the object itself
    ERROR = "!"  # the reason the object could not be read
    POSITION = "#"  # the object's position in its list, from 0


class Listing(Enum):
    """How a SELECT method gives a list."""

    PAGES = "pages"  # page after page, each after the last id of the page before
    SINGLE = "single"  # all in one response


@dataclass(frozen=True)
class Column:
    """A column of a table.

    doc: a sentence, whose words also say of what kind the column is: is_json, is_time, is_write_only.
    source: the name, or the dotted path, of the value in the API's JSON, when it differs from `name`. Columns with the
        same source are one value under several names.
    check: converts an SQL value to the JSON that is sent, or raises InvalidValue.
    is_option: a query gives it by `=` to say how to read; its value comes back as it was given. NULL means that it is
        not given, except where a method requires it.
    values: the values that the API accepts, when they are few and it refuses others.
    same: whether a value that was sent and the one in the response to the write are the same.
    shown_by: another member of that response, which is null unless the value was taken; "" if the response shows the
        value itself.
    """

    name: str
    type: str
    doc: str
    hidden: bool = False
    source: str = ""
    check: Check | None = None
    is_option: bool = False
    values: tuple[str, ...] = ()
    same: Comparison = same
    shown_by: str = ""

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", self.name)
        if self.type not in TYPES:
            raise ValueError(f"column {self.name}: the type is {self.type!r}; write one of {', '.join(TYPES)}")
        if not self.doc.endswith("."):
            raise ValueError(f"column {self.name}: the doc is {self.doc!r}; write a sentence with a full stop")

    @cached_property
    def is_json(self) -> bool:
        """Whether its values are JSON text: its sentence has the word JSON."""
        return "JSON" in self.doc

    @cached_property
    def is_time(self) -> bool:
        """Whether its values are times: its sentence has the words Unix seconds."""
        return "Unix seconds" in self.doc

    @cached_property
    def is_write_only(self) -> bool:
        """Whether only an INSERT gives it, and the API does not return it: its sentence begins with To create, …"""
        return self.doc.startswith(("To create", "To upload"))

    def alias(self, name: str) -> Column:
        """The same column under another name, hidden."""
        return replace(self, name=name, doc=f"The same as {self.name}.", hidden=True)


@dataclass(frozen=True, eq=False)
class Method:
    """One operation of the API, and the SQL that calls it.

    verb: the SQL verb; EXEC stands for an SQL function.
    route: the HTTP method and the path, such as "GET /files/{file_id}". A variable is a column of the same name.
    required: the columns that must be given besides the variables; they are sent in the body.
    body: the columns that are sent in the body when they are given.
    sent_as: the names that columns have in the body, when they are not their sources.
    multipart: the field of the file, when the body is a multipart form instead of JSON.
    query: for a list, the columns that narrow it when they are given by `=`, and their parameters in the URL.
    copied_into: for a column of `body` that is a list of objects, the columns that are copied into each object that
        lacks them.
    only_when_set_to: the values that an UPDATE must SET to use this method.
    function: the name of the SQL function of an EXEC.
    listed_at: for an INSERT, the path of the list that shows what was created, when it is not the INSERT's own path.
    attached_files: the column with the files that are attached to a vector store; OpenAI limits their rate.
    counts_later: while its object is in progress, the response may count fewer files than were attached.
    listing: how a SELECT gives a list; None when it reads one object.
    page_size: the most objects that a page of the list has.
    ordered_by: the column by which the list is ordered.
    gives: for a download, the column that it reads, for a row that is already known.
    size: for a download, the column with the number of bytes.
    """

    verb: str
    route: str
    required: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    copied_into: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only_when_set_to: Mapping[str, SQLiteValue] = field(default_factory=dict)
    function: str = ""
    listed_at: str = ""
    attached_files: str = ""
    counts_later: bool = False
    multipart: str = ""
    sent_as: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    listing: Listing | None = None
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
    def idempotent(self) -> bool:
        """Whether sending the request twice has the same effect as sending it once; an INSERT creates two objects."""
        return self.verb != "INSERT"

    @cached_property
    def verify_path(self) -> str:
        """The path template of the list that shows whether an INSERT was carried out; "" for other verbs."""
        return "" if self.idempotent else self.listed_at or self.path

    @cached_property
    def sent(self) -> tuple[str, ...]:
        """The columns that are sent in the body."""
        return self.required + self.body

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The columns that must be given."""
        return self.variables + self.required

    @cached_property
    def accepts(self) -> frozenset[str]:
        """The columns that may be given."""
        copied = (name for names in self.copied_into.values() for name in names)
        return frozenset((*self.needs, *self.body, *self.query, *copied))


@dataclass(frozen=True, eq=False)
class Table:
    """A resource of the API as a table.

    methods: those of one verb are ordered, most specific first.
    object: the API's name of the resource, as in the member `object` of its objects.
    identity: the sources that distinguish rows, when they are not the variables of the first SELECT method.
    finished: the values of `status` that do not change any more.
    remembered: the API has no list of these objects; a table that is created in a database file keeps a ledger.
    aliases: further names of the table, in the form of StackQL's: provider.service.resource.
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
            raise ValueError(f"table {self.name}: two columns have the same name")
        for column in self.columns:
            if column.is_option and column.check is None:
                raise ValueError(f"table {self.name}: no check for {column.name}")
        for method in self.methods:
            if method.verb not in VERBS:
                raise ValueError(f"table {self.name}: the verb is {method.verb!r}; write one of {', '.join(VERBS)}")
            named = {method.attached_files, method.gives, method.size} - {""}
            unknown = (method.accepts | method.only_when_set_to.keys() | named) - known
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

    @cached_property
    def sources(self) -> dict[str, str]:
        """The columns' sources by the columns' names."""
        return {column.name: column.source for column in self.columns}

    @cached_property
    def write_only(self) -> dict[int, str]:
        """The names of the columns that only an INSERT gives, by their numbers."""
        return {number: column.name for number, column in enumerate(self.columns) if column.is_write_only}

    @cached_property
    def numbers(self) -> dict[int, Column]:
        """The columns that hold numbers, by their own numbers. An option checks its value itself."""
        return {
            number: column
            for number, column in enumerate(self.columns)
            if column.type in ("INTEGER", "REAL") and not column.is_option
        }

    @cached_property
    def number_names(self) -> frozenset[str]:
        """The names of these columns."""
        return frozenset(column.name for column in self.numbers.values())

    def of(self, verb: str) -> tuple[Method, ...]:
        """The methods of one SQL verb, in order, without downloads."""
        return self._by_verb[verb]

    @cached_property
    def _by_verb(self) -> dict[str, tuple[Method, ...]]:
        return {verb: tuple(m for m in self.methods if m.verb == verb and not m.gives) for verb in VERBS}

    @cached_property
    def downloads(self) -> dict[str, Method]:
        """The methods that read one column, by the column's name."""
        return {method.gives: method for method in self.methods if method.gives}

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The sources that identify one object: those of the first SELECT method, in the order of its path."""
        if self.identity:
            return self.identity
        return tuple(self.sources[name] for name in self.of("SELECT")[0].variables)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The options that a SELECT method requires."""
        return frozenset(n for m in self.of("SELECT") for n in m.required if self.by_name[n].is_option)

    @cached_property
    def lookup_method(self) -> Method | None:
        """The method that reads one object, None when the API has none."""
        return next((method for method in self.of("SELECT") if not method.listing), None)

    @cached_property
    def schema(self) -> str:
        """The CREATE TABLE statement that declares the table to SQLite."""
        columns = ", ".join(f"{c.name} {c.type}{' HIDDEN' if c.hidden else ''}" for c in self.columns)
        return f"CREATE TABLE {self.name}({columns})"
