"""Random transactions against a model: what is created is what was committed, in spite of savepoints and failures."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import openai_vtab
from openai_vtab import sandbox as sandbox_package

from ..support.slow import few_and_many

T = "vector_store_file_batches"


class Transactions(RuleBasedStateMachine):
    """`sent` and `journal` are what must be there; `open` is the stack of savepoints with what each has added."""

    def __init__(self) -> None:
        super().__init__()
        self.context = sandbox_package.run(processing_seconds=3600)
        self.sandbox = self.context.__enter__()
        self.db = openai_vtab.connect(base_url=self.sandbox.base_url, api_key=self.sandbox.api_key)
        self.db.create_scalar_function("refuse", self._refuse, 1)
        self.db.execute("CREATE TABLE journal (n INTEGER)")
        self.numbers = itertools.count()
        self.sent: list[int] = []
        self.journal: list[int] = []
        self.open: list[tuple[str, list[int], list[int], list[int]]] = []  # name, queued, journal rows, sent early

    def teardown(self) -> None:
        self.db.close(True)
        self.context.__exit__(None, None, None)

    @staticmethod
    def _refuse(value: Any) -> Any:
        if value == 2:
            raise ZeroDivisionError("refused")
        return value

    def added(self, batches: list[int], journal: list[int], early: list[int] | None = None) -> None:
        if self.open:
            self.open[-1][1].extend(batches)
            self.open[-1][2].extend(journal)
            self.open[-1][3].extend(early or [])
        else:
            self.sent += batches
            self.journal += journal

    @rule(count=st.integers(1, 3))
    def insert(self, count: int) -> None:
        """One statement, one or several rows, and as many in the journal."""
        numbers = [next(self.numbers) for _ in range(count)]
        rows = ", ".join(f"('vs_demo', '[\"file-new-01\"]', '{{\"n\": {n}}}')" for n in numbers)
        self.db.execute(f"INSERT INTO {T} (vector_store_id, file_ids, attributes) VALUES {rows}")
        self.added(numbers, [])

    @rule()
    def cancel(self) -> None:
        """An UPDATE reads first, which sends what other statements have queued; its own request waits for COMMIT."""
        number = next(self.numbers)
        self.sandbox.add_batch("vs_demo", ["file-new-01"], id=f"vsfb_{number}")
        where = f"vector_store_id = 'vs_demo' AND batch_id = 'vsfb_{number}'"
        self.db.execute(f"UPDATE {T} SET status = 'cancelled' WHERE {where}")
        self.everything_queued_is_sent()
        self.added([number], [])

    @rule()
    def write_locally(self) -> None:
        number = next(self.numbers)
        self.db.execute("INSERT INTO journal VALUES (?)", (number,))
        self.added([], [number])

    @rule(how=st.sampled_from(["a wrong row", "a function", "a constraint"]), count=st.integers(1, 3))
    def insert_that_fails(self, how: str, count: int) -> None:
        """Its last row is refused, by us, by a function, or by SQLite: no row of it counts."""
        attributes = {
            "a wrong row": "iif(value = 2, '[]', '{}')",
            "a function": "iif(refuse(value), '{}', '{}')",
            "a constraint": "iif(value = 2, json('{'), '{}')",
        }[how]
        values = "[" + ",".join(map(str, range(3 - count, 3))) + "]"
        with pytest.raises((openai_vtab.RowError, ZeroDivisionError, apsw.SQLError)):
            self.db.execute(
                f"INSERT INTO {T} (vector_store_id, file_ids, attributes) "
                f"SELECT 'vs_demo', '[\"file-new-01\"]', {attributes} FROM json_each(?)",
                (values,),
            )

    @precondition(lambda self: not self.open)
    @rule()
    def begin(self) -> None:
        self.db.execute("BEGIN")
        self.open.append(("BEGIN", [], [], []))

    @rule(name=st.sampled_from("abc"))
    def savepoint(self, name: str) -> None:
        self.db.execute(f"SAVEPOINT {name}")
        self.open.append((name, [], [], []))

    def place(self, name: str) -> int:
        """Where the innermost savepoint of a name is, -1 when there is none."""
        return max((n for n, entry in enumerate(self.open) if entry[0] == name), default=-1)

    @rule(name=st.sampled_from("abc"))
    def rollback_to(self, name: str) -> None:
        at = self.place(name)
        if at >= 0:
            self.db.execute(f"ROLLBACK TO {name}")
            del self.open[at + 1 :]
            self.open[at] = (name, [], [], [])

    @rule(name=st.sampled_from("abc"))
    def release(self, name: str) -> None:
        at = self.place(name)
        if at >= 0:
            self.db.execute(f"RELEASE {name}")
            released = self.open[at:]
            del self.open[at:]
            for _, batches, journal, early in released:
                self.added(batches, journal, early)

    @precondition(lambda self: self.open)
    @rule()
    def commit(self) -> None:
        self.db.execute("COMMIT")
        everything, self.open = self.open, []
        for _, batches, journal, _ in everything:
            self.added(batches, journal)

    @precondition(lambda self: self.open)
    @rule()
    def rollback(self) -> None:
        self.db.execute("ROLLBACK")
        self.open = []

    @precondition(lambda self: self.open)
    @rule()
    def commit_that_fails(self) -> None:
        """One row of it is refused by the API: nothing local stays, and the error lists what is there all the same."""
        self.db.execute(f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_gone', '[\"file-new-01\"]')")
        queued = [n for _, batches, _, _ in self.open for n in batches]
        early = [n for _, _, _, early in self.open for n in early]
        with pytest.raises((openai_vtab.APIError, openai_vtab.WriteError)) as caught:
            self.db.execute("COMMIT")
        assert not self.db.in_transaction
        self.open = []
        done = len(getattr(caught.value, "done", []))
        beside = [n for n in self.created() if n in queued]
        assert len(beside) + len(early) == done
        self.sent += beside

    @precondition(lambda self: self.open)
    @rule()
    def read(self) -> None:
        """It sends what is queued, which no rollback undoes."""
        sql = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
        assert self.db.execute(sql).get == "completed"
        self.everything_queued_is_sent()

    def everything_queued_is_sent(self) -> None:
        for _, batches, _, early in self.open:
            self.sent += batches
            early.extend(batches)
            batches.clear()

    def created(self) -> list[int]:
        """The numbers of the batches that the API was asked to create, or to cancel, and did."""
        posts = [r for r in list(self.sandbox.requests) if r.method == "POST" and r.status == 200]
        return [
            r.body["attributes"]["n"] if r.body else int(r.path.split("/")[-2].removeprefix("vsfb_")) for r in posts
        ]

    @invariant()
    def the_api_has_what_was_committed(self) -> None:
        assert sorted(self.created()) == sorted(self.sent)

    @invariant()
    def so_has_the_journal(self) -> None:
        uncommitted = [n for _, _, journal, _ in self.open for n in journal]
        assert self.db.execute("SELECT n FROM journal ORDER BY n").fetchall() == [
            (n,) for n in sorted(self.journal + uncommitted)
        ]


class LedgerTransactions(Transactions):
    """The same through a ledger: created under the module's own name, it takes every statement of the rules.

    What was created, cancelled or looked up must be listed, and nothing else. What a transaction has looked up is
    listed when it is over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.db.execute(f"CREATE VIRTUAL TABLE {T} USING {T}")
        self.looked_up: set[str] = set()

    def everything_queued_is_sent(self) -> None:
        super().everything_queued_is_sent()
        asked = [r.path.rpartition("/")[2] for r in list(self.sandbox.requests) if r.method == "GET"]
        self.looked_up |= {id for id in asked if id.removeprefix("vsfb_").isdigit() or id == "vsfb_demo_finished"}

    @rule()
    def adopt(self) -> None:
        """Looked up at COMMIT, and undone with it: nothing that the API has carried out."""
        number = next(self.numbers)
        self.sandbox.add_batch("vs_demo", ["file-new-01"], id=f"vsfb_adopted_{number}")
        keys = f"('vs_demo', 'vsfb_adopted_{number}')"
        self.db.execute(f"SAVEPOINT z; INSERT INTO {T} (vector_store_id, id) VALUES {keys}; ROLLBACK TO z; RELEASE z")

    @precondition(lambda self: not self.open)
    @rule()
    def list(self) -> None:
        """Every batch once, those made by the rules with what was sent, and as the API has them."""
        rows = self.db.execute(f"SELECT id, status, attributes ->> 'n' FROM {T}").fetchall()
        ids = [id for id, _, _ in rows]
        assert len(set(ids)) == len(ids)
        for id, status, _ in rows:
            assert status == self.sandbox.batches["vs_demo", id]["status"]

    @invariant()
    def the_ledger_lists_what_the_api_has(self) -> None:
        if self.open:
            return
        rows = self.db.execute(f"SELECT id, attributes ->> 'n' FROM {T}").fetchall()
        made = {
            id for _, id in self.sandbox.batches if not id.startswith(("vsfb_demo", "vsfb_archive", "vsfb_adopted"))
        }
        made = {id for id in made if not id.removeprefix("vsfb_").isdigit()}
        assert {id for id, _ in rows} == made | self.looked_up
        numbers = {r.body["attributes"]["n"] for r in self.sandbox.requests if r.body and r.status == 200}
        assert {n for _, n in rows if n is not None} == numbers

    @invariant()
    def nothing_is_queued_for_ever(self) -> None:
        if not self.open:
            assert self.db.execute(f"SELECT count(*) FROM {T}_ledger WHERE status = 'queued'").get == 0


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings about what a rollback cannot undo are meant here."""
    logger = logging.getLogger("openai_vtab")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@pytest.mark.parametrize("examples", few_and_many(4, 100))
@pytest.mark.parametrize("machine", [Transactions, LedgerTransactions])
def test_random_transactions(machine: type[Transactions], examples: int) -> None:
    """Some hundred steps, each compared with the model."""
    with quiet():
        run_state_machine_as_test(
            machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, derandomize=True)
        )
