"""The shell's own dot commands: .requests, .batches, .watch and .describe.

A command's docstring is its text in .help.

    .requests 5
    .watch my_batches
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import apsw

from ..clock import REAL, Clock
from ..connection import DESCRIBED
from ..documents import MODULE, description
from ..errors import APIConnectionError, APIError
from ..schema import docs
from ..sqlite.sql_text import module_of
from ..transport.request_log import COLUMNS
from ..vtable import local_files
from . import ledgers
from .apsw_shell import META_TABLES, TableShell
from .box import MIN_WIDTH
from .request_table import request_table
from .terminal_text import MARGIN, Terminal, batch_lines, failed_files, fold, height

DEFAULT_REQUESTS = 20  # shown by .requests
WATCH_SECONDS = 2.0  # between two looks of .watch
MIN_WATCH_SECONDS, MAX_WATCH_SECONDS = 0.2, 3600.0
TRANSIENT = (APIError, APIConnectionError, apsw.BusyError)  # errors that the next look of .watch may not meet
MAX_FAILURES = 5  # looks of .watch in a row, each after the request's own retries


class CommandShell(TableShell):
    """APSW's shell with commands for the tables. .watch pauses by the `clock`."""

    def __init__(self, *, clock: Clock = REAL, **streams: Any) -> None:
        self._clock = clock
        self._watched: set[tuple[str, str]] = set()  # (ledger, batch) that .watch has shown in progress
        super().__init__(**streams)

    def command_requests(self, cmd: Sequence[str]) -> None:
        """requests ?N?: Shows the latest N requests to the API

        Without N it shows 20. In box mode it shows the columns that fit the
        terminal, with paths that are folded after a slash; in other modes
        every column of the table openai_requests.
        """
        try:
            (number,) = [int(word) for word in cmd] or [DEFAULT_REQUESTS]
        except ValueError:
            raise self.Error(f".requests takes one number, not {' '.join(cmd)}; write .requests 5") from None
        with self.for_people():
            if self.output.__name__ == "output_box":
                width = self._terminal_width(MIN_WIDTH)
                width = min(self.box_options["text_width"] or width, width)
                self.output(*request_table(self.db, number, width))
                return
            latest = "SELECT * FROM openai_requests ORDER BY number DESC LIMIT ?"
            sql = f"SELECT {', '.join(COLUMNS)} FROM ({latest}) ORDER BY number"
            self.process_sql(sql, (number,), internal=True)

    def command_batches(self, cmd: Sequence[str]) -> None:
        """batches ?TABLE?: Lists the batches of your ledgers, with a bar for each

        A ledger is a table made with CREATE VIRTUAL TABLE name USING
        vector_store_file_batches. Batches that are not finished are requested
        from the API, and stand below their vector stores. In a bar, █ is
        completed files, × failed ones, - cancelled ones, and ░ those in
        progress.
        """
        for name in ledgers.ledger_names(self.db, cmd):
            found = ledgers.batches(self.db, name)
            self._write_lines(self._drawn(name, found, found))

    def command_watch(self, cmd: Sequence[str]) -> None:
        """watch ?TABLE? ?SECONDS?: Shows batches until all of them are finished

        It looks every SECONDS (2); Ctrl-C ends it. Without TABLE it watches
        all ledgers. Ledgers and batches that are added meanwhile are shown,
        too. After a failed request, it tries again; five failures in a
        row end the watch.
        """
        names = list(cmd)
        pause = WATCH_SECONDS
        if names and re.fullmatch(r"\d+(\.\d*)?|\.\d+", names[-1]):
            pause = min(max(float(names.pop()), MIN_WATCH_SECONDS), MAX_WATCH_SECONDS)
        latest: list[str] = []  # the lines of the latest look that succeeded
        drawn: list[str] = []
        taken = failures = 0
        try:
            while True:
                try:
                    latest, finished = self._look(names)
                    lines, failures = latest, 0
                except TRANSIENT as error:
                    failures += 1
                    if failures == MAX_FAILURES:
                        raise
                    problem = fold(f"failed look {failures} of {MAX_FAILURES}: {error}", self._text_width())
                    lines, finished = [*latest, *problem], False
                if lines != drawn:
                    taken = self._redraw(lines, taken)
                    drawn = lines
                if finished:
                    return
                self._clock.sleep(pause)
        except KeyboardInterrupt:
            self.write(self.stdout, "\n")

    def command_describe(self, cmd: Sequence[str]) -> None:
        """describe ?TABLE?: Shows what a table requires and accepts, its columns and examples

        Without TABLE it lists the tables.
        """
        if not cmd:
            all_docs = {**{table.name: table.doc for table in DESCRIBED}, **META_TABLES}
            longest = max(map(len, all_docs))
            text = "\n".join(f"{name:{longest}}  {doc}" for name, doc in all_docs.items())
            self._write_lines(fold(text, self._text_width()))
        for name in cmd:
            self._write_lines(fold(self._description(name), self._text_width()))

    def complete_command(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """APSW's completions, and the ledgers for .watch and .batches."""
        if line.split(None, 1)[0] in (".watch", ".batches") and " " in line[:end]:
            with suppress(self.Error):
                return [name for name in ledgers.ledger_names(self.db) if name.startswith(token)]
        return cast("list[str]", super().complete_command(line, token, beg, end))

    def _look(self, names: Sequence[str]) -> tuple[list[str], bool]:
        """The lines that .watch shows now, and whether all batches are finished."""
        lines: list[str] = []
        finished = True
        for name in ledgers.ledger_names(self.db, names):
            found = ledgers.batches(self.db, name)
            self._watched |= {(name, batch.id) for batch in found if not batch.is_finished}
            lines += self._drawn(name, found, [batch for batch in found if (name, batch.id) in self._watched])
            finished = finished and all(batch.is_finished for batch in found)
        if finished:
            self._watched.clear()
        return lines, finished

    def _drawn(self, name: str, found: Sequence[ledgers.Batch], shown: Sequence[ledgers.Batch]) -> Iterator[str]:
        """The lines of a ledger: its summary, and the batches that are shown below their vector stores."""
        style = self._style()
        yield failed_files(f"{ledgers.one_line(name)}: {ledgers.summary(found)}", style)
        for store in dict.fromkeys(batch.store for batch in shown):
            yield f"  in {store}"
            yield from batch_lines(
                [(each.id, each.status, each.counts) for each in shown if each.store == store], style
            )

    def _redraw(self, lines: list[str], drawn: int) -> int:
        """Write the lines, on a terminal over the `drawn` lines before them, as far as its height allows.

        Returns how many lines of the terminal they take.
        """
        if self.stdout.isatty():
            most, width = max(self._terminal_height() - 2, 3), self._terminal_width(MIN_WIDTH)
            if drawn:
                self.write(self.stdout, f"\x1b[{drawn}A\x1b[J")
            if height(lines, width) > most:
                kept = [n for n in range(len(lines)) if height(lines[:n], width) < most][-1]
                lines = [*lines[:kept], f"  and {len(lines) - kept} more lines"]
        self._write_lines(lines)
        self.stdout.flush()
        return height(lines, self._terminal_width(MIN_WIDTH))

    def _write_lines(self, lines: Iterable[str]) -> None:
        with self.for_people():
            for line in lines:
                self.write(self.stdout, line + "\n")

    def _style(self) -> Terminal:
        encoding = (getattr(self.stdout, "encoding", None) or "utf-8").lower()
        colour = self.colour is not self._colours["off"]
        return Terminal(colour, encoding.startswith("utf"), self._terminal_width(MIN_WIDTH))

    def _text_width(self) -> int:
        return int(self._terminal_width(MIN_WIDTH)) - MARGIN

    def _terminal_height(self) -> int:
        try:
            return os.get_terminal_size(self.stdout.fileno()).lines
        except (OSError, ValueError, AttributeError):  # the output is no terminal
            return 24

    def _description(self, name: str) -> str:
        """The description of a table by its name, by an alias, or by the name of a user's table that uses it."""
        if name in META_TABLES:
            columns = {"openai_requests": COLUMNS, "fsdir": local_files.COLUMNS | local_files.INPUTS}.get(name, {})
            lines = [f"{name}: {META_TABLES[name]}", *(f"  {column:12}  {doc}" for column, doc in columns.items())]
            return "\n".join(lines)
        sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
        module = next((module_of(str(sql)) for (sql,) in self.db.execute(sql, (name,)).fetchall()), "")
        if module == MODULE:
            return docs.text(description.described(name))
        for table in DESCRIBED:
            if (module or name.lower()) in (table.name, f"openai.{table.name}", *table.aliases):
                return docs.text(table)
        raise self.Error(f'No table is named "{name}"; .describe lists the tables')
