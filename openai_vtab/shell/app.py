"""The openai-vtab command: its options, the databases it opens, its errors and its exit status.

>>> main(["--sandbox", ":memory:", "SELECT id FROM vector_stores"])
vs_archive
vs_demo
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apsw
import apsw.ext

from .._version import __version__
from ..connection import register_tables
from ..errors import Error
from ..settings import Settings
from ..sync.database import use_wal_in_a_new_file
from .local_sandbox import start_sandbox
from .log_lines import LogLines
from .options import help_text, parse_options
from .running import RunningShell
from .short_errors import shorten_record
from .subcommands import subcommand

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("openai_vtab")

TRY_THE_SANDBOX = (
    "Connected to the sandbox, which forgets everything when the shell ends; try:\n"
    "  CREATE VIRTUAL TABLE demo USING\n"
    "  vector_store_documents(vector_store_id = 'vs_demo');\n"
    "  SELECT filename, passage FROM demo('refund policy');\n"
)


class Shell(RunningShell):
    """The openai-vtab shell. `settings` are those of connect() for the databases that it opens.

    Unlike in connect(), `upload_root` is the current directory unless it is given.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, **more: Any) -> None:
        self.failed = False  # whether any statement or command has failed
        self.sandboxed = False
        self._resources = ExitStack()
        super().__init__({"upload_root": _current_folder(), **(settings or {})}, **more)

    def open_with_tables(self, connection: apsw.Connection) -> None:
        """Register the tables on a new connection. APSW calls this hook for every database that is opened."""
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        settings = Settings(**{**self.settings, "progress": self.bar}).with_environment()
        register_tables(connection, settings, callbacks=self.callbacks)
        apsw.ext.make_virtual_module(connection, "generate_series", cast(Any, apsw.ext.generate_series_sqlite))
        name = str(self.dbfilename or "")
        # .backup and .import open other files, too, whose journal mode is not the shell's business.
        if name and Path(connection.filename) == Path(name).resolve():
            use_wal_in_a_new_file(connection)

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
        self.take_values(options.manifests, options.variables)
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
        super().handle_exception()

    def report(self, error: Exception) -> None:
        """Write an error that ends the shell, and remember that there was one."""
        if not _was_written(error):
            is_expected = isinstance(error, (apsw.Error, self.Error, Error, OSError))
            self.write(self.stderr, f"{error}\n" if is_expected else f"{type(error).__name__}: {error}\n")
        self.failed = True

    def close(self) -> None:
        """Close the database and the sandbox."""
        database = cast("apsw.Connection | None", self._db)
        if database is not None:
            database.close(True)
        self._resources.close()

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


def main(args: Sequence[str] | None = None) -> None:
    """Run the shell with the command line's arguments. Exits with status 1 if a statement or command failed.

    With `sync` or `run` as the first argument, run this command instead, and exit with its status. With `completion`,
    write the completions of bash or zsh.
    """
    given = list(sys.argv[1:] if args is None else args)
    if given and (run := subcommand(given[0])) is not None:
        sys.exit(run(given[1:]))
    shell = Shell()
    apsw.connection_hooks.append(shell.open_with_tables)
    lines = LogLines(lambda text: shell.write(shell.stderr, text), shows_info=lambda: shell.bar is not None)
    log.addFilter(shorten_record)
    try:
        with lines.attached(log):
            _, _, commands = shell.process_args(given)
            if not commands:
                shell.cmdloop()
    except Exception as error:
        shell.report(error)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        log.removeFilter(shorten_record)
        apsw.connection_hooks.remove(shell.open_with_tables)
        shell.close()
    if shell.failed and not shell.interactive:
        sys.exit(1)
