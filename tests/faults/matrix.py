"""Every fault on the wire against every statement; the outcome of each cell follows from a few rules:

    fault     an idempotent request          a create
    fine      rows                           rows
    broken,   retried: rows,                 not retried: an error that says
    slow      or the connection's error      that the request may have been carried out
    status    retried: rows, or APIError     not retried: APIError, "may have" for 408 and 5xx
    limit     retried                        retried
    wrong     APIError                       APIError, "may have"
    refused   APIError                       APIError, "may have" for 3xx and 5xx
    absent    no row; a list: APIError       APIError

With errors='row', a SELECT returns a row with the reason instead of raising one of these errors.
A fault meets the first request, or all of them if it is `lasting`.

>>> with running() as sandbox: run(sandbox, fault, STATEMENTS["INSERT"], lasting=False)
"""

from __future__ import annotations

import itertools
import json
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import openai_vtab
from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Sandbox

from .table import ABSENT, BROKEN, CHANGE, CREATE, FINE, KEY, LIMIT, LIST, MOST, ONE, SLOW, STATUS, WRONG, Fault

BATCHES = "vector_store_file_batches"
NEXT = f"SELECT id, status FROM {BATCHES} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
INSERT = "INSERT INTO {table} (vector_store_id, file_ids) VALUES ('{store}', '[\"file-new-01\"]')"
COMMIT = ["BEGIN", *[INSERT] * 5, "COMMIT"]
LEDGER = f"CREATE VIRTUAL TABLE mine USING {BATCHES}"
FILES = 101  # in the list: one more than fit on a page
LIMITS = 0.05  # seconds for which a statement waits for rate limits; the number of retries varies
TIMEOUT = 0.6  # seconds, for slow faults; a response on a busy machine may take as long
# cells that run concurrently: those of slow faults wait; all others compute, so that each would last as long as all do
WAITING_AT_ONCE, COMPUTING_AT_ONCE = 14, 2
GRACE = 5.0  # seconds that a cell may take on a busy machine in addition to its timeouts


@dataclass(frozen=True)
class Statement:
    """SQL, and the requests it sends: `first` of them precede those that meet the fault. It returns `rows` rows."""

    kind: str
    sql: list[str]
    path: str
    method: str
    requests: int = 1
    rows: int = 0
    first: int = 0
    table: str = BATCHES
    failures: int = 0  # rows with a reason instead of an error

    @property
    def creates(self) -> int:
        """The number of batches that it creates."""
        return self.requests if self.kind == CREATE else 0


ID = f"FROM {BATCHES} WHERE vector_store_id = '{{store}}' AND batch_id"
STATEMENTS = {
    "SELECT": Statement(ONE, [f"SELECT * {ID} = '{{batches[0]}}'"], "file_batches/", "GET", 1, 1),
    "IN": Statement(ONE, [f"SELECT id {ID} IN {{batches}}"], "file_batches/", "GET", 5, 5),
    "IN, errors as rows": Statement(
        ONE, [f"SELECT error {ID} IN {{batches}}"], "file_batches/", "GET", 5, 5, failures=5
    ),
    "list": Statement(
        LIST,
        ["SELECT * FROM vector_store_files WHERE vector_store_id = '{store}'"],
        "files.*after=",
        "GET",
        2,
        FILES,
        first=1,
    ),
    "list, errors as rows": Statement(
        LIST,
        ["SELECT error FROM vector_store_files WHERE vector_store_id = '{store}'"],
        "files.*after=",
        "GET",
        2,
        FILES,
        first=1,
        failures=1,
    ),
    "cancel": Statement(
        CHANGE,
        [
            f"UPDATE {BATCHES} SET status = 'cancelled' WHERE vector_store_id = '{{store}}' AND batch_id = '{{batches[0]}}'"
        ],
        "cancel",
        "POST",
        2,
        first=1,
    ),
    "INSERT": Statement(CREATE, [INSERT], "file_batches", "POST"),
    "COMMIT": Statement(CREATE, COMMIT, "file_batches", "POST", 5),
    "ledger COMMIT": Statement(CREATE, COMMIT, "file_batches", "POST", 5, table="mine"),
}


@dataclass
class Seen:
    """The result of a cell."""

    rows: list[Any] = field(default_factory=list)
    error: Exception | None = None
    requests: int = 0
    created: list[str] = field(default_factory=list)  # on the server
    remembered: list[tuple[object, ...]] = field(default_factory=list)  # in the ledger: id, status
    seconds: float = 0.0
    secrets: str = field(default="", repr=False)
    after: list[object] = field(default_factory=list)  # the rows of the next statement


def retries(fault: Fault) -> int:
    """Return max_retries; a slow fault has fewer, because each attempt takes TIMEOUT."""
    return 1 if fault.effect == SLOW else 2


