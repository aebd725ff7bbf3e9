"""The SQLAlchemy dialect sqlite+openai_vtab: SQLAlchemy's own dialect for SQLite, on openai_vtab.dbapi.

    engine = create_engine("sqlite+openai_vtab:///my.db?max_concurrency=32")

docs/sqlalchemy.md is its manual.

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

# The keywords of dbapi.connect that a URL can set, and the functions that parse their values.
URL_SETTINGS: dict[str, Callable[[str], object]] = {
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

EXPECTED = {int: "a whole number", float: "a number", util.asbool: "true or false"}


class OpenAIVTabDialect(SQLiteDialect_pysqlite):
    """SQLite's dialect on connections with the tables; a URL can hold their settings."""

    driver = "openai_vtab"
    supports_statement_cache = True

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
        given = {name: parse for name, parse in URL_SETTINGS.items() if name in url.query}
        options = {name: _parse(name, parse, url.query[name]) for name, parse in given.items()}
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

    def _get_table_sql(self, connection: Connection, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """Return the CREATE statement of a table; None for the API's tables, which exist without one."""
        try:
            return super()._get_table_sql(connection, table_name, schema=schema, **more)
        except exc.NoSuchTableError:
            if not self._get_table_pragma(connection, "table_xinfo", table_name, schema=schema):
                raise
            return None


def _parse(name: str, parse: Callable[[str], object], text: str | tuple[str, ...]) -> object:
    """Parse the value of a setting in a URL."""
    if isinstance(text, tuple):
        raise exc.ArgumentError(f"{name} is in the URL {len(text)} times; write it once")
    try:
        return parse(text)
    except ValueError:
        raise exc.ArgumentError(f"{name} in the URL is {text!r}; write {EXPECTED[parse]}") from None


dialect = OpenAIVTabDialect
