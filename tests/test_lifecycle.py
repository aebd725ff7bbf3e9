"""Registration, threads, closing, exit: what a connection takes with it when it goes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from typing import Any

import apsw
import pytest

import openai_vtab

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
IN = f"SELECT id FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id IN ('vsfb_demo_failures', 'vsfb_b', 'vsfb_c', 'vsfb_d', 'vsfb_demo_finished')"


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("openai_vtab")]


def wait_for_no_threads() -> None:
    deadline = time.monotonic() + 2
    while ours() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert ours() == []


def python(code: str, sandbox: Any, *, status: int = 0) -> str:
    """Run a program in an interpreter of its own; its output."""
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
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


def test_registering_again_replaces_the_settings(connect: Any, sandbox: Any) -> None:
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


def test_a_forgotten_connection_takes_its_threads_with_it(sandbox: Any) -> None:
    """Without close(), by reference counting or the garbage collector."""
    db = openai_vtab.connect(base_url=sandbox.base_url, api_key=sandbox.api_key)
    db.execute(IN).fetchall()
    cursor = db.execute(IN)
    next(cursor)
    del db, cursor
    gc.collect()
    wait_for_no_threads()


def test_a_half_read_cursor_can_be_forgotten(connect: Any, requests: Any) -> None:
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


def test_a_program_that_closes_nothing_ends_cleanly(sandbox: Any) -> None:
    """Exit status 0, no traceback, with a half-read cursor and idle threads."""
    code = f"import openai_vtab; db = openai_vtab.connect(); c = db.execute({IN!r}); print(next(c)[0])"
    assert python(code, sandbox) == "vsfb_demo_failures\n"


def test_a_program_ends_although_requests_are_under_way(sandbox: Any) -> None:
    """The interpreter does not wait for answers that nobody wants any more."""
    sandbox.latency = 3
    code = (
        "import openai_vtab, threading, time, apsw\n"
        "db = openai_vtab.connect()\n"
        "threading.Timer(0.3, db.interrupt).start()\n"
        f"try: db.execute({SELECT!r}).fetchall()\n"
        "except apsw.InterruptError: print('interrupted')\n"
    )
    begin = time.monotonic()
    assert python(code, sandbox) == "interrupted\n"
    assert time.monotonic() - begin < 2.5


def test_an_import_costs_next_to_nothing(sandbox: Any) -> None:
    """Neither apsw nor requests is loaded by the import, and requests not before the first request."""
    code = (
        "import sys, openai_vtab\n"
        "print('apsw' in sys.modules, 'requests' in sys.modules)\n"
        "db = openai_vtab.connect()\n"
        "print('requests' in sys.modules)\n"
        f"print(db.execute({SELECT!r}).get, 'requests' in sys.modules)\n"
    )
    assert python(code, sandbox) == "False False\nFalse\ncompleted True\n"


def test_a_fork_uses_threads_of_its_own(sandbox: Any) -> None:
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


def test_two_threads_share_one_connection_in_turn(connect: Any) -> None:
    """APSW serialises them; the table does not mind which thread asks."""
    db = connect()
    found: list[object] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: found.append(db.execute(SELECT).get))
        thread.start()
        thread.join()
    assert found == ["completed"] * 2


def test_a_connection_that_lives_to_the_very_end_does_not_crash(sandbox: Any) -> None:
    """A connection in another module's function is freed after APSW itself would be: it is closed before."""
    code = (
        "import sys, openai_vtab, openai_vtab.plan as plan\n"
        "db = openai_vtab.connect()\n"
        "choose = plan.choose\n"
        "def keeping(*given, **more): return choose(*given, **more)\n"
        "plan.choose = keeping\n"
        f"print(db.execute({SELECT!r}).get)\n"
    )
    assert python(code, sandbox) == "completed\n"


def test_as_many_connections_as_one_likes(connect: Any) -> None:
    """APSW protects the ledgers of 33 at once; the others only lack the protection."""
    opened = [connect() for _ in range(50)]
    for db in opened:
        db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")
    assert [db.execute(SELECT).get for db in (opened[0], opened[-1])] == ["completed"] * 2
    for db in (opened[0], opened[-1]):
        assert db.execute("SELECT count(*) FROM mine").get == 0