def modes(fault: Fault) -> tuple[bool, ...]:
    """Return the values of `lasting` to try: both for a fault that may pass, otherwise only True."""
    return (False, True) if fault.effect in (BROKEN, SLOW, STATUS, LIMIT) else (True,)


@contextmanager
def running() -> Iterator[Sandbox]:
    """Start a sandbox for any number of concurrent cells; retries do not wait."""
    with (
        sandbox_package.run(processing_seconds=3600, api_key=KEY) as sandbox,
        mock.patch("openai_vtab.transport.retries.FIRST_WAIT", 0.001),
    ):
        yield sandbox


_stores = itertools.count()


def run(sandbox: Sandbox, fault: Fault, statement: Statement, lasting: bool) -> Seen:
    """Run one cell, with a vector store and a connection of its own."""
    store = sandbox.add_store(f"vs_cell{next(_stores)}")
    batches = tuple(sandbox.add_batch(store, ["file-new-01"]) for _ in range(5 if statement.kind != LIST else 0))
    if statement.kind == LIST:
        sandbox.add_batch(store, [f"file-{n:03}" for n in range(FILES)])
    made = set(sandbox.batches)
    db = openai_vtab.connect(
        base_url=sandbox.base_url,
        api_key=KEY,
        timeout=TIMEOUT if fault.effect == SLOW else 10.0,
        max_retries=retries(fault),
        rate_limit_wait=LIMITS,
        max_concurrency=2,
        max_answer_bytes=MOST,
        errors="row" if statement.failures else "raise",
    )
    seen = Seen()
    try:
        if statement.table != BATCHES:
            db.execute(LEDGER.replace("mine", statement.table))
        times = None if lasting else 1
        injection = sandbox.inject(fault.on_wire, times, statement.method, f"/{store}/.*{statement.path}")
        before = time.monotonic()
        try:
            for sql in statement.sql:
                seen.rows += db.execute(sql.format(store=store, batches=batches, table=statement.table)).fetchall()
        except Exception as error:
            seen.error = error
            seen.secrets = everything(error)
        seen.seconds = time.monotonic() - before
        seen.requests = len([r for r in sandbox.requests if f"/{store}/" in r.path])
        injection.times = 0
        with suppress(openai_vtab.Error):
            seen.after = db.execute(NEXT).fetchall()
        if statement.table != BATCHES:
            seen.remembered = db.execute(f"SELECT id, status FROM {statement.table}_ledger").fetchall()
        seen.secrets += str(db.execute("SELECT * FROM openai_requests").fetchall()) + str(seen.rows)
    finally:
        db.close()
    seen.created = [id for key in set(sandbox.batches) - made if key[0] == store for id in key[1:]]
    return seen


@dataclass(frozen=True)
class Cell:
    """A cell of a row: its column (a statement, a door), what distinguishes it within the column, and its outcome."""

    column: str
    variant: str
    outcome: str
    problem: str = ""


def judged(column: str, variant: str, judge: Callable[[], str], seen: object) -> Cell:
    """Return the cell with the outcome that `judge` returns, or with the assertion that fails there and what was seen."""
    try:
        return Cell(column, variant, judge())
    except AssertionError as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        return Cell(column, variant, "FAILED", f"{line}: {seen}"[:1000])


def cells(sandbox: Sandbox, fault: Fault) -> list[Cell]:
    """Run one fault against every statement, concurrently."""
    pairs = list(itertools.product(STATEMENTS, modes(fault)))
    with ThreadPoolExecutor(WAITING_AT_ONCE if fault.effect == SLOW else COMPUTING_AT_ONCE) as pool:
        seen = list(pool.map(lambda pair: run(sandbox, fault, STATEMENTS[pair[0]], pair[1]), pairs))
    return [
        judged(name, "lasting" if lasting else "", partial(judge, fault, STATEMENTS[name], lasting, one), one)
        for (name, lasting), one in zip(pairs, seen, strict=True)
    ]


def everything(error: BaseException | None) -> str:
    """Return all text of an exception and of its causes, none of which may hold the key."""
    found: list[str] = []
    while error is not None:
        found += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(found)


@dataclass(frozen=True)
class Outcome:
    """The outcome by the rules: `error` is None for rows; `unknown` means that a create may have been carried out."""

    error: type[Exception] | None
    unknown: bool
    attempts: int  # for each request that meets the fault


def expected(fault: Fault, statement: Statement, lasting: bool) -> Outcome:
    """Return the outcome by the rules."""
    effect = fault.effect
    create = statement.kind == CREATE
    if effect == FINE or (effect == ABSENT and statement.kind == ONE):
        return Outcome(None, False, 1)
    retried = effect == LIMIT or (effect in (BROKEN, SLOW, STATUS) and not create)
    if retried and not lasting:
        return Outcome(None, False, 2)
    error = {BROKEN: openai_vtab.APIConnectionError, SLOW: openai_vtab.APITimeoutError}.get(
        effect, openai_vtab.APIError
    )
    status = fault.status or 0
    unknown = create and effect != LIMIT and (status < 400 or status == 408 or status >= 500)
    return Outcome(error, unknown, 1 + retries(fault) if retried else 1)


