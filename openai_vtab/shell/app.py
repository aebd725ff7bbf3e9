"""The openai-vtab command: its options, the databases it opens, its errors and its exit status.

>>> main(["--sandbox", ":memory:", "SELECT id FROM vector_stores"])
vs_archive
vs_demo
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apsw

from .._version import __version__
from ..advice import advised
from ..connection import register_tables
from ..errors import ConfigurationError, Error
from ..settings import Settings
from ..sync.database import use_wal_in_a_new_file
from . import sync_command
from .commands import CommandShell
from .created_objects import CreatedObjects
from .local_sandbox import start_sandbox
from .options import help_text, named_options, parse_options
from .progress_bar import ProgressBar
from .request_costs import last_number, summary_since

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_KEY = (
    "Set OPENAI_API_KEY and start the shell again.\n"
    "Without a key, openai-vtab --sandbox has demo data, and\n"
    "openai-vtab --dry-run shows what would be sent.\n"
)
TRY_THE_SANDBOX = (
    "Connected to the sandbox, which forgets at the end; try:\n"
    "  CREATE VIRTUAL TABLE demo USING\n"
    "  vector_store_documents(vector_store_id = 'vs_demo');\n"
    "  SELECT filename, passage FROM demo('refund policy');\n"
)


class Shell(CommandShell):
    """The openai-vtab shell. `settings` are those of connect() for the databases that it opens.

    Unlike in connect(), `upload_root` is the current directory unless it is given.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, **more: Any) -> None:
        self.settings = {"upload_root": _current_folder(), **(settings or {})}
        self.failed = False  # whether any statement or command has failed
        self.sandboxed = False
        self.bar: ProgressBar | None = None
        self._resources = ExitStack()
        self._created = CreatedObjects()
        super().__init__(**more)
        if self.stderr.isatty():
            self.bar = ProgressBar(self.stderr)

    def open_with_tables(self, connection: apsw.Connection) -> None:
        """Register the tables on a new connection. APSW calls this hook for every database that is opened."""
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        settings = Settings(**{**self.settings, "progress": self.bar}).with_environment()
        register_tables(connection, settings, on_created=self._created.add)
        name = str(self.dbfilename or "")
        # .backup and .import open other files, too, whose journal mode is not the shell's business.
        if name and Path(connection.filename) == Path(name).resolve():
            use_wal_in_a_new_file(connection)

    def write(self, dest: Any, text: str) -> None:
        """Write the text in the place of the progress bar."""
        if self.bar is not None:
            self.bar.hide()
        super().write(dest, text)

    def process_sql(self, sql: str, bindings: Any = None, internal: bool = False, summary: Any = None) -> None:
        """Run SQL, and tell a user at the prompt what it has created.

        With .timer on, run it statement by statement and write how many requests each took.
        """
        timed = self.timer and not internal
        while sql.strip():
            statement, sql = self._first_statement(sql, bindings) if timed else (sql, "")
            before = last_number(self.db) if timed else 0
            try:
                super().process_sql(statement, bindings, internal, summary)
            except UnicodeError as error:
                raise self.Error(_encoding_problem(error)) from None
            finally:
                if self.bar is not None:
                    self.bar.close()
                notes = self._created.take()
                if self.interactive and not internal:
                    self.write(self.stderr, "".join(f"* {note}\n" for note in notes))
                if timed:
                    requests = summary_since(self.db, before, dry_run=self.settings.get("dry_run", False))
                    self.write(self.stderr, f"* {requests}\n")

    def _first_statement(self, sql: str, bindings: Any) -> tuple[str, str]:
        """The first statement and the rest, as APSW divides them; all of the text if it cannot."""
        details = self._query_details(sql, self.bindings if bindings is None else bindings)
        return (sql, "") if details.error_text else (details.query or "", details.remaining or "")

    def _query_details(self, sql: str, bindings: Any) -> Any:
        """APSW's details of the next statement. The text of an error also says what to write instead."""
        details = super()._query_details(sql, bindings)
        if isinstance(details.exception, apsw.SQLError):
            details = replace(details, error_text=advised(self.db, details.exception, sql))
        return details

    def process_args(self, args: list[str] | None) -> tuple[str | None, list[str], list[str]]:
        """Act on the options, open the database and run the commands. Returns what APSW's shell returns.

        Our options are taken out before APSW sees them: while NO_COLOR is set, APSW takes every unknown option for
        -nocolour and ignores it.
        """
        options = parse_options(args or ())
        if options.version:
            self.write(self.stdout, _versions())
            sys.exit(0)
        if options.quiet:
            self.bar = None
        if options.sandbox:
            self.settings |= start_sandbox(self._resources)
            self.sandboxed = True
        self.settings |= options.settings
        if root := self.settings["upload_root"]:
            self.settings["upload_root"] = self._folder(root)  # .cd does not change it
        no_colour = os.environ.pop("NO_COLOR", None)
        try:
            result: tuple[str | None, list[str], list[str]] = super().process_args(
                options.rest if no_colour is None else ["-nocolour", *options.rest]
            )
        finally:
            if no_colour is not None:
                os.environ["NO_COLOR"] = no_colour
        return result

    def usage(self) -> str:
        """APSW's usage, with our options before its own."""
        usage: str = super().usage()
        first, _, apsw_options = usage.partition("OPTIONS include:")
        first = first.replace("python3 -m apsw", "openai-vtab").replace("apsw [", "openai-vtab [")
        return f"{first.strip()}\n{help_text()}\nOPTIONS of the APSW shell:{apsw_options}"

    def cmdloop(self, intro: str | None = None, transient: str | None = None) -> None:
        """Run commands until the end of the input."""
        if intro is None:
            intro = f'{_versions()}Enter ".help" for instructions\n'
            if self.sandboxed:
                intro += TRY_THE_SANDBOX
            if self.settings.get("dry_run"):
                intro += "Dry run: requests are shown, not sent.\n"
            if self.settings.get("read_only"):
                intro += "Read-only: changes at the API are refused.\n"
        super().cmdloop(intro, transient)

    def handle_exception(self) -> None:
        """Write the error, and remember that there was one."""
        self.failed = True
        error = sys.exc_info()[1]
        was_written = _was_written(error)
        super().handle_exception()
        if not was_written:
            self._advise(error)

    def report(self, error: Exception) -> None:
        """Write an error that ends the shell, and remember that there was one."""
        if not _was_written(error):
            is_expected = isinstance(error, (apsw.Error, self.Error, Error, OSError))
            self.write(self.stderr, f"{error}\n" if is_expected else f"{type(error).__name__}: {error}\n")
            self._advise(error)
        self.failed = True

    def close(self) -> None:
        """Close the database and the sandbox."""
        database = cast("apsw.Connection | None", self._db)
        if database is not None:
            database.close(True)
        self._resources.close()

    def _advise(self, error: BaseException | None) -> None:
        """Write what to do about an error, where the shell knows it."""
        if isinstance(error, ConfigurationError) and "no API key" in str(error):
            self.write(self.stderr, NO_KEY)
        if isinstance(error, Error) and (options := named_options(str(error))):
            self.write(self.stderr, f"({options})\n")

    def _folder(self, upload_root: str) -> str:
        """The absolute path of --upload-root. Raises Shell.Error if there is no such folder."""
        if not Path(upload_root).is_dir():
            raise self.Error(
                f"--upload-root is {upload_root!r}, which is not a folder; give a folder that exists, or '' for none"
            )
        return str(Path(upload_root).absolute())


