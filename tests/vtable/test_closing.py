"""Registration, threads, closing, exit: what a connection takes with it when it goes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.sandbox import Slow

from ..support.waiting import until

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
IN = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_demo_failures', 'vsfb_b', 'vsfb_c', 'vsfb_d', 'vsfb_demo_finished')"


EARLIER: set[threading.Thread] = set()  # of connections that other tests keep alive


@pytest.fixture(autouse=True)
def _threads_of_earlier_tests() -> None:
    """Look only at threads that the test itself has started."""
    EARLIER.clear()
    EARLIER.update(threading.enumerate())


def ours() -> list[str]:
    threads = [thread for thread in threading.enumerate() if thread not in EARLIER]
    return [thread.name for thread in threads if thread.name.startswith("openai_vtab")]


def wait_for_no_threads(patience: float = 20) -> None:
    deadline = time.monotonic() + patience
    while ours() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert ours() == []


def python(code: str, sandbox: Any, *, status: int = 0) -> str:
    """Run a program in an interpreter of its own, whose memory is checked; its output. It says nothing of errors."""
    # a fork is not measured: coverage's threads and locks are those of the parent, and its child would wait for them
    measured = "os.fork" not in code
    environment = {
        **{name: value for name, value in os.environ.items() if measured or not name.startswith("COVERAGE_")},
        "OPENAI_BASE_URL": sandbox.base_url,
        "OPENAI_API_KEY": sandbox.api_key,
        "PYTHONMALLOC": "debug",
    }
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-X", "faulthandler", "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == status
    return done.stdout


def test_register_on_any_connection(sandbox: Any) -> None:
    """An open apsw.Connection gets the table and the function."""
    db = apsw.Connection(":memory:")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    assert db.execute(SELECT).get == "completed"
    db.close()


def test_register_as_a_connection_hook(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every apsw.Connection from then on."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.api_key)
    apsw.connection_hooks.append(openai_vtab.register)
    try:
        db = apsw.Connection(":memory:")
        assert db.execute(SELECT).get == "completed"
        db.close()
    finally:
        apsw.connection_hooks.remove(openai_vtab.register)


def test_register_again_replaces_the_settings(connect: Any, sandbox: Any) -> None:
    """The tables answer with the new ones; the old threads end."""
    db = connect(api_key="wrong")
    with pytest.raises(openai_vtab.APIError):
        db.execute(SELECT).fetchall()
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    assert db.execute(SELECT).get == "completed"


def test_threads_start_when_needed_and_end_with_the_connection(connect: Any) -> None:
    """None before the first request, none after close()."""
    wait_for_no_threads()
    db = connect()
    db.execute("SELECT 1").fetchall()
    assert ours() == []
    db.execute(IN).fetchall()
    assert 1 <= len(ours()) <= 5
    db.close()
    wait_for_no_threads()


def test_threads_end_with_a_dropped_connection(sandbox: Any) -> None:
    """Without close(), by reference counting or the garbage collector."""
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(IN).fetchall()
    cursor = db.execute(IN)
    next(cursor)
    del db, cursor
    gc.collect()
    wait_for_no_threads()


def test_cursor_that_is_half_read_may_be_dropped(connect: Any, requests: Any) -> None:
    """And the connection works on."""
    db = connect()
    cursor = db.execute(IN)
    next(cursor)
    del cursor
    gc.collect()
    assert db.execute(SELECT).get == "completed"


def test_close_in_the_middle_of_a_scan(connect: Any) -> None:
    """close(True) ends the scan; reading on is APSW's own error."""
    db = connect()
    cursor = db.execute(IN + f" UNION ALL {SELECT}")
    next(cursor)
    db.close(True)
    with pytest.raises((apsw.CursorClosedError, apsw.ConnectionClosedError)):
        next(cursor)
    wait_for_no_threads()


@pytest.mark.slow
def test_exit_of_a_program_that_closes_nothing(sandbox: Any) -> None:
    """Exit status 0, no traceback, with a half-read cursor and idle threads."""
    code = f"import openai_vtab; db = openai_vtab.connect(); c = db.execute({IN!r}); print(next(c)[0])"
    assert python(code, sandbox) == "vsfb_demo_failures\n"


