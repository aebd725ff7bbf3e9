"""The same rules while requests fail, statements are interrupted, COMMIT is busy, and processes die.

A COMMIT that fails changes no row, and the user repeats it or writes something else. Whatever has happened, no upload
is made twice: a file that a failed transaction has uploaded is used by the next one that needs its content.

On a busy machine, a request may arrive after its statement is over, because that was interrupted or has timed out.
Two things keep the rules true then:

- An interrupt strikes when a request arrives, and may come too late for its statement. So it reaches a connection only
  while a statement runs there that may fail (`may_fail`).
- What such a request changes must count for its own statement, not for the next one. So the judge looks at the sandbox
  when no request is on its way any more (`is_quiet`).
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import apsw
import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

import openai_vtab
from openai_vtab.sandbox import Cut, Slow

from ...support.waiting import until
from . import model
from .calm import PROCESSING, RETRY, SYNC, Calm, contents, inserting, keys, several, who
from .child import Orders, child
from .judge import row_of
from .model import Refused, Row
from .tally import Tally
from .weather import FAULTS, STEPS, TIMEOUT, Strike, injection

PATIENCE = 30.0  # seconds for a process
# of a death: before or after a request is carried out, when all of them are, or at any other time
MOMENTS = ["before", "after", "at the end", "any time", "never"]
EXPECTED = (openai_vtab.Error, apsw.BusyError, apsw.InterruptError, apsw.ConstraintError)  # the last: a commit hook

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.soak.documents.child"])


class Stormy(Calm):
    """Calm with bad weather. `struck` is the connection that an interrupt may reach, guarded by `striking`."""

    def __init__(self) -> None:
        super().__init__()
        self.striking = threading.Lock()
        self.struck: apsw.Connection | None = None

    def connect(self, timeout: float = TIMEOUT) -> apsw.Connection:
        """A connection that does not wait for slow responses."""
        return super().connect(timeout)

    def is_quiet(self) -> bool:
        """Whether nothing is on its way: not from our connections, not in a socket, and not in the sandbox.

        In this order, in which a request comes to them.
        """
        server = self.sandbox._server
        if any(db.execute("SELECT 1 FROM openai_requests WHERE milliseconds IS NULL").get for db in self.dbs):
            return False
        with server._lock:  # a connection is put in as it is accepted, and taken out before it is closed
            if select.select([server.socket, *server._connections], [], [], 0)[0]:
                return False
        return super().is_quiet()

    # what may fail

    def commits(self, db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> None:
        """Execute a statement that commits `model.current`, or fails and changes nothing."""
        wants, spares = self.needs(db), self.judged.spares(db)
        try:
            with self.may_fail(db):
                self.execute(db, sql, bindings)
        except EXPECTED as error:
            self.failed(db, error)
        else:
            self.committed()
        self.uploads_are_needed(wants, spares)

    @contextmanager
    def may_fail(self, db: apsw.Connection) -> Iterator[None]:
        """Let interrupts reach the statements of the block."""
        with self.striking:
            self.struck = db
        try:
            yield
        finally:
            with self.striking:
                self.struck = None

    def strike(self, db: apsw.Connection) -> None:
        """Interrupt a connection, unless its statement is over."""
        with self.striking:
            if self.struck is db:
                db.interrupt()

    def refused(self, db: apsw.Connection, sql: str, bindings: Sequence[Any], after: Refused) -> None:
        """Execute a statement that the table must refuse; what OR FAIL keeps may not be committed either."""
        before, self.model.current = (
            self.model.current,
            self.model.current if after.documents is None else after.documents,
        )
        wants, spares = self.needs(db), self.judged.spares(db)
        self.model.current = before
        is_alone = self.writer is None
        try:
            with self.may_fail(db):
                super().refused(db, sql, bindings, after)
        except EXPECTED as error:
            self.failed(db, error)
        if is_alone:
            self.uploads_are_needed(wants, spares)

    def failed(self, db: apsw.Connection, error: Exception) -> None:
        """The transaction has failed."""
        Tally.now.add("commits that failed")
        Tally.now.add(f"failed with {type(error).__name__}")
        if db.in_transaction:
            with suppress(*EXPECTED):
                db.execute("ROLLBACK")
        assert not db.in_transaction
        self.writer = None
        self.model.rollback()

    def count(self, uploads: Counter[model.Version]) -> None:
        """Uploads are counted by `uploads_are_needed`."""

    def needs(self, db: apsw.Connection) -> Counter[model.Version]:
        """What COMMIT may have to upload."""
        return self.model.new_contents() + self.gone(db)

    def gone(self, db: apsw.Connection) -> Counter[model.Version]:
        """The documents that COMMIT must upload again if they are written.

        A transaction has deleted their files, and was rolled back; or their uploads are unknown, and the user has given
        them up.
        """
        newest = "(SELECT max(id) FROM handbook_files WHERE document = d.id)"
        sql = (
            "SELECT d.key, f.file_id, f.state = 'unknown' AND f.sha256 IS NULL "
            f"FROM handbook_documents AS d JOIN handbook_files AS f ON f.id = {newest}"
        )
        account, current = self.judged.account(), self.model.current
        rows = db.execute(sql).fetchall()
        return Counter(
            current[key].version
            for key, id, is_given_up in rows
            if key in current and (is_given_up or (id and id not in account))
        )

    def uploads_are_needed(self, wants: Counter[model.Version], spares: Counter[Any]) -> None:
        """No more was uploaded than the documents need beyond the files that earlier transactions have left."""
        uploaded = self.judged.uploads()
        Tally.now.add("uploads", uploaded.total())
        needed: Counter[tuple[str, str]] = Counter()
        for version, count in wants.items():
            needed[version.filename, version.content] += count
        for sha_and_name, count in spares.items():
            for name, content in needed:
                if (row_of("", model.Document(0, model.Version(content, name, None), ""))[3], name) == sha_and_name:
                    needed[name, content] -= count
        assert uploaded <= +needed, f"uploaded {uploaded}, needed {+needed}"

    def reads(self, db: apsw.Connection, sql: str) -> list[Any] | None:
        """The rows of a query, which may fail."""
        try:
            with self.may_fail(db):
                return super().reads(db, sql)
        except EXPECTED as error:
            Tally.now.add(f"reads that failed with {type(error).__name__}")
            return None

    # what goes wrong

    @rule(
        fault=st.sampled_from(list(FAULTS)), step=st.sampled_from(list(STEPS)), times=st.integers(1, 3),
        after=st.integers(0, 2),
    )  # fmt: skip
    def fault(self, fault: str, step: str, times: int, after: int) -> None:
        """A fault at the next requests of a step, whatever they are for."""
        Tally.now.add("faults")
        self.sandbox._server.faults.add(injection(fault, step, times, after))

    @precondition(lambda self: self.writer is not None)
    @rule(
        fault=st.sampled_from(list(FAULTS)), step=st.sampled_from(list(STEPS)), times=st.integers(1, 3),
        after=st.integers(0, 2),
    )  # fmt: skip
    def commit_with_a_fault(self, fault: str, step: str, times: int, after: int) -> None:
        """The same at once."""
        self.fault(fault, step, times, after)
        self.commit()

    @rule(
        rows=several, fault=st.sampled_from(list(FAULTS)), step=st.sampled_from(["upload", "attach", "any"]),
        times=st.integers(1, 3), after=st.integers(0, 2),
    )  # fmt: skip
    def replace_with_a_fault(self, rows: list[Row], fault: str, step: str, times: int, after: int) -> None:
        """The same for a statement by itself."""
        if self.writer is None:
            self.fault(fault, step, times, after)
            self.insert_rows(0, rows, "INSERT OR REPLACE")

    @rule(number=who, step=st.sampled_from(list(STEPS)), after=st.integers(0, 2))
    def interrupt(self, number: int, step: str, after: int) -> None:
        """An interrupt at a later request, whose response comes late."""
        Tally.now.add("interrupts")
        db = self.dbs[number]
        self.sandbox._server.faults.add(Strike(partial(self.strike, db), Slow(TIMEOUT - 0.1), step, after))

    @rule(number=who)
    def retry_unknown(self, number: int) -> None:
        """The user wants unknown uploads again in any case."""
        if self.writer is None:
            self.judged.give_up()
            self.write(number, RETRY, [], self.model.current)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def commit_that_is_refused(self) -> None:
        """A commit hook refuses after everything was carried out."""
        self.db.set_commit_hook(lambda: True)
        db, before = self.db, self.model.committed
        self.commits(db, "COMMIT")
        db.set_commit_hook(None)
        assert self.model.committed == before or not self.has_written

    @precondition(lambda self: self.writer is not None)
    @rule(again=st.booleans())
    def commit_beside_a_reader(self, again: bool) -> None:
        """With a rollback journal COMMIT is busy: it is repeated, or rolled back."""
        db = self.db
        wants, spares = self.needs(db), self.judged.spares(db)
        other = apsw.Connection(self.file)
        next(reader := other.execute("SELECT * FROM sqlite_schema"))
        try:
            with self.may_fail(db):
                try:
                    self.execute(db, "COMMIT")
                except apsw.BusyError:
                    reader.close()
                    if not again or not db.in_transaction:
                        raise
                    self.execute(db, "COMMIT")  # which looks again at what it must know, and may fail, too
        except EXPECTED as error:
            self.failed(db, error)
        else:
            self.committed()
        finally:
            other.close(True)
        self.execute(db, "SELECT key FROM handbook")
        self.uploads_are_needed(wants, spares)

    @precondition(lambda self: self.writer is None)
    @rule()
    def open_again(self) -> None:
        """A connection is closed, and opened again."""
        self.dbs[0].close()
        self.dbs[0] = self.connect()
        self.execute(self.dbs[0], "SELECT key FROM handbook")

    @precondition(lambda self: self.writer is None)
    @rule(
        rows=several, deleted=st.none() | keys, changed=st.none() | st.tuples(keys, contents),
        moment=st.sampled_from(MOMENTS), step=st.sampled_from(list(STEPS)), after=st.integers(0, 4),
        is_opened=st.booleans(),
    )  # fmt: skip
    def another_process(
        self, rows: list[Row], deleted: str | None, changed: tuple[str, str] | None, moment: str, step: str, after: int,
        is_opened: bool,
    ) -> None:  # fmt: skip
        """Another process writes, and is killed with SIGKILL. What it has left is repaired by whoever comes next."""
        Tally.now.add("processes")
        self.sandbox.clear_faults()
        before = self.model.current
        new = {key: document for key, document in before.items() if key != deleted}
        statements = [("BEGIN", []), ("DELETE FROM handbook WHERE key = ?", [deleted])]
        new = model.inserted(new, rows, "INSERT OR REPLACE")
        statements += [inserting(rows, "INSERT OR REPLACE")]
        if changed is not None:
            new = model.updated(new, [changed[0]], changed[1], None, None)
            sql = "UPDATE handbook SET content = ? WHERE key = ? AND sha256 IS NOT NULL"
            statements.append((sql, [changed[1], changed[0]]))
        self.model.current = new
        wants, spares = self.needs(self.dbs[0]), self.judged.spares(self.dbs[0])
        is_committed = self.runs([*statements, ("COMMIT", [])], moment, step, after)
        if is_committed or (moment == "any time" and self.sees(new)):  # it may have died before it could say so
            self.committed()
        else:
            self.model.rollback()
        self.sandbox.clear_faults()
        if is_opened:
            self.open_again()
        self.uploads_are_needed(wants, spares)

    def runs(self, statements: list[Any], moment: str, step: str, after: int) -> bool:
        """Run a process, and kill it. Returns whether it has committed."""
        settings = (self.file, self.sandbox.base_url, self.sandbox.api_key, self.clock.time())
        ours, theirs = processes.Pipe()
        orders = Orders(*settings, statements, dies=moment == "at the end")
        process = processes.Process(target=child, args=(orders, theirs))
        if moment in ("before", "after"):
            fault = Cut("accept") if moment == "before" else Slow(0.05)

            def kill() -> None:
                os.kill(process.pid or 0, signal.SIGKILL)

            self.sandbox._server.faults.add(Strike(kill, fault, step, after))
        process.start()
        theirs.close()
        said = ""
        try:
            if moment == "any time" and ours.poll(PATIENCE):
                said = ours.recv()
                time.sleep(after * 0.008)
                process.kill()
            while said not in ("committed", "failed") and ours.poll(PATIENCE):
                said = ours.recv()
        except EOFError:
            Tally.now.add("kills")
        finally:
            process.kill()
            process.join()
            process.close()
            ours.close()
        until(self.is_quiet)  # what the dead one has sent is carried out
        return said == "committed"

    # what must be true

    @rule()
    def nothing_is_lost(self) -> None:
        """Each file at the API has its row, or may be an unknown upload's."""
        if self.writer is None:
            for db in self.dbs:
                self.execute(db, "SELECT key FROM handbook")  # a statement writes what has come late
            self.judged.nothing_is_lost()

    # the end

    def finish(self, expected: list[Row]) -> None:
        """Repeat the statements that the user wants, and sync; what stays unknown is uploaded again on request."""
        self.sandbox.clear_faults()
        self.judged.account()
        for db in self.dbs:
            db.close()
        self.dbs = [Calm.connect(self)]
        self.execute(self.dbs[0], "SELECT key FROM handbook")
        spares, gone = self.judged.spares(self.dbs[0]), self.gone(self.dbs[0])
        self.repair(expected)
        self.uploads_are_needed(self.rewritten + gone, spares)
        self.execute(self.dbs[0], SYNC)
        unknown = self.judged.rows("SELECT id FROM handbook_files WHERE file_id IS NULL")
        if unknown:
            Tally.now.add("uploads that stay unknown", len(unknown))
            self.judged.give_up()
            self.execute(self.dbs[0], RETRY)
            self.repair(expected)
        for _ in range(2):
            self.clock.advance(2 * PROCESSING)
            self.execute(self.dbs[0], SYNC)
        assert len(self.judged.stores()) <= 1
