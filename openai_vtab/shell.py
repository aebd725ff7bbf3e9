"""The openai-vtab command: APSW's SQLite shell with the tables registered on every database it opens.

https://rogerbinns.github.io/apsw/shell.html - all its commands, options and output modes stay.
It must not know tables or HTTP.

    openai-vtab --sandbox                       no key, no network: a stand-in for the API with demo data
    openai-vtab my.db "SELECT …" ".mode json"   one command after another, then the end
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apsw

from ._version import __version__
from .bars import ProgressBar
from .commands import Commands
from .connection import register
from .errors import ConfigurationError, Error

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS = """
OPTIONS of openai-vtab:

   --sandbox            a stand-in for OpenAI's API in this process, with demo
                        data: no key, no network, no cost
   --base-url URL       where the API is; without it OPENAI_BASE_URL, or
                        https://api.openai.com/v1
   --dry-run            send nothing; show each request that would leave: method,
                        path and body
   --read-only          refuse whatever would change something at the API
   --errors-as-rows     what the API did not give is a row with its keys, and the
                        reason in the column error
   --upload-root DIR    the folder whose files INSERT INTO files (path, purpose)
                        may read; without it none
   --quiet              no progress bar
   --version            show the versions
   --help               show this

The API key comes from the environment: OPENAI_API_KEY. OPENAI_ORG_ID and
OPENAI_PROJECT_ID are used when they are set.
"""

# our options that are a setting each
FLAGS = {"dry-run": ("dry_run", True), "read-only": ("read_only", True), "errors-as-rows": ("errors", "row")}
VALUES = {"base-url": "base_url", "upload-root": "upload_root"}
WITH_A_VALUE = ("init", "separator", "nullvalue", "encoding")  # APSW's options that take the next argument


NO_KEY = (
    "Start the shell again with OPENAI_API_KEY=… before it.\n"
    "Without a key, openai-vtab --sandbox has demo data, and\n"
    "openai-vtab --dry-run shows what would be sent.\n"
)


class Shell(Commands):
    """APSW's shell with the tables, options and commands of its own, and an exit status."""

    def __init__(self, **streams: Any) -> None:
        self.settings: dict[str, Any] = {}
        self.failed = False
        self.sandboxed = False
        self.resources = ExitStack()
        self.bar: ProgressBar | None = None
        super().__init__(**streams)
        if self.stderr.isatty():  # never into a pipe
            self.bar = ProgressBar(self.stderr)

    def open_with_tables(self, connection: apsw.Connection) -> None:
        """A connection hook: whatever opens a database, the tables are there."""
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        register(connection, **{**self.settings, "progress": self.bar})
        name = str(self.dbfilename or "")
        if name and Path(connection.filename) == Path(name).resolve():  # not what .backup and .import open besides
            _use_wal_in_a_new_file(connection)

    def write(self, dest: Any, text: str) -> None:
        """Write, where no bar is."""
        if self.bar is not None:
            self.bar.hide()
        super().write(dest, text)

    def process_sql(self, sql: str, bindings: Any = None, internal: bool = False, summary: Any = None) -> None:
        """Run SQL; with .timer on, statement by statement, to say how many requests each took."""
        timed = self.timer and not internal
        while sql.strip():
            statement, sql = self._first_statement(sql, bindings) if timed else (sql, "")
            before = self._sent() if timed else 0
            try:
                super().process_sql(statement, bindings, internal, summary)
            except UnicodeError as error:
                raise self.Error(_about_encoding(error)) from None
            finally:
                if self.bar is not None:
                    self.bar.close()
                if timed:
                    self.write(self.stderr, f"* {self._sent_since(before)}\n")

    def _first_statement(self, sql: str, bindings: Any) -> tuple[str, str]:
        """The first statement and what follows it, as APSW divides them; where it cannot, all of it."""
        details = self._query_details(sql, self.bindings if bindings is None else bindings)
        return (sql, "") if details.error_text else (details.query or "", details.remaining or "")

    def _sent(self) -> int:
        return int(self.db.execute("SELECT coalesce(max(number), 0) FROM openai_requests").get)

    def _sent_since(self, number: int) -> str:
        """How many requests, and which of them were not simply asked for and answered."""
        sql = "SELECT sum(predicted), sum(retries) FROM openai_requests WHERE number > ?"
        predicted, again = self.db.execute(sql, (number,)).fetchall()[0]
        count = self._sent() - number
        notes = [f"{n} {what}" for n, what in ((predicted, "asked for ahead"), (again, "repetitions")) if n]
        notes += ["not sent"] if count and self.settings.get("dry_run") else []
        return f"{count} request{'' if count == 1 else 's'}" + (f" ({', '.join(notes)})" if notes else "")

    def process_args(self, args: list[str] | None) -> tuple[str | None, list[str], list[str]]:
        """Options, the database, and SQL. Our options may stand anywhere before the database.

        They are taken out before APSW looks: while NO_COLOR is set, it takes any option it does not know for
        that wish, and would go on without it.
        """
        rest = self._own_options(list(args or ()))
        no_colour = os.environ.pop("NO_COLOR", None)
        try:
            answer: tuple[str | None, list[str], list[str]] = super().process_args(
                ["-nocolour", *rest] if no_colour is not None else rest
            )
        finally:
            if no_colour is not None:
                os.environ["NO_COLOR"] = no_colour
        return answer

    def _own_options(self, args: list[str]) -> list[str]:
        """Carry out our own options; what is left is APSW's."""
        rest: list[str] = []
        while args and args[0].startswith("-"):
            option = args.pop(0)
            name = option.lstrip("-")
            if name == "version":
                self.write(self.stdout, self._versions())
                sys.exit(0)
            elif name == "sandbox":
                self._start_sandbox()
            elif name == "quiet":
                self.bar = None
            elif name in FLAGS:
                setting, value = FLAGS[name]
                self.settings[setting] = value
            elif name in VALUES:
                if not args:
                    raise self.Error(f"You need to specify a value after --{name}")
                self.settings[VALUES[name]] = args.pop(0)
            else:
                rest.append(option)
                if name in WITH_A_VALUE and args:
                    rest.append(args.pop(0))
        return rest + args

    def usage(self) -> str:
        """APSW's own usage with our options before it."""
        usage: str = super().usage()
        first, _, apsw_options = usage.partition("OPTIONS include:")
        first = first.replace("python3 -m apsw", "openai-vtab").replace("apsw [", "openai-vtab [")
        return f"{first.strip()}\n{OPTIONS}\nOPTIONS of the APSW shell:{apsw_options}"

    def cmdloop(self, intro: str | None = None, transient: str | None = None) -> None:
        """Read commands until the end of the input."""
        if intro is None:
            intro = f'{self._versions()}Enter ".help" for instructions\n'
            if self.sandboxed:
                intro += (
                    "Connected to the sandbox; try:\n"
                    "  SELECT status, file_counts FROM vector_store_file_batches\n"
                    "  WHERE vector_store_id = 'vs_demo'\n"
                    "  AND batch_id = 'vsfb_demo_failures';\n"
                )
            if self.settings.get("dry_run"):
                intro += "Dry run: no request leaves, each is shown.\n"
            if self.settings.get("read_only"):
                intro += "Read only: nothing is changed at the API.\n"
        super().cmdloop(intro, transient)

    def handle_exception(self) -> None:
        """Print the error, and remember that there was one."""
        self.failed = True
        error = sys.exc_info()[1]
        said = getattr(error, "_handle_exception_saw_this", False)  # APSW's mark for: printed
        super().handle_exception()
        if not said:
            self.advise(error)

    def advise(self, error: BaseException | None) -> None:
        """What to do about an error, where the shell knows it."""
        if isinstance(error, ConfigurationError) and "no API key" in str(error):
            self.write(self.stderr, NO_KEY)

    def close(self) -> None:
        """Close the database and the sandbox."""
        database = cast("apsw.Connection | None", self._db)
        if database is not None:
            database.close(True)
        self.resources.close()

    def _start_sandbox(self) -> None:
        try:
            from .sandbox import run
        except ImportError as error:
            raise self.Error(f"--sandbox needs {error.name}: pip install 'openai-vtab[sandbox]'") from None
        started = self.resources.enter_context(run())
        self.sandboxed = True
        self.settings["base_url"] = started.base_url
        self.settings["api_key"] = started.api_key
        self.settings["attach_requests_per_minute"] = self.settings["attach_files_per_minute"] = 0  # it has no limits

    def _versions(self) -> str:
        return f"openai-vtab {__version__}, SQLite {apsw.sqlite_lib_version()}, APSW {apsw.apsw_version()}\n"


