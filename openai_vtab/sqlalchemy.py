"""The SQLAlchemy dialect sqlite+openai_vtab: SQLAlchemy's own dialect for SQLite, on openai_vtab.dbapi.

    engine = create_engine("sqlite+openai_vtab:///my.db?max_concurrency=32")

docs/guides/other-tools.md is its manual.

https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Table, exc
from sqlalchemy.dialects.sqlite.base import SQLiteDDLCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from . import dbapi
from .documents import MODULE
from .documents.shadow import SUFFIXES
from .ledger.shadow_table import SUFFIX
from .settings import Setting, Settings, described, instead
from .sqlite.sql_text import module_of
from .tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIModule
    from sqlalchemy.schema import CreateTable, DropTable

# The keywords of dbapi.connect that a URL can set: those of sqlite3, and the settings.
PYSQLITE = ("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements", "uri")
URL_SETTINGS = {found.url_name: found for found in described(Settings).values() if found.url_name}

API_TABLES = {table.name for table in TABLES}


class OpenAIVTabDDLCompiler(SQLiteDDLCompiler):
    """Statements that create and drop tables, and leave the API's alone. Table(…, schema="main") is another table."""

    def visit_create_table(self, create: CreateTable, **more: Any) -> str:
        """Refuse to create a table that would hide one of the API's. create_all() does not get here: it exists."""
        if _is_the_apis(create.element):
            raise exc.CompileError(
                f"{create.element.name} is the API's table, which exists without CREATE TABLE, and an ordinary table "
                "of that name would hide it; write Table(…, schema='main') if you mean one"
            )
        return cast(str, super().visit_create_table(create, **more))

    def visit_drop_table(self, drop: DropTable, **more: Any) -> str:
        """Let drop_all() and drop() pass over a table of the API's, which cannot be dropped."""
        text = cast(str, super().visit_drop_table(drop, **more))
        is_plain = _is_the_apis(drop.element) and not drop.if_exists
        return text.replace("DROP TABLE", "DROP TABLE IF EXISTS", 1) if is_plain else text