def test_exit_while_requests_are_under_way(sandbox: Any) -> None:
    """The interpreter does not wait for answers that nobody wants any more."""
    sandbox.latency = 60
    code = (
        "import openai_vtab, threading, time, apsw\n"
        "db = openai_vtab.connect()\n"
        "threading.Timer(0.3, db.interrupt).start()\n"
        f"try: db.execute({SELECT!r}).fetchall()\n"
        "except apsw.InterruptError: print('interrupted')\n"
    )
    begin = time.monotonic()
    assert python(code, sandbox) == "interrupted\n"
    assert time.monotonic() - begin < 50


def test_import_loads_few_modules(sandbox: Any) -> None:
    """Neither apsw nor requests is loaded by the import, and requests not before the first request."""
    code = (
        "import sys, openai_vtab\n"
        "print('apsw' in sys.modules, 'requests' in sys.modules)\n"
        "db = openai_vtab.connect()\n"
        "print('requests' in sys.modules)\n"
        f"print(db.execute({SELECT!r}).get, 'requests' in sys.modules)\n"
    )
    assert python(code, sandbox) == "False False\nFalse\ncompleted True\n"


@pytest.mark.slow
def test_fork_uses_threads_of_its_own(sandbox: Any) -> None:
    """The child of a process that has already asked can open a connection of its own."""
    code = (
        "import os, openai_vtab\n"
        f"sql = {SELECT!r}\n"
        "db = openai_vtab.connect(); db.execute(sql).fetchall(); db.close()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    print(openai_vtab.connect().execute(sql).get, flush=True)\n"
        "    os._exit(0)\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    assert python(code, sandbox) == "completed\n0\n"


def test_threads_share_one_connection_in_turn(connect: Any) -> None:
    """APSW serialises them; the table does not mind which thread asks."""
    db = connect()
    found: list[object] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: found.append(db.execute(SELECT).get))
        thread.start()
        thread.join()
    assert found == ["completed"] * 2


@pytest.mark.slow
def test_exit_with_an_open_connection_does_not_crash(sandbox: Any) -> None:
    """A connection in another module's function is freed after APSW itself would be: it is closed before."""
    code = (
        "import sys, openai_vtab, openai_vtab.planner as plan\n"
        "db = openai_vtab.connect()\n"
        "choose = plan.choose\n"
        "def keeping(*given, **more): return choose(*given, **more)\n"
        "plan.choose = keeping\n"
        f"print(db.execute({SELECT!r}).get)\n"
    )
    assert python(code, sandbox) == "completed\n"


def test_connections_may_be_many(connect: Any) -> None:
    """APSW protects the ledgers of 33 at once; the others only lack the protection."""
    opened = [connect() for _ in range(50)]
    for db in opened:
        db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    assert [db.execute(SELECT).get for db in (opened[0], opened[-1])] == ["completed"] * 2
    for db in (opened[0], opened[-1]):
        assert db.execute("SELECT count(*) FROM mine").get == 0


# what waits, and what it becomes when the connection is interrupted or closed meanwhile

WAITING = {
    "look-up": SELECT,
    "IN list": IN,
    "join": f"SELECT status FROM (VALUES ('vsfb_b'), ('vsfb_c'), ('vsfb_d')) JOIN {T} ON batch_id = column1 WHERE vector_store_id = 'vs_demo'",
    "list": "SELECT id FROM files",
    "wait": f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running' AND wait_seconds = 60",
    "INSERT": INSERT,
    "UPDATE": f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'",
    "function": "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
    "COMMIT": "COMMIT",
    "ledger": "SELECT * FROM mine",
    "search": "SELECT * FROM vector_store_search('vs_demo', 'returns')",
}


def waiting(db: Any, sandbox: Any, what: str, outcome: list[Any]) -> threading.Thread:
    """A thread that waits for an answer, or for something to be finished."""
    db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    db.execute("INSERT INTO mine (id, vector_store_id) VALUES ('vsfb_demo_running', 'vs_demo')")
    if what == "COMMIT":
        db.execute(f"BEGIN; {INSERT}; {INSERT}")
    sandbox.requests.clear()
    if what != "wait":
        sandbox.inject(Slow(30), times=None)

    def run() -> None:
        try:
            outcome.append(db.execute(WAITING[what]).fetchall())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: sandbox.requests)
    time.sleep(0.1 if what == "wait" else 0.02)
    return thread


@pytest.mark.parametrize("what", WAITING)
def test_interrupt_ends_every_kind_of_wait(connect: Any, sandbox: Any, what: str) -> None:
    """From another thread; the connection works on."""
    db = connect()
    outcome: list[Any] = []
    thread = waiting(db, sandbox, what, outcome)
    db.interrupt()
    thread.join(20)
    assert not thread.is_alive(), "it would have waited for half a minute"
    assert isinstance(outcome[0], apsw.InterruptError | openai_vtab.WriteError)
    sandbox.clear_faults()
    if db.in_transaction:
        db.execute("ROLLBACK")
    assert db.execute(SELECT).get == "completed"


