"""Starts the trials, sends the signals, and judges: what the server saw against what the ledger has.

Each trial is a process of its own on a database file of its own, over one server.

>>> account = run(Path("/tmp/x"), seed=7, seconds=10)
>>> account.findings
[]
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

import openai_vtab
from openai_vtab.ledger.intent_file import left_behind

from .child import CONCURRENCY, KEY, PATIENCE, ROWS, Orders, child, connected, recovery
from .server import LATENCY, Server, serving

JOURNALS = ("wal", "delete")
KINDS = ("kill", "interrupt", "two interrupts", "exit by a handler", "exit by progress")


@dataclass
class Account:
    """What came of the trials."""

    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, orders: Orders, problems: list[str], counts: Counter[str]) -> None:
        self.findings += [f"{problem} ({orders})" for problem in problems]
        self.counts += counts


class Trials:
    """Runs trials over one server and one folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(["tests.soak.interrupts.child"])
        self.span = dict.fromkeys([True, False], 0.0)  # seconds of an undisturbed commit, by `explicit`
        for journal in JOURNALS:
            db = openai_vtab.connect(folder / f"{journal}.db", base_url=server.url(), api_key=KEY)
            db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
            db.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches; CREATE TABLE journal (n)")
            db.close()

    def measure(self) -> None:
        """How long an undisturbed commit takes."""
        for explicit in (True, False):
            taken = []
            for number in range(5):
                orders = Orders(-number, "none", "delete", True, explicit, False, 0.0, 0.0, None)
                began = time.monotonic()
                self._prepare(orders)
                with self._started(child, orders) as (process, pipe):
                    pipe.recv()
                    began = time.monotonic()
                    pipe.send("no signal")
                    assert pipe.poll(PATIENCE), "an undisturbed commit does not end"
                    report = pipe.recv()
                    assert report["committed"], report
                    taken.append(time.monotonic() - began)
                    process.join(PATIENCE)
            self.span[explicit] = statistics.median(taken) * 1.1

    def run(self, orders: Orders) -> tuple[list[str], Counter[str]]:
        """One trial: what is wrong, and what is counted."""
        self._prepare(orders)
        counts: Counter[str] = Counter({"trials": 1, f"trials, {orders.kind}, {orders.journal}": 1})
        report: dict[str, Any] | None = None
        with self._started(child, orders) as (process, pipe):
            pipe.recv()
            signals = {"interrupt": [signal.SIGINT], "two interrupts": [signal.SIGINT] * 2}.get(orders.kind, [])
            if orders.kind == "kill":
                signals = [signal.SIGKILL]
            elif orders.kind == "exit by a handler":
                signals = [signal.SIGTERM]
            time.sleep(orders.moment * self.span[orders.explicit])
            for place, number in enumerate(signals):
                time.sleep(orders.pause if place else 0)
                with suppress(ProcessLookupError):
                    os.kill(process.pid or 0, number)
            if orders.kind != "kill":
                pipe.send("sent")
                if pipe.poll(PATIENCE * 2):
                    with suppress(EOFError):
                        report = pipe.recv()
            process.join(PATIENCE if report is not None or orders.kind == "kill" else 0)
            if process.exitcode is None:
                os.kill(process.pid or 0, signal.SIGABRT)
                process.join()
            # 255: two threads here have asked for its status at once, and only one of them was told
            if process.exitcode not in (-signal.SIGKILL if orders.kind == "kill" else 0, 255):
                return [f"the process has ended with {process.exitcode}"], counts
        time.sleep(LATENCY)  # what the dead one has sent is read
        if report is None and orders.kind != "kill":
            return ["it has said nothing"], counts
        try:
            problems = self._judge(orders, report or {}, counts)
        finally:
            for path in self.folder.glob(f"{Path(orders.file).name}*"):
                path.unlink()
        return problems, counts

    def _prepare(self, orders: Orders) -> None:
        orders.file = str(self.folder / f"trial{orders.number}.db")
        orders.base_url = self.server.url()
        shutil.copy(self.folder / f"{orders.journal}.db", orders.file)

    @contextmanager
    def _started(self, target: Callable[[Orders, Any], None], orders: Orders) -> Iterator[tuple[Any, Any]]:
        ours, theirs = self.processes.Pipe()
        process = self.processes.Process(target=target, args=(orders, theirs))
        process.start()
        theirs.close()
        try:
            yield process, ours
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            process.close()
            ours.close()

    def _judge(self, orders: Orders, report: dict[str, Any], counts: Counter[str]) -> list[str]:
        problems: list[str] = []
        begun = begun_in(orders.file)
        if orders.kind == "kill":
            counts["intents left"] += bool(begun is not None)
            self._recover(orders)
        problems += _left(orders, report)
        seen = {mark: self.server.seen[mark] for mark in orders.marks if mark in self.server.seen}
        counts["creates seen"] += sum(map(len, seen.values()))
        problems += [f"{mark} was created twice" for mark, ids in seen.items() if len(ids) > 1]
        late = [mark for mark, ids in seen.items() if ids[0][1] > report.get("raised", math.inf)]
        counts["seen after it was raised"] += len(late)
        if len(late) > CONCURRENCY:
            problems.append(f"{len(late)} were sent after it was raised")
        counts[f"ended with {report.get('error')}"] += 1
        committed = report.get("committed", False)
        rows = ledger_of(orders.file)
        if orders.ledger:
            journal = rows.pop("journal")
            if journal and len(rows) != ROWS:
                problems.append(f"the journal has a row, the ledger {len(rows)}")
            if committed and orders.explicit and not journal:
                problems.append("committed, and the journal has no row")
            for mark in orders.marks:
                problems += self._judge_row(mark, seen.get(mark, []), rows.pop(mark, None), begun, committed, counts)
            problems += [f"the ledger has {mark} {row}" for mark, row in rows.items()]
        elif committed and len(seen) != ROWS:
            problems.append(f"committed, and {len(seen)} were created")
        whole = not orders.ledger and len(seen) == ROWS and (not orders.explicit or rows["journal"])
        if whole:
            return problems  # the interrupt may have come when SQLite had committed
        if "told" in report and orders.kind != "two interrupts":  # of which the second may cut the list short
            problems += self._judge_told(orders, report["told"], seen)
        elif not orders.ledger and not committed and seen:
            counts["creates named by nobody, without a ledger"] += len(seen)
            if orders.kind != "two interrupts":
                problems.append(f"{len(seen)} were created, and {report.get('error')} does not name them")
        return problems

    def _judge_row(
        self,
        mark: str,
        ids: list[tuple[str, float]],
        row: tuple[str | None, str] | None,
        begun: set[str] | None,
        committed: bool,
        counts: Counter[str],
    ) -> Iterator[str]:
        if row is None:
            if ids:
                counts["lost"] += 1
                yield f"{mark}, created as {ids}, is lost"
            elif committed:
                yield f"{mark} is committed, and was never created"
        elif row[0] is not None:
            counts["by id"] += 1
            if not ids or row[0] != ids[0][0] or row[1] == "queued":
                yield f"{mark}, created as {ids}, is {row}"
        else:
            counts["unknown"] += bool(ids)
            counts["phantom unknowns"] += not ids
            if row[1] != "unknown" or committed:
                yield f"{mark}, created as {ids}, is {row}"
            if not ids and begun is not None and mark not in begun:
                yield f"{mark} was never begun, and is {row}"

    def _judge_told(self, orders: Orders, told: dict[str, Any], seen: dict[str, Any]) -> Iterator[str]:
        ids = {id for created in seen.values() for id, _ in created}
        done = {id for _, id in told["done"]}
        if not done <= ids:
            yield f"told to be done, and never created: {done - ids}"
        if len(ids) > len(done) + len(told["unknown"]):
            yield f"{len(ids)} were created; told are {len(done)} done and {len(told['unknown'])} unknown"
        if len(done) + len(told["unknown"]) + len(told["not_done"]) != ROWS:
            yield f"told of {told}, which are not {ROWS} rows"

    def _recover(self, orders: Orders) -> None:
        if orders.recovery is not None:  # and the one that recovers is killed as well
            with self._started(recovery, orders) as (process, pipe):
                pipe.recv()
                time.sleep(orders.recovery * 0.01)
                process.kill()
                process.join()
        db = connected(orders)
        db.set_busy_timeout(2000)
        db.execute("SELECT count(*) FROM mine").fetchall()
        db.execute("SELECT count(*) FROM mine").fetchall()
        db.close()