def _about_encoding(error: UnicodeError) -> str:
    """What to write instead of a statement whose text cannot be decoded, or encoded for the output."""
    if isinstance(error, UnicodeEncodeError):
        lacking = error.object[error.start : error.start + 1]
        return f"The output's encoding, {error.encoding}, has no {lacking!a}: set PYTHONIOENCODING=utf-8"
    return "A value is text that is not UTF-8; for bytes, leave out CAST(… AS TEXT), or write hex(…)"


def _use_wal_in_a_new_file(connection: apsw.Connection) -> None:
    """In WAL mode no reader keeps SQLite from committing what the API has carried out already."""
    file = Path(connection.filename)
    if not file.exists() or not file.stat().st_size:
        with suppress(apsw.Error):  # opened read-only, or on a file system without shared memory
            connection.pragma("journal_mode", "wal")


def main(args: Sequence[str] | None = None) -> None:
    """Run the shell with the command line's arguments, and exit with 1 when a statement failed."""
    shell = Shell()
    apsw.connection_hooks.append(shell.open_with_tables)
    try:
        try:
            _, _, commands = shell.process_args(list(sys.argv[1:] if args is None else args))
            if not commands:
                shell.cmdloop()
        except Exception as error:
            if not getattr(error, "_handle_exception_saw_this", False):  # APSW's mark for: printed
                expected = isinstance(error, (apsw.Error, Shell.Error, Error, OSError))
                shell.write(shell.stderr, f"{error}\n" if expected else f"{type(error).__name__}: {error}\n")
                shell.advise(error)
            shell.failed = True
        except KeyboardInterrupt:
            sys.exit(130)
    finally:
        apsw.connection_hooks.remove(shell.open_with_tables)
        shell.close()
    if shell.failed and not shell.interactive:
        sys.exit(1)
