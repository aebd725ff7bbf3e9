"""One process of the soak: threads, each with its own connection, that run random statements until the time is over.

    python -m tests.soak.worker '{"number": 0, "seed": 7, "seconds": 60, "folder": "/tmp/…", "base_url": "http://…", …}'

What each INSERT has said of its rows goes into FOLDER/account-N.jsonl, for the judge; counts and measurements go to
stdout as JSON. It must not know what the API really did.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

import openai_vtab
from openai_vtab.errors import ConfigurationError, InterfaceError, InternalError

EXPECTED = (openai_vtab.Error, apsw.BusyError, apsw.InterruptError)
UNEXPECTED = (InternalError, InterfaceError, ConfigurationError)  # of our own, a mistake of the package or of this file
SETTINGS: dict[str, Any] = {
    "timeout": 1.0,
    "max_retries": 2,
    "max_concurrency": 4,
    "rate_limit_wait": 3.0,
    "uploads_per_minute": 0,
    "attach_requests_per_minute": 0,
    "attach_files_per_minute": 0,
}
WARNINGS = (
    "rolled back here, but already carried out",
    "the ledger lists it when it is opened again",
    "interrupted while writing",
    "added for a transaction that was interrupted",
)
WARM_STATEMENTS = 500  # of a process: before, its memory grows by what it loads, and on a busy machine for long
MAYBE = "it may have been carried out all the same"
FILES = [f"file-{number}" for number in range(8)]
CREATE = (
    "INSERT INTO batches (vector_store_id, file_ids, attributes) "
    "SELECT value ->> 0, value -> 1, json_object('mark', value ->> 2) FROM json_each(?)"
)
CREATE_FILES = (
    "INSERT INTO batches (vector_store_id, files, attributes) SELECT value ->> 0, (SELECT json_group_array("
    "json_object('file_id', f.value)) FROM json_each(json_each.value, '$[1]') AS f), json_object('mark', value ->> 2) "
    "FROM json_each(?)"
)
MARK = "attributes ->> 'mark'"


class Account:
    """The file that the judge reads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, what: str, *values: object) -> None:
        """One line."""
        with self._lock:
            self._file.write(json.dumps([what, *values]) + "\n")
            self._file.flush()


class Unit:
    """The marks of one transaction, and what is known of each: the rowid it was given, and what was said of it."""

    def __init__(self) -> None:
        self.rowids: dict[str, int | None] = {}
        self.fate: dict[str, str] = {}
        self.exposed: set[str] = set()  # a read or a COMMIT may have sent them
        self.story: list[str] = []  # for whoever reads a finding

    def expose(self) -> None:
        """What is queued by now may be sent."""
        self.exposed |= self.rowids.keys() - self.fate.keys()

    def named(self, error: BaseException) -> None:
        """Note what an error of a read or a COMMIT says of the rows."""
        self.story.append(f"{type(error).__name__}: {error}"[:300])
        open_marks = [mark for mark in self.rowids if self.fate.get(mark) != "dropped"]
        if isinstance(error, openai_vtab.WriteError):
            said = [("done", error.done), ("not done", error.not_done), ("unknown", error.unknown)]
            rows = {rowid: what for what, found in said for rowid, _ in found}
            if None in self.rowids.values():  # a statement by itself: its rows are all there is, in their order
                numbered = dict(zip(open_marks, sorted(rows), strict=True))
            else:
                numbered = {mark: rowid for mark in open_marks if (rowid := self.rowids[mark]) in rows}
            for mark, rowid in numbered.items():
                if self.fate.get(mark) not in ("unknown", "done"):
                    self.fate[mark] = rows[rowid]
        elif (
            isinstance(error, (openai_vtab.APIError, openai_vtab.APIConnectionError))
            and re.match(r"POST \S+/file_batches$", error.request)  # not the read's own
            and len(open_marks) == 1
        ):
            self.fate[open_marks[0]] = "unknown" if MAYBE in str(error) else "not done"

    def end(self, fate: str) -> dict[str, str]:
        """What is said of each mark when the transaction is over."""
        return {mark: self.fate.get(mark, self._unnamed(mark, fate)) for mark in self.rowids}

    def _unnamed(self, mark: str, fate: str) -> str:
        return "perhaps" if fate == "dropped" and mark in self.exposed else fate