def _left(orders: Orders, report: dict[str, Any]) -> Iterator[str]:
    """Files and threads that must not be there any more."""
    if left := [path.name for path in left_behind(orders.file)] + report.get("left", []):
        yield f"intents are left: {left}"
    if report.get("threads"):
        yield f"threads are left: {report['threads']}"


def begun_in(file: str) -> set[str] | None:
    """The marks that the intents beside a file say to have begun; None when there are none."""
    paths = left_behind(file)
    if not paths:
        return None
    marks: dict[str, str] = {}
    begun: set[str] = set()
    for path in paths:
        for text in path.read_bytes().splitlines():
            with suppress(ValueError):
                line = json.loads(text)
                if "intent" in line:
                    marks[line["intent"]] = line["sent"]["attributes"]["mark"]
                elif "begun" in line:
                    begun.add(marks[line["begun"]])
    return begun


def ledger_of(file: str) -> dict[str, Any]:
    """Each mark's id and status, and how many rows the journal has."""
    db = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READWRITE)
    assert db.execute("PRAGMA integrity_check").get == "ok"
    found: dict[str, Any] = {"journal": db.execute("SELECT count(*) FROM journal").get}
    for id, status, sent in db.execute("SELECT id, status, sent FROM mine_ledger"):
        mark = json.loads(sent)["attributes"]["mark"]
        assert mark not in found, f"{mark} has two rows"
        found[mark] = (id, status)
    db.close()
    return found


