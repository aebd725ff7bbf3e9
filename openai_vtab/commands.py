"""The shell's own dot commands: .requests, .batches, .watch, .describe, and what it adds to APSW's.

A command's docstring is its text in .help. It must not know HTTP: it asks by SQL, as its user does.

    .requests 5
    .watch my_batches
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import apsw

from . import bars
from .errors import APIConnectionError, APIError, visible
from .schema import docs
from .stock import OTHERS, Stock
from .tables import TABLES
from .transport.request_log import COLUMNS

LOOKS = 2.0  # seconds between two looks of .watch
SHORTEST_LOOK, LONGEST_LOOK = 0.2, 3600.0
PASSING = (APIError, APIConnectionError, apsw.BusyError)  # what the next look may find gone
MOST_FAILURES = 5  # looks in a row that fail, each after the request's own repetitions, and .watch ends
NARROW = 70  # columns of a terminal, below which .requests shows less
FINISHED = {"unknown"}.union(*(table.finished for table in TABLES if table.remembered))
MOST_FILES = 10**15  # that a batch is believed to have
LATEST = 20  # requests that .requests shows


class Commands(Stock):
    """APSW's shell with commands for the tables."""

    def __init__(self, **streams: Any) -> None:
        self._watching: set[tuple[str, str]] = set()  # batches that .watch has seen in progress
        super().__init__(**streams)

    def command_requests(self, cmd: Sequence[str]) -> None:
        """requests ?N?: Shows the latest N requests to the API

        Without N it is 20. On a terminal in box mode it shows what fits; in
        other modes every column of the table openai_requests.
        """
        try:
            (number,) = [int(word) for word in cmd] or [LATEST]
        except ValueError:
            raise self.Error("requests takes a number") from None
        columns = ", ".join(COLUMNS)
        if self.output.__name__ == "output_box":
            room = self._terminal_width(32)  # of the terminal now; a box may have been made narrower
            columns = _fitting(min(self.box_options["text_width"] or room, room))
        latest = "SELECT * FROM openai_requests ORDER BY number DESC LIMIT ?"
        with self.for_people():
            self.process_sql(f"SELECT {columns} FROM ({latest}) ORDER BY number", (number,), internal=True)

    def command_batches(self, cmd: Sequence[str]) -> None:
        """batches ?TABLE?: Lists the batches of the ledgers, with a bar for each

        A ledger is a table that you have made with CREATE VIRTUAL TABLE name
        USING vector_store_file_batches. Batches that are not finished are
        asked for. In a bar, █ are completed files, × failed ones, - cancelled
        ones, and ░ those still in progress.
        """
        for name in self._ledgers(cmd):
            found = self._batches(name)
            self._write_lines([f"{_one_line(name)}: {_summary(found)}"])
            for id, status, counts in found:
                self._write_lines(bars.lines(id, status, counts, self._look()))

    def command_watch(self, cmd: Sequence[str]) -> None:
        """watch ?TABLE? ?SECONDS?: Shows the batches that are not finished until they are

        Looks every SECONDS (2); Ctrl-C ends it. Without TABLE it watches all
        ledgers. What others add to them meanwhile is shown, too. A look that
        fails is followed by the next; five in a row end it.
        """
        words = list(cmd)
        pause = LOOKS
        if words and re.fullmatch(r"\d+(\.\d*)?|\.\d+", words[-1]):
            pause = min(max(float(words.pop()), SHORTEST_LOOK), LONGEST_LOOK)
        seen: list[str] = []
        before: list[str] = []
        failures = 0
        try:
            while True:
                try:
                    seen, finished = self._watched(self._ledgers(words))
                    text, failures = seen, 0
                except PASSING as error:
                    failures += 1
                    if failures == MOST_FAILURES:
                        raise
                    text, finished = [*seen, *self._failed_look(error, failures)], False
                if text != before:
                    self._redraw(text, len(before))
                    before = text
                if finished:
                    return
                time.sleep(pause)
        except KeyboardInterrupt:
            self.write(self.stdout, "\n")

    def command_describe(self, cmd: Sequence[str]) -> None:
        """describe ?TABLE?: Shows what a table needs and takes, its columns and examples

        Without TABLE it lists the tables.
        """
        width = self._terminal_width(32) - bars.MARGIN
        if not cmd:
            longest = max(len(name) for name in (*OTHERS, *(table.name for table in TABLES)))
            docs = {**{table.name: table.doc for table in TABLES}, **OTHERS}
            text = "\n".join(f"{name:{longest}}  {doc}" for name, doc in docs.items())
            self._write_lines(bars.fitted(text, width).splitlines())
        for name in cmd:
            self._write_lines(bars.fitted(self._described(name), width).splitlines())

    def complete_command(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """APSW's completions, and the ledgers."""
        if line.split(None, 1)[0] in (".watch", ".batches") and " " in line[:end]:
            with suppress(self.Error):
                return [name for name in self._ledgers(()) if name.startswith(token)]
        return cast("list[str]", super().complete_command(line, token, beg, end))

    def _ledgers(self, named: Sequence[str]) -> list[str]:
        """The tables with a ledger, as SQL names them; of those named, all of them."""
        sql = (
            "SELECT t.schema, t.name FROM pragma_table_list AS t JOIN pragma_table_list AS s "
            "ON s.schema = t.schema AND s.name = t.name || '_ledger' AND s.type = 'shadow' "
            "WHERE t.type = 'virtual' ORDER BY t.schema <> 'main', t.schema, t.name"
        )
        found = [
            (name if schema == "main" else f"{schema}.{name}", name) for schema, name in self.db.execute(sql).fetchall()
        ]
        if not found:
            raise self.Error(
                "No table remembers batches yet: CREATE VIRTUAL TABLE my_batches USING vector_store_file_batches;"
            )
        if unknown := [word for word in named if all(word not in names for names in found)]:
            raise self.Error(f"No ledger {', '.join(unknown)}; there is {', '.join(names[0] for names in found)}")
        return [names[0] for names in found if not named or not set(named).isdisjoint(names)]

    def _batches(self, ledger: str) -> list[tuple[str, str, dict[str, int]]]:
        table = ".".join('"' + part.replace('"', '""') + '"' for part in ledger.split(".", 1))
        sql = f"SELECT coalesce(id, '(id not known)'), status, file_counts FROM {table}"
        found = self.db.execute(sql).fetchall()
        return [(_one_line(id), _one_line(status), _counts(counts)) for id, status, counts in found]

    def _watched(self, ledgers: Sequence[str]) -> tuple[list[str], bool]:
        """What .watch shows now, and whether it is the last time."""
        look = self._look()
        text: list[str] = []
        finished = True
        for name in ledgers:
            found = self._batches(name)
            text.append(f"{_one_line(name)}: {_summary(found)}")
            for id, status, counts in found:
                if status not in FINISHED or (name, id) in self._watching:
                    self._watching.add((name, id))
                    text += bars.lines(id, status, counts, look)
                finished = finished and status in FINISHED
        if finished:
            self._watching.clear()
        return text, finished

    def _failed_look(self, error: Exception, failures: int) -> list[str]:
        problem = f"look {failures} of {MOST_FAILURES} that failed: {error}"
        return bars.fitted(problem, self._terminal_width(32) - bars.MARGIN).splitlines()

    def _redraw(self, text: list[str], before: int) -> None:
        """Write over the lines that were written before, where that can be done."""
        if self.stdout.isatty():
            most = max(self._terminal_height() - 2, 3)
            if before:
                self.write(self.stdout, f"\x1b[{min(before, most)}A\x1b[J")
            if len(text) > most:
                text = [*text[: most - 1], f"  and {len(text) - most + 1} lines more"]
        self._write_lines(text)
        self.stdout.flush()

    def _write_lines(self, lines: Iterable[str]) -> None:
        with self.for_people():
            for line in lines:
                self.write(self.stdout, line + "\n")

    def _look(self) -> bars.Look:
        encoding = (getattr(self.stdout, "encoding", None) or "utf-8").lower()
        colour = self.colour is not self._colours["off"]
        return bars.Look(colour, encoding.startswith("utf"), self._terminal_width(32))

    def _terminal_height(self) -> int:
        try:
            return os.get_terminal_size(self.stdout.fileno()).lines
        except (OSError, ValueError, AttributeError):  # no terminal
            return 24

    def _described(self, name: str) -> str:
        """The description of a table, however it is called here."""
        if name in OTHERS:
            columns = COLUMNS if name == "openai_requests" else {}
            return f"{name}: {OTHERS[name]}\n" + "".join(f"  {column:12}  {doc}\n" for column, doc in columns.items())
        sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
        made = next((str(sql) for (sql,) in self.db.execute(sql, (name,)).fetchall()), "")
        module = made.upper().partition("USING")[2].strip(' "[`];').lower() or name.lower()
        for table in TABLES:
            if module in (table.name, f"openai.{table.name}", *table.aliases):
                return docs.text(table)
        raise self.Error(f'No table "{name}" of the API; .describe lists them')


def _fitting(width: int) -> str:
    """The columns of openai_requests that fit into a box so wide: the end of a path tells most."""

    def clipped(text: str, room: int) -> str:
        return f"iif(length({text}) > {room}, '…' || substr({text}, {1 - room}), {text})"

    status = "status, CAST(milliseconds AS INTEGER) AS ms"
    if width < NARROW:
        return f"{clipped('path', max(width - 36, 8))} AS path, method, {status}"
    return (
        f"strftime('%H:%M:%S', at, 'unixepoch', 'localtime') AS time, method, "
        f"{clipped('path', max(width - 60, 12))} AS path, {status}, bytes, "
        "concat_ws(' ', iif(predicted, 'ahead', NULL), iif(retries, 'again ' || retries, NULL), "
        "iif(milliseconds IS NULL, 'under way', NULL), iif(status IS NULL, error, NULL)) AS note"
    )


def _one_line(text: str) -> str:
    """The text as a terminal can show it within a line."""
    return " ".join(visible(str(text)).split())


def _counts(text: object) -> dict[str, int]:
    """The numbers of a file_counts, which a server or a hand may have written; what is no number is left out."""
    try:
        counts = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    named = counts.items() if isinstance(counts, dict) else ()
    return {name: n for name, n in named if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST_FILES}


def _summary(batches: Sequence[tuple[str, str, Mapping[str, int]]]) -> str:
    """How many batches are in which status."""
    counts: dict[str, int] = {}
    for _, status, _ in batches:
        counts[status] = counts.get(status, 0) + 1
    return ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "none yet"