class Client:
    """One thread with its connection."""

    def __init__(self, work: Work, number: int) -> None:
        self.work = work
        self.name = f"{work.number}-{number}"
        self.chance = random.Random(f"{work.seed} {self.name}")  # noqa: S311
        self.database = work.databases[number % len(work.databases)]
        self.account = work.account
        self.count = 0
        self.mine: deque[tuple[str, str, str]] = deque()  # store, id, mark of batches that the ledger must list
        self.closing = threading.Lock()  # an interrupt must not meet a connection that is being closed
        self.db = self.opened()

    def opened(self) -> apsw.Connection:
        """A connection; how long it waits for others differs."""
        db = openai_vtab.connect(self.database, base_url=self.work.base_url, api_key=self.work.api_key, **SETTINGS)
        db.set_busy_timeout(self.chance.choice((0, 1000, 3000)))
        return db

    def run(self) -> None:
        """Statements, until the time is over."""
        kinds = list(KINDS)
        while time.monotonic() < self.work.end:
            kind = self.chance.choices(kinds, [KINDS[kind] for kind in kinds])[0]
            try:
                self.work.tally(kind.__name__, "statements")
                kind(self)
            except EXPECTED as error:
                self.work.tally(type(error).__name__, "errors")
                if isinstance(error, UNEXPECTED):
                    self.work.finding(f"{kind.__name__}: {traceback.format_exc()}")
            except Exception:
                self.work.finding(f"{kind.__name__}: {traceback.format_exc()}")
            if self.is_in_transaction():
                self.work.finding(f"{kind.__name__} has left a transaction open")
                self.rollback()
        self.reopen(last=True)

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open. One of the package's that an interrupt has left open ends with a statement."""
        for _ in range(5):
            if not self.db.in_transaction:
                return False
            with contextlib.suppress(apsw.InterruptError):
                self.db.execute("SELECT 1").fetchall()
        return self.db.in_transaction

    def rows(self, sql: str, *bindings: object) -> list[Any]:
        """All rows."""
        return self.db.execute(sql, bindings).fetchall()

    def rollback(self) -> None:
        """To its end; an interrupt may come in between, but not always."""
        for _ in range(20):
            if not self.db.in_transaction:
                return
            try:
                self.db.execute("ROLLBACK")
            except EXPECTED:
                said = traceback.format_exc()
            except apsw.SQLError as error:  # the transaction was the package's, which an interrupt had left open
                if "no transaction is active" not in str(error):
                    raise
        self.work.finding(f"ROLLBACK fails again and again: {said}")
        self.reopen()

    def reopen(self, last: bool = False) -> None:
        """Close the connection, perhaps in the midst of a transaction, and open another."""
        with self.closing:
            self.db.close(True)
            if not last:
                self.db = self.opened()

    def interrupt(self) -> None:
        """From another thread."""
        with self.closing, contextlib.suppress(apsw.ConnectionClosedError):
            self.db.interrupt()

    # what writes

    def batches(self, unit: Unit, alone: bool = False) -> None:
        """INSERT of one or several rows, each with its mark."""
        values = [self.new() for _ in range(self.chance.choice((1, 1, 2, 4)))]
        marks = [mark for _, _, mark in values]
        before = set(unit.rowids)
        unit.rowids |= dict.fromkeys(marks, None if alone else -1)
        if alone:
            unit.expose()
        try:
            self.db.execute(self.chance.choice((CREATE, CREATE_FILES)), (json.dumps(values),))
        except BaseException:
            if not alone:  # the statement is undone, or with it the transaction
                unit.fate |= {mark: "dropped" for mark in unit.rowids if mark not in before}
            raise
        last = self.db.last_insert_rowid()
        if not alone:
            unit.rowids |= {mark: last - place for place, mark in enumerate(reversed(marks))}
            self.db.executemany("INSERT INTO journal VALUES (?)", [(mark,) for mark in marks])

    def new(self) -> list[object]:
        """A batch that nobody else makes."""
        self.count += 1
        files = self.chance.sample(FILES, self.chance.randint(1, 3))
        return [self.chance.choice(self.work.stores), files, f"{self.name}-{self.count}"]

    def over(self, unit: Unit, fate: str) -> None:
        """The transaction is over: tell the judge, and remember what the ledger must list from now on."""
        said = unit.end(fate)
        self.account.write("said", said, unit.story)
        committed = [mark for mark, fate in said.items() if fate == "committed"]
        if committed:
            with contextlib.suppress(*EXPECTED):
                sql = f"SELECT vector_store_id, id, {MARK} AS mark FROM batches WHERE mark IN ({_marks(committed)})"
                found = self.rows(sql, *committed)
                if {mark for _, _, mark in found} != set(committed):
                    self.work.finding(f"committed {committed}, but the ledger has {found}")
                self.mine += found

    def create(self) -> None:
        """A statement by itself."""
        unit = Unit()
        try:
            self.batches(unit, alone=True)
        except BaseException as error:
            unit.named(error)
            self.over(unit, "perhaps")
            raise
        self.over(unit, "committed")

    def transaction(self) -> None:
        """Several statements, and an end."""
        unit = Unit()
        fate = "dropped"
        try:
            self.db.execute(self.chance.choice(("BEGIN", "BEGIN IMMEDIATE")))
            for _ in range(self.chance.randint(1, 4)):
                step = self.chance.choice(STEPS)
                unit.story.append(step.__name__)
                step(self, unit)
            end = self.chance.random()
            if end < 0.75:
                self.commit(unit)
                fate = "committed"
            elif end < 0.8:
                unit.story.append("close")
                self.reopen()
        except BaseException as error:
            unit.named(error)
            raise
        finally:
            self.rollback()
            self.over(unit, fate)

    def commit(self, unit: Unit) -> None:
        """COMMIT, and again when others were busy."""
        unit.expose()
        for left in reversed(range(self.chance.randint(1, 4))):
            try:
                self.db.execute("COMMIT")
            except apsw.BusyError:
                unit.story.append("COMMIT was busy")
                if not left or not self.db.in_transaction:
                    raise
            else:
                return

    def refused(self, unit: Unit) -> None:
        """A statement of which the last row cannot be: none of them must be sent."""
        values = [self.new(), self.new(), ["not an id \n", [], ""]]
        marks = [str(mark) for _, _, mark in values[:2]]
        unit.rowids |= dict.fromkeys(marks, -1)
        unit.fate |= dict.fromkeys(marks, "dropped")
        try:
            self.db.execute(CREATE, (json.dumps(values),))
        except openai_vtab.RowError:
            return
        self.work.finding("a wrong row was accepted")

    def savepoint(self, unit: Unit) -> None:
        """An INSERT that may be undone alone; with a read in between, it may have been sent before."""
        self.db.execute("SAVEPOINT s")
        before = set(unit.rowids)
        self.batches(unit)
        if self.chance.random() < 0.3:
            unit.story.append("read within")
            self.read(unit)
        if self.chance.random() < 0.5:
            self.db.execute("RELEASE s")
        else:
            unit.story.append("ROLLBACK TO")
            self.db.execute("ROLLBACK TO s")
            for mark in unit.rowids.keys() - before:
                unit.rowids[mark] = -1  # another row may be given it now
                unit.fate[mark] = "perhaps" if mark in unit.exposed else "dropped"

    def read(self, unit: Unit) -> None:
        """A SELECT within the transaction, which sends what is queued."""
        unit.expose()
        self.chance.choice((Client.look_up, Client.newest))(self)

    def cancel_one(self, unit: Unit) -> None:
        """A cancel in the same transaction; it reads its row first, and that sends the rest."""
        unit.expose()
        self.cancel()

    def adopt_one(self, unit: Unit) -> None:
        """An adoption in the same transaction."""
        with contextlib.suppress(openai_vtab.RowError):
            self.adopt()

    def adopt(self) -> None:
        """The ledger lists one that was made elsewhere; its row must be there before COMMIT asks."""
        store, id = self.chance.choice(self.work.others)
        self.db.execute("INSERT INTO batches (id, vector_store_id) VALUES (?, ?)", (id, store))

    def cancel(self) -> None:
        """By UPDATE or by the function."""
        store, id = self.one()
        if self.chance.random() < 0.3:
            self.rows("SELECT cancel_vector_store_file_batch(?, ?)", store, id)
        else:
            sql = "UPDATE batches SET status = 'cancelled' WHERE vector_store_id = ? AND batch_id = ?"
            self.db.execute(sql, (store, id))

    def forget(self) -> None:
        """Of this thread's own batches the oldest, all of which the ledger must still know."""
        if len(self.mine) > 10:
            oldest = [self.mine[place] for place in range(min(len(self.mine) - 10, 40))]
            try:  # within a transaction changes() is of the DELETE alone: nothing is remembered there
                self.db.execute("BEGIN IMMEDIATE")
                sql = f"DELETE FROM batches WHERE id IN ({_marks(oldest)})"
                self.db.execute(sql, [id for _, id, _ in oldest])
                if self.db.changes() != len(oldest):
                    self.work.finding(f"{self.db.changes()} rows were forgotten of {oldest}")
                self.db.execute("COMMIT")
            finally:
                self.rollback()
            for store, id, mark in oldest:
                self.account.write("forgotten", mark, store, id)
                self.mine.popleft()
        elif self.chance.random() < 0.5:
            ids = [id for _, id in self.chance.sample(self.work.others, 20)]
            self.db.execute(f"DELETE FROM batches WHERE id IN ({_marks(ids)})", ids)

    def upload(self) -> None:
        """A file whose name nobody else gives."""
        self.count += 1
        name = f"{self.name}-{self.count}.md"
        fate = "perhaps"
        try:
            self.db.execute("INSERT INTO files (content, filename, purpose) VALUES ('text', ?, 'assistants')", (name,))
            fate = "committed"
        except openai_vtab.WriteError as error:  # an interrupt
            fate = "done" if error.done else "unknown" if error.unknown else "not done"
            raise
        except openai_vtab.Error as error:
            fate = "unknown" if MAYBE in str(error) else "not done"
            raise
        finally:
            self.account.write("uploaded", name, fate)

    def schema(self) -> None:
        """Every connection has to read the schema anew, and connects the table again."""
        self.db.execute(f"CREATE TABLE IF NOT EXISTS spare_{self.chance.randint(0, 2)} (x)")
        self.db.execute(f"DROP TABLE IF EXISTS spare_{self.chance.randint(0, 2)}")

    # what reads

    def one(self) -> tuple[str, str]:
        """The keys of some batch."""
        if self.mine and self.chance.random() < 0.5:
            return self.chance.choice(self.mine)[:2]
        return self.chance.choice(self.work.others)

    def right(self, found: list[tuple[Any, ...]], asked: set[str] | None = None) -> None:
        """Check rows (id, mark, status): what was asked for, none twice, each with its own mark."""
        ids = [id for id, *_ in found]
        marks = {id: mark for _, id, mark in self.mine}
        if len(set(ids)) != len(ids) or (asked is not None and set(ids) != asked):
            self.work.finding(f"asked for {asked}, and found {ids}")
        for id, mark, status in found:
            if status == "queued" or (id in marks and mark != marks[id]):
                self.work.finding(f"{id} is {status}, with the mark {mark}, not {marks.get(id)}")

    def look_up(self) -> None:
        """By its keys, through the ledger."""
        store, id = self.one()
        sql = f"SELECT id, {MARK}, status FROM batches WHERE vector_store_id = ? AND batch_id = ?"
        self.right(self.rows(sql, store, id), {id})

    def look_up_many(self) -> None:
        """By IN, through the ledger or without it."""
        store, first = self.one()
        ids = {first, *(id for its, id in (self.one() for _ in range(10)) if its == store)}
        sql = f"SELECT id, {MARK}, status FROM batches WHERE vector_store_id = ? AND batch_id IN ({_marks(ids)})"
        if self.chance.random() < 0.5:
            sql = sql.replace("FROM batches", "FROM openai.vector_store_file_batches")
            found = self.rows(sql, store, *ids)
            if {id for id, *_ in found} != ids:
                self.work.finding(f"asked for {ids}, and found {found}")
        else:
            self.right(self.rows(sql, store, *ids), ids)

    def join(self) -> None:
        """With a local table, and with the files of the batches."""
        limit = self.chance.choice((3, 10, -1))
        found = self.rows(
            "SELECT d.id, b.id FROM documents AS d LEFT JOIN batches AS b "
            "ON b.vector_store_id = d.vector_store_id AND b.batch_id = d.id LIMIT ?",
            limit,
        )
        if any(wanted != id for wanted, id in found):
            self.work.finding(f"a join has found {found}")

    def newest(self) -> None:
        """The end of the ledger's list."""
        sql = f"SELECT id, {MARK}, status FROM batches WHERE id IS NOT NULL ORDER BY rowid DESC LIMIT 20"
        self.right(self.rows(sql))

    def summary(self) -> None:
        """The whole list, with every status."""
        self.rows("SELECT vector_store_id, status, count(*) FROM batches GROUP BY 1, 2")

    def wait(self) -> None:
        """Until it is finished, for a short time."""
        store, id = self.one()
        sql = "SELECT id, NULL, status FROM batches WHERE vector_store_id = ? AND batch_id = ? AND wait_seconds = ?"
        self.rows(sql, store, id, self.chance.choice((0, 0.2, 1)))

    def lists(self) -> None:
        """Of the API's own lists the beginning."""
        limit = self.chance.choice((1, 5, 30))
        store, id = self.one()
        self.rows("SELECT file_id FROM files LIMIT ?", limit)
        self.rows("SELECT id, name FROM vector_stores LIMIT ?", limit)
        self.rows("SELECT file_id, status FROM vector_store_files WHERE vector_store_id = ? LIMIT ?", store, limit)
        sql = "SELECT file_id FROM vector_store_file_batch_files WHERE vector_store_id = ? AND batch_id = ?"
        self.rows(sql, store, id)