def judge(fault: Fault, statement: Statement, lasting: bool, seen: Seen) -> str:
    """Return the outcome in a few words; raise AssertionError if the rules say otherwise."""
    outcome = expected(fault, statement, lasting)
    effect = fault.effect
    assert KEY not in seen.secrets
    assert seen.after == [("vsfb_demo_finished", "completed")]
    patience = (TIMEOUT if effect == SLOW else 0.0) * (1 + retries(fault)) * statement.requests
    assert seen.seconds < patience + GRACE
    if outcome.error is None:
        assert seen.error is None, seen.error
        assert len(seen.rows) == (0 if effect == ABSENT else statement.rows)
        extra = (outcome.attempts - 1) * (statement.requests - statement.first if lasting else 1)
        late = retries(fault) if effect == SLOW else 0  # other requests may be late, too, on a busy machine
        assert statement.requests + extra <= seen.requests <= statement.requests + extra + late
        _created(fault, statement, seen, done=statement.creates, unknown=0)
        return ("no row" if effect == ABSENT else "ok") + (f", {extra} retried" if extra else "")
    if statement.failures:
        return _judge_rows(outcome, fault, statement, seen)
    error = seen.error
    if isinstance(error, openai_vtab.WriteError):
        return _judge_several(outcome, statement, fault, seen, error)
    assert type(error) is outcome.error, error
    assert statement.creates <= 1
    most = outcome.attempts * (statement.requests - statement.first) * (100 if fault.status == 429 else 1)
    late = retries(fault) * statement.first if effect == SLOW else 0
    assert statement.first + outcome.attempts <= seen.requests <= statement.first + most + late
    text = str(error)
    assert text.startswith(f"{statement.method} http://127.0.0.1")
    if fault.effect == STATUS or (fault.status or 0) >= 300:
        assert f"answered {fault.status}" in text
    if isinstance(error, openai_vtab.APIConnectionError):
        assert error.sent
        assert ("no response within" if effect == SLOW else "the connection broke") in text
    elif isinstance(error, openai_vtab.APIError):
        assert error.status == fault.status or effect == WRONG
    assert ("may have been carried out" in text) is outcome.unknown
    assert not outcome.unknown or "/files)" in text
    _created(fault, statement, seen, done=0, unknown=int(outcome.unknown))
    how = f"{type(error).__name__}" + (f", {outcome.attempts - 1} retried" if outcome.attempts > 1 else "")
    return how + (", may have" if outcome.unknown else "")


def _judge_rows(outcome: Outcome, fault: Fault, statement: Statement, seen: Seen) -> str:
    assert seen.error is None, seen.error
    assert len(seen.rows) == statement.rows  # a list returns the rows before the fault, and the reason
    reasons = [json.loads(why) for (why,) in seen.rows if why is not None]
    assert len(reasons) == statement.failures
    answered = outcome.error is openai_vtab.APIError
    assert {why["status"] for why in reasons} == {fault.status if answered else None} or fault.effect == WRONG
    assert all(why["message"] for why in reasons)
    return "rows with the reason"


def _judge_several(
    outcome: Outcome, statement: Statement, fault: Fault, seen: Seen, error: openai_vtab.WriteError
) -> str:
    unsent = [why for _, why in error.not_done if why == "not sent"]
    refused = [why for _, why in error.not_done if why != "not sent"]
    done = len(error.done)
    assert done + len(error.unknown) + len(error.not_done) == statement.creates == 5
    assert bool(error.unknown) is outcome.unknown
    assert bool(refused) is not outcome.unknown
    met = len(error.unknown) + len(refused)
    # Once a request has failed, those under way are not retried any more.
    assert done + met <= seen.requests <= done + met * outcome.attempts * (100 if fault.status == 429 else 1)
    for _, why in error.unknown:
        assert "may have been carried out" in why
        assert "(GET /vector_stores/" in why
    for _, id in error.done:
        assert id in seen.created
        assert id in str(error)
    _created(fault, statement, seen, done, len(error.unknown))
    names = {"done": done, "may have": len(error.unknown), "refused": len(refused), "not sent": len(unsent)}
    return "WriteError" + (", may have" if outcome.unknown else "") + ("" if sum(names.values()) == 5 else "?")


def _created(fault: Fault, statement: Statement, seen: Seen, done: int, unknown: int) -> None:
    """Nothing is created twice; the ledger lists what was created, and what may have been."""
    assert len(seen.created) == done + (unknown if fault.carried_out else 0)
    if statement.table != BATCHES:
        assert len([id for id, _ in seen.remembered if id is not None]) == done
        assert [status for id, status in seen.remembered if id is None] == ["unknown"] * unknown