def choices(seed: int, kinds: tuple[str, ...]) -> Iterator[Orders]:
    """The trials of a seed, without an end: the kinds and journal modes in turn, all else by chance."""
    chance = random.Random(seed)  # noqa: S311
    number = 0
    while True:
        for kind in kinds:
            for journal in JOURNALS:
                number += 1
                yield Orders(
                    number,
                    kind,
                    journal,
                    ledger=kind == "kill" or chance.random() < 0.75,
                    explicit=chance.random() < 0.6,
                    often=chance.random() < 0.7,
                    moment=chance.random(),
                    pause=chance.choice((0.0, chance.uniform(0, 0.003), chance.uniform(0, 0.05))),
                    recovery=chance.random() if chance.random() < 0.3 else None,
                )


def run(
    folder: Path, seed: int, *, trials: int | None = None, seconds: float | None = None, kinds: tuple[str, ...] = KINDS,
    at_once: int = 2,
) -> Account:  # fmt: skip
    """Trials until so many are done, or so many seconds have passed."""
    account = Account()
    end = None if seconds is None else time.monotonic() + seconds
    with serving() as server, ThreadPoolExecutor(at_once) as pool:
        runner = Trials(folder, server)
        runner.measure()
        wanted = choices(seed, kinds)
        lock = threading.Lock()
        started = 0

        def work() -> None:
            nonlocal started
            while True:
                with lock:
                    if started == trials or (end is not None and time.monotonic() > end):
                        return
                    started += 1
                    orders = next(wanted)
                problems, counts = runner.run(orders)
                with lock:
                    account.add(orders, problems, counts)

        for future in [pool.submit(work) for _ in range(at_once)]:
            future.result()
    return account