def _current_folder() -> str | None:
    """The current directory, None if it has been deleted."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


def _versions() -> str:
    return f"openai-vtab {__version__}, SQLite {apsw.sqlite_lib_version()}, APSW {apsw.apsw_version()}\n"


def _was_written(error: BaseException | None) -> bool:
    """Whether APSW's shell has already written the error, which it marks."""
    return bool(getattr(error, "_handle_exception_saw_this", False))


def _encoding_problem(error: UnicodeError) -> str:
    """What to write instead of a statement whose text cannot be decoded, or encoded for the output."""
    if isinstance(error, UnicodeEncodeError):
        lacking = error.object[error.start : error.start + 1]
        return f"The output's encoding, {error.encoding}, has no {lacking!a}: set PYTHONIOENCODING=utf-8"
    return "A value is text that is not UTF-8; for bytes, leave out CAST(… AS TEXT), or write hex(…)"


def main(args: Sequence[str] | None = None) -> None:
    """Run the shell with the command line's arguments. Exits with status 1 if a statement or command failed.

    With `sync` as the first argument, sync a folder instead, and exit with the status of sync_options.EPILOGUE.
    """
    given = list(sys.argv[1:] if args is None else args)
    if given[:1] == ["sync"]:
        sys.exit(sync_command.run(given[1:]))
    shell = Shell()
    apsw.connection_hooks.append(shell.open_with_tables)
    try:
        try:
            _, _, commands = shell.process_args(given)
            if not commands:
                shell.cmdloop()
        except Exception as error:
            shell.report(error)
        except KeyboardInterrupt:
            sys.exit(130)
    finally:
        apsw.connection_hooks.remove(shell.open_with_tables)
        shell.close()
    if shell.failed and not shell.interactive:
        sys.exit(1)