@pytest.mark.parametrize("what", WAITING)
def test_close_during_every_kind_of_wait_is_refused(connect: Any, sandbox: Any, what: str) -> None:
    """APSW says that another thread uses it; what waits goes on, and can be interrupted."""
    db = connect()
    outcome: list[Any] = []
    thread = waiting(db, sandbox, what, outcome)
    for force in (False, True):
        with pytest.raises(apsw.ThreadingViolationError):
            db.close(force)
    assert thread.is_alive()
    db.interrupt()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(outcome[0], apsw.InterruptError | openai_vtab.WriteError)
    db.close(True)


PRELUDE = f"""
import faulthandler, gc, os, pathlib, signal, sys, threading, time, apsw, openai_vtab
from openai_vtab import dbapi
T, SELECT, IN, INSERT = {T!r}, {SELECT!r}, {IN!r}, {INSERT!r}
def said(call):
    try: return call()
    except BaseException as error: return type(error).__name__
def under_way():
    while not any(thread.name.startswith('openai_vtab') for thread in threading.enumerate()): time.sleep(0.01)
    time.sleep(0.1)
def begun():
    while not any('begun' in file.read_text() for file in pathlib.Path(FILE).parent.glob('*-openai-intents-*')): time.sleep(0.01)
def soon(what, *arguments):
    threading.Thread(target=lambda: (under_way(), what(*arguments)), daemon=True).start()
"""