class OpenAIVTabDialect(SQLiteDialect_pysqlite):
    """SQLite's dialect on connections with the tables; a URL can hold their settings."""

    driver = "openai_vtab"
    supports_statement_cache = True
    ddl_compiler = OpenAIVTabDDLCompiler

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        """Return openai_vtab.dbapi, which replaces sqlite3."""
        return cast("DBAPIModule", dbapi)

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Convert a URL to the arguments of dbapi.connect."""
        if "api_key" in url.query:
            raise exc.ArgumentError(
                "api_key does not belong in the URL, which is logged and shown in error messages; set OPENAI_API_KEY, "
                "or write create_engine(url, connect_args={'api_key': …})"
            )
        _refuse_unknown(url)
        options = {name: _parse(found, url.query[name]) for name, found in URL_SETTINGS.items() if name in url.query}
        arguments, keywords = super().create_connect_args(url.difference_update_query(URL_SETTINGS))
        return arguments, {**keywords, **options}

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, and roll back if that fails, because SQLAlchemy cannot repeat a commit.

        SQLAlchemy itself rolls back when its pool takes the connection back, and only logs what that raises. Raises
        WriteError if the API has carried out a part of the transaction.
        """
        try:
            dbapi_connection.commit()
        except Exception:
            dbapi_connection.rollback()
            raise

    def has_table(self, connection: Connection, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """Return whether there is such a table or view. The API's exist, but in no schema that is named."""
        found = super().has_table(connection, table_name, schema, **more)
        if not found or schema is None or table_name.lower() not in API_TABLES:
            return found
        names = [row[1] for row in connection.exec_driver_sql("PRAGMA database_list")]
        return schema in names and table_name.lower() not in _Tables(connection, schema).apis

    def get_table_names(
        self, connection: Connection, schema: str | None = None, sqlite_include_internal: bool = False, **more: Any
    ) -> Any:
        """Return the ordinary tables: neither ledgers and documents tables, nor their shadow tables.

        So what creates, compares, copies or drops all tables leaves them alone.
        """
        found = super().get_table_names(connection, schema, sqlite_include_internal, **more)
        ours = _Tables(connection, schema)
        return [name for name in found if name not in ours.virtual and name not in ours.shadows]

    def get_view_names(
        self, connection: Connection, schema: str | None = None, sqlite_include_internal: bool = False, **more: Any
    ) -> Any:
        """Return the views, and what is read like one: the API's tables, ledgers and documents tables."""
        found = super().get_view_names(connection, schema, sqlite_include_internal, **more)
        ours = _Tables(connection, schema)
        return sorted({*found, *ours.virtual, *(ours.apis if schema is None else ())})

    def get_view_definition(
        self, connection: Connection, view_name: str, schema: str | None = None, **more: Any
    ) -> Any:
        """Return the CREATE statement of a view, ledger or documents table; "" for a table of the API's."""
        ours = _Tables(connection, schema)
        if schema is None and view_name in ours.apis:
            return ""
        return ours.virtual.get(view_name) or super().get_view_definition(connection, view_name, schema, **more)

    def _get_table_sql(self, connection: Connection, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """Return the CREATE statement of a table; None for the API's tables, which exist without one."""
        try:
            return super()._get_table_sql(connection, table_name, schema=schema, **more)
        except exc.NoSuchTableError:
            if not self._get_table_pragma(connection, "table_xinfo", table_name, schema=schema):
                raise
            return None


def include_object(connection: Connection) -> Callable[..., bool]:
    """Return the function that keeps Alembic's autogenerate from the tables of this package.

    In env.py: context.configure(connection=connection, …, include_object=include_object(connection)). Otherwise a class
    that is mapped to one of them would become op.create_table(). Tables are looked up at the first call, within
    Alembic's transaction.
    """
    looked_up: list[_Tables] = []

    def include(item: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
        if type_ != "table" or item.schema not in (None, "main"):
            return True
        if not looked_up:
            looked_up.append(_Tables(connection, None))
        (ours,) = looked_up
        return name not in {*ours.virtual, *ours.shadows, *(ours.apis if item.schema is None else ())}

    return include


class _Tables:
    """The package's tables in a database.

    virtual: its ledgers and documents tables, and their CREATE statements.
    shadows: their shadow tables.
    apis: the API's tables that no table or view of the database hides.
    """

    def __init__(self, connection: Connection, schema: str | None) -> None:
        quoted = connection.dialect.identifier_preparer.quote_identifier(schema or "main")
        query = f"SELECT name, sql FROM {quoted}.sqlite_master WHERE type IN ('table', 'view')"
        found = {str(name): str(sql) for name, sql in connection.exec_driver_sql(query)}
        suffixes = {MODULE: SUFFIXES} | {name: frozenset({SUFFIX}) for name in API_TABLES}
        modules = {name: module_of(sql) for name, sql in found.items()}
        self.virtual = {name: found[name] for name, module in modules.items() if module in suffixes}
        self.shadows = {f"{name}_{suffix}" for name in self.virtual for suffix in suffixes[modules[name]]}
        self.apis = API_TABLES - {name.lower() for name in found}


def _is_the_apis(table: object) -> bool:
    return isinstance(table, Table) and table.schema is None and table.name.lower() in API_TABLES


def _refuse_unknown(url: URL) -> None:
    """Raise ArgumentError for a parameter that is no setting.

    With uri=true, SQLite may take a parameter, unless its name is like one of a setting.

    https://www.sqlite.org/uri.html
    """
    known = (*URL_SETTINGS, *PYSQLITE)
    for name in url.query:
        advice = instead(name, known)
        if name not in known and ("uri" not in url.query or advice.startswith("did you mean")):
            raise exc.ArgumentError(f"the URL has the parameter {name}, which is no setting; {advice}")


def _parse(setting: Setting, text: str | tuple[str, ...]) -> object:
    """Parse the value of a setting in a URL."""
    if isinstance(text, tuple):
        raise exc.ArgumentError(f"{setting.url_name} is in the URL {len(text)} times; write it once")
    try:
        return setting.kind.parse(text)
    except ValueError:
        problem = f"{setting.url_name} in the URL is {text!r}; write {setting.kind.in_url}"
        raise exc.ArgumentError(problem) from None


dialect = OpenAIVTabDialect