STEPS: tuple[Callable[[Client, Unit], None], ...] = (
    Client.batches,
    Client.batches,
    Client.batches,
    Client.savepoint,
    Client.refused,
    Client.read,
    Client.cancel_one,
    Client.adopt_one,
)
KINDS: dict[Callable[[Client], None], int] = {
    Client.create: 20,
    Client.transaction: 20,
    Client.look_up: 15,
    Client.look_up_many: 10,
    Client.join: 3,
    Client.newest: 10,
    Client.summary: 2,
    Client.wait: 3,
    Client.cancel: 5,
    Client.adopt: 5,
    Client.forget: 10,
    Client.upload: 4,
    Client.lists: 4,
    Client.schema: 1,
    Client.reopen: 2,
}


def _marks(values: Any) -> str:
    return ", ".join("?" * len(values))


class Work:
    """The process: what its threads share."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.number: int = orders["number"]
        self.seed: int = orders["seed"]
        self.base_url: str = orders["base_url"]
        self.api_key: str = orders["api_key"]
        self.stores: list[str] = orders["stores"]
        self.others: list[tuple[str, str]] = [(store, id) for store, id in orders["others"]]
        self.databases: list[str] = orders["databases"]
        self.threads: int = orders["threads"]
        self.begin = time.monotonic()
        self.end = self.begin + orders["seconds"]
        self.warm = self.begin + orders["seconds"] / 4
        self.account = Account(Path(orders["folder"]) / f"account-{self.number}.jsonl")
        self.counts: dict[str, Counter[str]] = {"statements": Counter(), "errors": Counter(), "warnings": Counter()}
        self.findings: list[str] = []
        self.measured: list[tuple[float, int, int, int]] = []
        self._lock = threading.Lock()

    def tally(self, name: str, what: str) -> None:
        """Count."""
        with self._lock:
            self.counts[what][name] += 1

    def finding(self, text: str) -> None:
        """What must not be."""
        with self._lock:
            self.findings.append(text)

    def run(self) -> dict[str, Any]:
        """All of it, and what is to be said of it."""
        before = measured()
        clients = [Client(self, number) for number in range(self.threads)]
        threads = [threading.Thread(target=client.run, name=client.name) for client in clients]
        for thread in threads:
            thread.start()
        chance = random.Random(f"{self.seed} {self.number}")  # noqa: S311
        look = self.warm
        while any(thread.is_alive() for thread in threads):
            time.sleep(chance.uniform(0.02, 0.4))
            chance.choice(clients).interrupt()
            with self._lock:
                is_warm = self.counts["statements"].total() >= WARM_STATEMENTS
            if is_warm and time.monotonic() >= look and time.monotonic() < self.end:
                self.measured.append((time.monotonic() - self.begin, *measured()))
                look = time.monotonic() + max(1.0, (self.end - self.warm) / 30)
        del clients
        end = time.monotonic() + 20  # a thread ends after the request it is in
        while (after := measured())[1:] > before[1:] and time.monotonic() < end:
            time.sleep(0.1)
        return {**self.counts, "findings": self.findings, "measured": self.measured, "before": before, "after": after}


def measured() -> tuple[int, int, int]:
    """Bytes of memory, threads, open files."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


class Listening(logging.Handler):
    """Counts the warnings that are meant for people; any other is a finding."""

    def __init__(self, work: Work) -> None:
        super().__init__(logging.WARNING)
        self.work = work

    def emit(self, record: logging.LogRecord) -> None:
        """One warning."""
        message = record.getMessage()
        known = next((words for words in WARNINGS if words in message), None)
        if known is None:
            self.work.finding(f"a warning: {message}")
        else:
            self.work.tally(known, "warnings")


def main() -> None:
    """Do as the orders on the command line say."""
    work = Work(json.loads(sys.argv[1]))
    logging.getLogger("openai_vtab").addHandler(Listening(work))
    print(json.dumps(work.run()))


if __name__ == "__main__":
    main()