FORKED = """
def in_a_child(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        faulthandler.register(signal.SIGALRM, chain=True); signal.alarm(40)
        print(work())
        sys.exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
def look(): return openai_vtab.connect().execute(SELECT).get
"""
LIVES = {
    # the program, the exit status, its output
    "a half-read cursor": ("db = openai_vtab.connect(); c = db.execute(IN); print(next(c)[0])", 0, "vsfb_demo_failures"),
    "a half-read cursor of the drop-in": ("db = dbapi.connect(':memory:'); c = db.execute(IN); print(c.fetchone()[0])", 0, "vsfb_demo_failures"),
    "a half-read list": ("db = openai_vtab.connect(); c = db.execute('SELECT filename FROM files'); next(c)", 0, ""),
    "a transaction with writes": ("db = openai_vtab.connect(); db.execute('BEGIN; ' + INSERT)", 0, ""),
    "a transaction of the drop-in": ("db = dbapi.connect(':memory:'); db.execute(INSERT)", 0, ""),
    "a transaction of a ledger": ("db = openai_vtab.connect(FILE); db.execute(f'CREATE VIRTUAL TABLE mine USING {T}'); db.execute('BEGIN; ' + INSERT.replace(T, 'mine'))", 0, ""),
    "a transaction that has been sent": (
        "import logging; logging.disable()\n"
        "db = openai_vtab.connect(FILE); db.execute(f'CREATE VIRTUAL TABLE mine USING {T}'); db.execute('BEGIN; ' + INSERT.replace(T, 'mine')); print(len(db.execute('SELECT id FROM mine').fetchall()))",
        0, "1",
    ),
    "registered, not connected": ("db = apsw.Connection(FILE); openai_vtab.register(db); c = db.execute(IN); next(c)", 0, ""),
    "by a hook": ("apsw.connection_hooks.append(openai_vtab.register); db = apsw.Connection(FILE); c = db.execute(IN); next(c)", 0, ""),
    "sys.exit": ("db = openai_vtab.connect(); c = db.execute(IN); next(c); sys.exit(5)", 5, ""),
    "os._exit": ("db = openai_vtab.connect(); c = db.execute(IN); next(c); os._exit(5)", 5, ""),
    "sys.exit in the key's function": ("openai_vtab.connect(api_key=lambda: sys.exit(5)).execute(SELECT).fetchall()", 5, ""),
    "sys.exit in a function of SQL": ("db = openai_vtab.connect(); db.create_scalar_function('f', lambda *a: sys.exit(5)); db.execute(IN.replace('id', 'f(id)', 1)).fetchall()", 5, ""),
    "sys.exit in the trace": ("db = openai_vtab.connect(); c = db.cursor(); c.exec_trace = lambda *a: sys.exit(5); c.execute(SELECT)", 5, ""),
    # SQLite has then rolled back what the API has carried out, and that is what the caller must learn
    "sys.exit in the commit hook": (
        "db = openai_vtab.connect(); db.set_commit_hook(lambda: sys.exit(5))\n"
        "try: db.execute(INSERT)\n"
        "except openai_vtab.WriteError as error: print(len(error.done), type(error.__context__).__name__)",
        0, "1 SystemExit",
    ),
    "threads that have ended": ("db = openai_vtab.connect(); [(t := threading.Thread(target=lambda: db.execute(IN).fetchall()), t.start(), t.join()) for _ in range(3)]", 0, ""),
    "many connections": ("kept = [openai_vtab.connect(FILE) for _ in range(40)]; [next(db.execute(IN)) for db in kept]", 0, ""),
    "cursors and connections in cycles": (
        "class Cycle: pass\n"
        "for n in range(20):\n"
        "    c = Cycle(); c.me = c; c.db = openai_vtab.connect(); c.cursor = c.db.execute(IN); next(c.cursor)\n"
        "    c.db.execute('BEGIN'); c.old = dbapi.connect(':memory:'); c.rows = c.old.execute(IN); c.rows.fetchone(); c.old.execute(INSERT)\n"
        "    del c; gc.collect()\n"
        "end = time.monotonic() + 20\n"
        "while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')))",
        0, "1 1",
    ),
    "closed, no thread is left": (
        "db = openai_vtab.connect(); db.execute(IN).fetchall(); c = db.execute(IN); next(c); db.close(True); end = time.monotonic() + 20\n"
        "while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')))",
        0, "1 1",
    ),
    "a fork's child with a connection of its own": (FORKED + "db = openai_vtab.connect(); db.execute(IN).fetchall(); in_a_child(look); print(db.execute(SELECT).get)", 0, "completed 3 completed"),
    "a fork's child with its parent's": (
        FORKED + "db = openai_vtab.connect(FILE); db.execute(IN).fetchall()\n"
        "in_a_child(lambda: [said(lambda sql=sql: db.execute(sql).get) for sql in (SELECT, IN, INSERT, 'SELECT 7')]); print(db.execute(SELECT).get)",
        0, "['ProgrammingError', 'ProgrammingError', 'ProgrammingError', 7] 3 completed",
    ),
    "a fork's child that closes its parent's": (
        FORKED + "db = openai_vtab.connect(FILE); old = dbapi.connect(FILE + '2'); plain = apsw.Connection(':memory:'); openai_vtab.register(plain)\n"
        "for c in (db, old, plain): c.execute(IN).fetchall()\n"
        "in_a_child(lambda: [said(c.close) for c in (db, old, plain)]); print(db.execute(SELECT).get, old.execute(SELECT).fetchone()[0], plain.execute(SELECT).get)",
        0, "[None, None, None] 3 completed completed completed",
    ),
    "a fork within a transaction": (
        FORKED + "db = openai_vtab.connect(FILE); db.execute(f'CREATE VIRTUAL TABLE mine USING {T}; CREATE TABLE t (a)')\n"
        "db.execute('BEGIN; INSERT INTO t VALUES (1)'); db.execute(INSERT.replace(T, 'mine'))\n"
        "in_a_child(look); db.execute('COMMIT'); print(db.execute('SELECT count(*) FROM mine, t').get, db.execute('PRAGMA integrity_check').get)",
        0, "completed 3 1 ok",
    ),
    "a fork within a transaction, forgotten in the child": (
        FORKED + "kept = [openai_vtab.connect(FILE)]; kept[0].execute('CREATE TABLE t (a)'); kept[0].execute('BEGIN; INSERT INTO t VALUES (1)')\n"
        "in_a_child(lambda: (kept.clear(), gc.collect()) and 1); kept[0].execute('COMMIT'); print(kept[0].execute('SELECT count(*) FROM t').get)",
        0, "1 3 1",
    ),
    "a fork with a half-read cursor": (FORKED + "db = openai_vtab.connect(); c = db.execute(IN); next(c); in_a_child(lambda: (look(), said(c.fetchall) in ([('vsfb_demo_finished',)], 'ProgrammingError'))); print(c.fetchall()[0][0], db.execute(SELECT).get)", 0, "('completed', True) 3 vsfb_demo_finished completed"),
    "a fork while requests are under way": (
        FORKED + "db = openai_vtab.connect(max_concurrency=1); c = db.execute(IN); next(c)\n"
        "in_a_child(lambda: (look(), said(c.fetchall))); print(c.fetchall()[0][0], db.execute(SELECT).get)",
        0, "('completed', 'ProgrammingError') 3 vsfb_demo_finished completed",
    ),
    "a fork while another thread waits": (
        FORKED + "look(); db = openai_vtab.connect(); found = []; t = threading.Thread(target=lambda: found.append(db.execute(SELECT).get)); t.start()\n"
        "while said(db.changes) != 'ThreadingViolationError': time.sleep(0.01)\n"
        # within SQLite, between its first step and the wait for the API, nobody may fork
        "under_way(); time.sleep(0.3)\n"
        "in_a_child(lambda: (look(), said(lambda: db.execute(SELECT)))); t.join(); print(found, db.execute(SELECT).get)",
        0, "('completed', 'ThreadingViolationError') 3 ['completed'] completed",
    ),
    "forks of forks": (FORKED + "db = openai_vtab.connect(); db.execute(IN).fetchall(); in_a_child(lambda: (in_a_child(look), look())); print(db.execute(SELECT).get)", 0, "completed 3 (None, 'completed') 3 completed"),
    "multiprocessing, fork": (
        "import multiprocessing\nc = multiprocessing.get_context('fork'); db = openai_vtab.connect(); db.execute(IN).fetchall(); q = c.SimpleQueue()\n"
        "def work(): q.put((said(lambda: db.execute(SELECT).get), openai_vtab.connect().execute(SELECT).get))\n"
        "p = c.Process(target=work); p.start(); print(q.get()); p.join(); print(p.exitcode, db.execute(SELECT).get)",
        0, "('ProgrammingError', 'completed') 0 completed",
    ),
    "an executor of processes": (
        "import multiprocessing, concurrent.futures\ndb = openai_vtab.connect(); db.execute(IN).fetchall()\n"
        "def work(n): return openai_vtab.connect().execute(SELECT).get\n"
        "with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as pool: print(list(pool.map(work, range(3))))\n"
        "print(db.execute(SELECT).get)",
        0, "['completed', 'completed', 'completed'] completed",
    ),
    "an error from another process": (
        "import multiprocessing, concurrent.futures\n"
        "def work(n): return openai_vtab.connect(api_key='wrong').execute(SELECT).get\n"
        "with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('fork')) as pool:\n"
        "    try: list(pool.map(work, [1]))\n"
        "    except openai_vtab.APIError as error: print(error.status, error.code)",
        0, "401 invalid_api_key",
    ),
}  # fmt: skip
LIVES_WHILE_WAITING = {
    # the same, beside a server that takes longer than the process may
    "a daemon thread that waits": ("db = openai_vtab.connect(); t = threading.Thread(target=db.execute, args=(SELECT,), daemon=True); t.start(); under_way()", 0, ""),
    "a daemon thread that commits": ("db = openai_vtab.connect(FILE); db.execute('BEGIN; ' + INSERT); t = threading.Thread(target=db.execute, args=('COMMIT',), daemon=True); t.start(); under_way()", 0, ""),
    "a daemon thread of the drop-in": ("db = dbapi.connect(':memory:', check_same_thread=False); t = threading.Thread(target=db.execute, args=(IN,), daemon=True); t.start(); under_way()", 0, ""),
    "sys.exit beside a thread that waits": ("db = openai_vtab.connect(); t = threading.Thread(target=lambda: said(lambda: db.execute(IN).fetchall()), daemon=True); t.start(); under_way(); sys.exit(5)", 5, ""),
    "interrupted, with requests under way": ("db = openai_vtab.connect(); soon(db.interrupt); print(said(db.execute(IN).fetchall if False else lambda: db.execute(IN).fetchall()))", 0, "InterruptError"),
    "SIGINT, caught": ("db = openai_vtab.connect(); soon(os.kill, os.getpid(), signal.SIGINT); print(said(lambda: db.execute(IN).fetchall())); print(db.execute('SELECT 7').get)", 0, "KeyboardInterrupt 7"),
    "SIGINT in a COMMIT, caught": ("import logging; logging.disable(); db = openai_vtab.connect(); soon(os.kill, os.getpid(), signal.SIGINT); print(said(lambda: db.execute(INSERT)))", 0, "KeyboardInterrupt"),
    "SIGTERM": ("db = openai_vtab.connect(); soon(os.kill, os.getpid(), signal.SIGTERM); db.execute(IN).fetchall()", -signal.SIGTERM, ""),
    "SIGTERM that is sys.exit": ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); db = openai_vtab.connect(); soon(os.kill, os.getpid(), signal.SIGTERM); db.execute(IN).fetchall()", 5, ""),
    "SIGTERM that is sys.exit, in a COMMIT": (
        "import logging; logging.disable(); db = openai_vtab.connect(FILE); db.execute(f'CREATE VIRTUAL TABLE mine USING {T}')\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); db.execute('BEGIN; ' + INSERT.replace(T, 'mine')); threading.Thread(target=lambda: (begun(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()\n"
        "try: db.execute('COMMIT')\n"
        "finally: db.execute('SELECT 1').fetchall(); print(db.execute('SELECT status, id FROM mine_ledger').get)",
        5, "('unknown', None)",
    ),
    "sys.exit in the progress": ("db = openai_vtab.connect(progress=lambda _: sys.exit(5)); db.execute(IN).fetchall()", 5, ""),
    "sys.exit in the progress of a COMMIT": ("import logging; logging.disable(); db = openai_vtab.connect(progress=lambda _: sys.exit(5)); db.execute(INSERT)", 5, ""),
    "a thread of the pool, at the exit": ("from openai_vtab.protocol import Request\ndb = openai_vtab.connect(); soon(db.interrupt); said(lambda: db.execute(IN).fetchall()); print(any(t.name.startswith('openai_vtab') for t in threading.enumerate()))", 0, "True"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("life", [*LIVES, *LIVES_WHILE_WAITING])
def test_exit_of_every_kind(sandbox: Any, tmp_path: Path, life: str) -> None:
    """No hang, no traceback, no crash, the exit status that it should be; a fork leaves its parent's alone."""
    code, status, output = {**LIVES, **LIVES_WHILE_WAITING}[life]
    if life in LIVES_WHILE_WAITING:
        sandbox.latency = 100
    elif "another thread waits" in life:  # the fork must come before its response
        sandbox.latency = 3
    elif "under way" in life:
        sandbox.latency = 1
    found = python(f"FILE = {str(tmp_path / 'a.db')!r}\n{PRELUDE}\n{code}", sandbox, status=status)
    assert found.split() == output.split()
    sandbox.latency = 0


@pytest.mark.slow
def test_multiprocessing_spawn(sandbox: Any, tmp_path: Path) -> None:
    """A process that begins anew has its own; the parent goes on, and errors come back."""
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, openai_vtab\n"
        f"SELECT, IN = {SELECT!r}, {IN!r}\n"
        "def work(key):\n"
        "    return openai_vtab.connect(api_key=key).execute(SELECT).get\n"
        "if __name__ == '__main__':\n"
        "    db = openai_vtab.connect(); db.execute(IN).fetchall()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(work, [None]))\n"
        "        try: pool.map(work, ['wrong'])\n"
        "        except openai_vtab.APIError as error: print(error.status)\n"
        "    print(db.execute(SELECT).get)\n",
        encoding="utf-8",
    )
    assert python(
        f"import runpy, sys; sys.argv[0] = {str(program)!r}; runpy.run_path({str(program)!r}, run_name='__main__')",
        sandbox,
    ).split() == ["['completed']", "401", "completed"]


