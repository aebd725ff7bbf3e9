"""Statements in the shell, one after the other: what is said of each, asked before it, and shown when it fails.

>>> shell.process_complete_line("DELETE FROM files WHERE created_at < 1700000000")
Delete 1,234 objects at the API? [y/N]
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import apsw

from ..errors import Error
from ..sqlite.statement_text import created_table, dropped_if_exists, split
from ..vtable.callbacks import Callbacks
from ..vtable.hiding_tables import BY_NAME, refuse_mistaken
from .box import MIN_WIDTH
from .changed_objects import ChangedObjects
from .created_objects import CreatedObjects
from .fitting import fold_text
from .progress_bar import ProgressBar
from .request_costs import last_number, summary_since
from .short_errors import in_the_shell
from .stackql_shell import StackQLShell
from .terminal_text import MARGIN

MAX_DELETED = 100  # objects that a statement deletes without a question


class RunningShell(StackQLShell):
    """APSW's shell, which runs statements for a person. `settings` are those of connect()."""

    sandboxed = False  # whether the shell has started the sandbox

    def __init__(self, settings: Mapping[str, Any], **more: Any) -> None:
        self.settings = dict(settings)
        self.bar: ProgressBar | None = None
        self._created, self._changed = CreatedObjects(), ChangedObjects()
        self._cached = 0  # responses that the running statement has used again
        changed = self._changed
        self.callbacks = Callbacks(
            self._created.add, self._count_cached, changed.add, changed.add_documents, self._may_delete
        )
        super().__init__(**more)
        if self.stderr.isatty():
            self.bar = ProgressBar(self.stderr)

    def write(self, dest: Any, text: str) -> None:
        """Write the text in place of the progress bar. What a terminal shows of errors is folded between words."""
        if self.bar is not None:
            self.bar.hide()
        if dest is self.stderr and dest.isatty():
            text = "\n".join(fold_text(text, self._terminal_width(MIN_WIDTH) - MARGIN))
        super().write(dest, text)

    def process_complete_line(self, command: str) -> None:
        """Run a command or SQL. An error of the package has a shorter text here, unless .exceptions is on."""
        try:
            super().process_complete_line(command)
        except Error as error:
            is_file = str(self.dbfilename or ":memory:") != ":memory:"
            text = in_the_shell(error, has_forgetful_sandbox=self.sandboxed and is_file)
            if self.exceptions or text == str(error):
                raise
            raise self.Error(text) from error
        except apsw.CantOpenError as error:
            if self.exceptions or not str(error).endswith("unable to open database file"):
                raise
            raise self.Error(f"{error}: {self.dbfilename!r}; its folder must exist, and be writable") from error

    def process_sql(self, sql: str, bindings: Any = None, internal: bool = False, summary: Any = None) -> None:
        """Run SQL, statement by statement."""
        if internal:
            self._process(sql, bindings, internal, summary)
            return
        for statement in split(sql):
            self._run(statement, bindings, summary)

    def _run(self, statement: str, bindings: Any, summary: Any) -> None:
        """Run one statement; tell a user at the prompt what it has created and changed, and with .timer on its cost."""
        before = last_number(self.db) if self.timer else 0
        self._cached = 0
        began, processor = time.perf_counter(), time.process_time()
        notes: list[str] = []
        try:
            if (name := self._needlessly_dropped(statement)) is not None:
                notes.append(f"{name} is the API's table, which every database has: nothing was dropped")
            else:
                refuse_mistaken(self.db, statement)
                self._process(statement, bindings, False, summary)
                notes += self._hidden_now(statement)
        except UnicodeError as error:
            raise self.Error(_encoding_problem(error)) from None
        finally:
            seconds, processor = time.perf_counter() - began, time.process_time() - processor
            if self.bar is not None:
                self.bar.close()
            notes += [*self._created.take(), *self._changed.take()]
            if self.interactive:
                self._write_notes(notes)
            if self.timer:
                dry_run = self.settings.get("dry_run", False)
                requests = summary_since(self.db, before, cached=self._cached, dry_run=dry_run)
                self._write_notes([f"time: {seconds:.3f} s (processor {processor:.3f} s)", f"requests: {requests}"])

    def _query_details(self, sql: str, bindings: Any) -> Any:
        """APSW's details of the next statement. The text of an error also says what to write instead."""
        details = super()._query_details(sql, bindings)
        if isinstance(details.exception, apsw.SQLError):
            # imported here: it imports stackql/, and only failing statements need it
            from ..advice import advised

            details = replace(details, error_text=advised(self.db, details.exception, sql))
        return details

    def _process(self, sql: str, bindings: Any, internal: bool, summary: Any) -> None:
        """Let APSW run it without its own timer, which counts ten things that SQLite does."""
        timer, self.timer = self.timer, False
        try:
            super().process_sql(sql, bindings, internal, summary)
        except apsw.SQLError as error:  # of a statement that has begun; _query_details() has shown any other
            from ..advice import advised

            text = advised(self.db, error, sql)
            if getattr(error, "_handle_exception_saw_this", False) or text == str(error):
                raise
            raise apsw.SQLError(text) from error
        finally:
            self.timer = timer

    def command_timer(self, cmd: Any) -> None:
        """timer ON|OFF: Shows the time and the requests of each statement

        The requests are counted, with how many were prefetched, retried, or
        used again from the statement's own cache, and how long the statement
        waited for them.
        """
        super().command_timer(list(cmd))

    def handle_interrupt(self) -> None:
        """Ctrl-C: end the statement, and say so."""
        self.db.interrupt()
        if self.bail or not self.interactive:
            raise  # noqa: PLE0704 - APSW calls this where it handles a KeyboardInterrupt
        self.write(self.stderr, "interrupted\n")

    def _write_notes(self, notes: list[str]) -> None:
        for note in notes:
            self.write(self.stderr, f"* {note}\n")

    def _count_cached(self, count: int) -> None:
        self._cached += count

    def _may_delete(self, count: int) -> bool:
        """Ask a user at the prompt before many objects are deleted: a condition may hold in the wrong account, too.

        A document counts as its files, so that the question comes before a documents table sends anything.
        """
        if count <= MAX_DELETED or not self.interactive:
            return True
        if self.bar is not None:
            self.bar.hide()
        answer = self.get_line(f"Delete {count:,} objects at the API? [y/N] ")
        return (answer or "").strip().lower() in ("y", "yes")

    def _needlessly_dropped(self, statement: str) -> str | None:
        """The API's table that a DROP TABLE IF EXISTS names, if no other table has the name."""
        name = dropped_if_exists(statement)
        if name not in BY_NAME:
            return None
        found = self.db.execute("SELECT 1 FROM pragma_table_list WHERE name = ? COLLATE NOCASE", (name,)).fetchall()
        return None if found else name

    def _hidden_now(self, statement: str) -> list[str]:
        """The warning about a table that the statement has created, and that hides one of the API's."""
        new = created_table(statement)
        if new is None or new.name not in BY_NAME:
            return []
        return [f"{new.name} hides the API's table of that name; write openai.{new.name} for the API's"]


def _encoding_problem(error: UnicodeError) -> str:
    """Advice for a statement whose text cannot be decoded, or encoded for the output."""
    if isinstance(error, UnicodeEncodeError):
        lacking = error.object[error.start : error.start + 1]
        return f"The output's encoding, {error.encoding}, has no {lacking!a}: set PYTHONIOENCODING=utf-8"
    return "A value is text that is not UTF-8; for bytes, leave out CAST(… AS TEXT), or write hex(…)"
