"""The SQLAlchemy dialect sqlite+openai_vtab: SQLAlchemy's own dialect for SQLite, on openai_vtab.dbapi.

    engine = create_engine("sqlite+openai_vtab:///my.db?max_concurrency=32")

docs/guides/other-tools.md is its manual.

https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import exc
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from . import dbapi
from .settings import Setting, Settings, described, instead

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIModule

# The keywords of dbapi.connect that a URL can set: those of sqlite3, and the settings.
PYSQLITE = ("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements", "uri")
URL_SETTINGS = {found.url_name: found for found in described(Settings).values() if found.url_name}


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

    def _get_table_sql(self, connection: Connection, table_name: str, schema: str | None = None, **more: Any) -> Any:
        """Return the CREATE statement of a table; None for the API's tables, which exist without one."""
        try:
            return super()._get_table_sql(connection, table_name, schema=schema, **more)
        except exc.NoSuchTableError:
            if not self._get_table_pragma(connection, "table_xinfo", table_name, schema=schema):
                raise
            return None


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
