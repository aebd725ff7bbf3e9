"""The SQLAlchemy dialect sqlite+openai_vtab: SQLAlchemy's own for SQLite, on openai_vtab.dbapi.

    engine = create_engine("sqlite+openai_vtab:///my.db?max_concurrency=32")

docs/sqlalchemy.md has more. It must not know any table.

https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import exc, util
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from . import dbapi

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIModule

# What a URL's query may set; the keywords of dbapi.connect that are no text are read as their type.
QUERY: dict[str, Callable[[str], object]] = {
    "base_url": str,
    "organization": str,
    "project": str,
    "request_timeout": float,
    "max_concurrency": int,
    "max_retries": int,
    "rate_limit_wait": float,
    "attach_requests_per_minute": int,
    "attach_files_per_minute": int,
    "max_files_per_batch": int,
    "max_answer_bytes": int,
    "max_rows": int,
    "openai_beta": str,
    "ca_bundle": str,
    "allow_http": util.asbool,
    "read_ahead": util.asbool,
    "upload_root": str,
    "dry_run": util.asbool,
    "read_only": util.asbool,
    "errors": str,
}


class OpenAIVTabDialect(SQLiteDialect_pysqlite):
    """SQLite's dialect, with the tables in every connection and their settings in the URL."""

    driver = "openai_vtab"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> DBAPIModule:
        """Our module where SQLAlchemy's dialect has sqlite3."""
        return cast("DBAPIModule", dbapi)

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of dbapi.connect that a URL stands for."""
        if "api_key" in url.query:
            raise exc.ArgumentError(
                "api_key does not belong in the URL, which is logged and shown in error messages; set OPENAI_API_KEY, "
                "or write create_engine(url, connect_args={'api_key': …})"
            )
        options = {name: _read(name, read, url.query[name]) for name, read in QUERY.items() if name in url.query}
        arguments, keywords = super().create_connect_args(url.difference_update_query(QUERY))
        return arguments, {**keywords, **options}

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit. When that fails the transaction is over here, because SQLAlchemy cannot repeat the commit.

        Raises WriteError when the API had carried out some of it. SQLAlchemy itself rolls back only when the pool takes
        the connection back, and logs what that raises.
        """
        try:
            dbapi_connection.commit()
        except Exception:
            dbapi_connection.rollback()
            raise

    def _get_table_sql(self, connection: Connection, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """The CREATE statement of a table; our tables, which are simply there, have none, like SQLite's own."""
        try:
            return super()._get_table_sql(connection, table_name, schema=schema, **more)
        except exc.NoSuchTableError:
            if not self._get_table_pragma(connection, "table_xinfo", table_name, schema=schema):
                raise
            return None


def _read(name: str, read: Callable[[str], object], text: str | tuple[str, ...]) -> object:
    """A setting's value in a URL."""
    if isinstance(text, tuple):
        raise exc.ArgumentError(f"{name} is in the URL more than once")
    try:
        return read(text)
    except ValueError as error:
        raise exc.ArgumentError(f"{name} in the URL: {error}") from None


dialect = OpenAIVTabDialect