@pytest.mark.slow
def test_interrupt_by_ctrl_c_ends_a_program(sandbox: Any) -> None:
    """With Python's own traceback and status, at once."""
    sandbox.latency = 100
    code = f"import openai_vtab; db = openai_vtab.connect(); print(flush=True); db.execute({IN!r}).fetchall()"
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    program = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    program.stdout.readline()
    until(lambda: sandbox.requests)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=50)
    assert program.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1
    sandbox.latency = 0


def test_close_with_an_exception_that_holds_an_internal_statement(connect: Any) -> None:
    """The traceback keeps the cursor alive that read the ledger: closing finishes its statement, and does not wait."""
    db = connect()
    db.execute("CREATE VIRTUAL TABLE mine USING vector_store_file_batches")
    db.executemany(
        "INSERT INTO mine_ledger (vector_store_id, id, status, answer) VALUES ('vs_1', ?, 'completed', '{}')",
        [("vsfb_1",), ("vsfb_2",)],
    )

    def fail(value: object) -> None:
        raise KeyboardInterrupt

    db.create_scalar_function("fail", fail, 1)
    with pytest.raises(KeyboardInterrupt) as caught:
        db.execute("SELECT fail(id) FROM mine").fetchall()
    kept = [*db.execute("SELECT status FROM mine LIMIT 1"), caught]
    db.close()
    assert kept
