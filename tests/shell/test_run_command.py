"""`openai-vtab run` as a process: the program's arguments, exit status, signals, and its own child processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

COUNT = "sqlite3.connect(':memory:').execute('SELECT count(*) FROM vector_stores').fetchone()[0]"


@pytest.fixture
def launched(sandbox: Any, tmp_path: Path) -> Any:
    """Runs a program, given as its source or as arguments, in the folder of the test."""
    environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key}

    def run(*args: str, source: str = "", start: bool = False, **more: str) -> Any:
        if source:
            Path(tmp_path, "program.py").write_text(textwrap.dedent(source))
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", "openai_vtab.run", *(args or ("program.py",))],
            cwd=tmp_path,
            env={**environment, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if start:
            return process
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    return run


def test_program_sees_the_tables_and_itself(launched: Any, tmp_path: Path) -> None:
    """sqlite3, its submodule and pysqlite3 are one module; argv, __main__, the path and the input are the program's."""
    source = """
        import json, os, sys
        import sqlite3.dbapi2
        import pysqlite3
        from sqlite3 import dbapi2
        from beside import NEIGHBOUR

        class Local: pass
        print(json.dumps({
            "one module": sqlite3 is pysqlite3 is dbapi2 is sqlite3.dbapi2,
            "argv": sys.argv, "name": __name__, "main": sys.modules["__main__"].Local is Local,
            "file": os.path.basename(__file__), "stores": %s, "input": input(), "neighbour": NEIGHBOUR,
        }))
        """
    Path(tmp_path, "beside.py").write_text("NEIGHBOUR = 1")
    Path(tmp_path, "program.py").write_text(textwrap.dedent(source % COUNT))
    process = launched("program.py", "--sandbox", "-m", "a b", start=True)
    out, err = process.communicate("typed\n", timeout=60)
    assert err == ""
    assert json.loads(out) == {
        "one module": True,
        "argv": ["program.py", "--sandbox", "-m", "a b"],
        "name": "__main__",
        "main": True,
        "file": "program.py",
        "stores": 2,
        "input": "typed",
        "neighbour": 1,
    }


def test_program_may_be_a_module_or_a_command(launched: Any, tmp_path: Path) -> None:
    """A module by -m or by its name has the current folder first; a command is an entry point."""
    Path(tmp_path, "tool.py").write_text(f"import sqlite3, sys; print(sys.argv[1:], {COUNT})")
    for args in (("-m", "tool", "x"), ("tool", "x")):
        assert launched(*args).stdout == "['x'] 2\n"
    result = launched("pytest", "--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "pytest")


@pytest.mark.parametrize(
    ("statement", "status", "error"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("sys.exit('a reason')", 1, "a reason"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os._exit(9)", 9, ""),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    ],
)
def test_exit_status_is_the_programs(launched: Any, statement: str, status: int, error: str) -> None:
    """As python itself ends."""
    result = launched(source=f"import os, signal, sys\n{statement}")
    assert result.returncode == status
    assert error in result.stderr


@pytest.mark.parametrize("handled", [False, True])
def test_interrupt_reaches_the_program(launched: Any, handled: bool) -> None:
    """Ctrl-C is the program's KeyboardInterrupt; one that nobody handles ends the process as python does."""
    after = "sys.exit(5)" if handled else "raise"
    process = launched(
        source=f"""
        import sys, time
        try:
            print("ready", flush=True)
            time.sleep(30)
        except KeyboardInterrupt:
            {after}
        """,
        start=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == (5 if handled else -signal.SIGINT)


CHILDREN = {
    "spawn": "multiprocessing.get_context('spawn').Pool(1).map(count, [0])",
    "fork": "multiprocessing.get_context('fork').Pool(1).map(count, [0])",
    "forkserver": "multiprocessing.get_context('forkserver').Pool(1).map(count, [0])",
    "executor": "list(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')).map(count, [0]))",
    "subprocess": """[int(subprocess.check_output([sys.executable, "-c", "import sqlite3; print(%s)"]))]""" % COUNT,
    "the program again": "[int(subprocess.check_output([sys.executable, sys.argv[0], 'again']))]",
}


@pytest.mark.parametrize(
    ("how", "named"), [*((how, "file") for how in CHILDREN), ("spawn", "module"), ("the program again", "module")]
)
def test_children_see_the_tables(launched: Any, how: str, named: str) -> None:
    """Whatever way a Python process is started by the program, it has the tables and the settings."""
    source = f"""
        import multiprocessing, sqlite3, subprocess, sys
        from concurrent.futures import ProcessPoolExecutor

        def count(_):
            import sqlite3
            connection = sqlite3.connect(":memory:")
            try:
                connection.execute("DELETE FROM vector_stores WHERE id = 'vs_demo'")
            except sqlite3.NotSupportedError:
                return connection.execute("SELECT count(*) FROM vector_stores").fetchone()[0]

        if __name__ == "__main__":
            print(count(0) if sys.argv[1:] == ["again"] else {CHILDREN[how]})
        """
    result = launched(*(("program.py",) if named == "file" else ("-m", "program")), source=source)
    assert result.stdout == "[2]\n", result.stderr


def test_child_of_another_environment_has_its_own_sqlite3(launched: Any) -> None:
    """Where this package is not installed, `import sqlite3` is Python's."""
    source = """
        import os, subprocess, sys
        path = os.environ["PYTHONPATH"].split(os.pathsep)[0]
        run = [sys._base_executable, "-S", "-c", "import pysqlite3, sqlite3.dbapi2; print(sqlite3.Binary, sqlite3.__path__ != None)"]
        print(subprocess.run(run, env={**os.environ, "PYTHONPATH": path}, cwd="/", capture_output=True, text=True))
        """
    assert "<class 'memoryview'> True" in launched(source=source).stdout


def test_child_without_the_settings_has_its_own_sqlite3(launched: Any) -> None:
    """A program may give its children PYTHONPATH, and no variable that it does not know."""
    source = """
        import os, subprocess, sys
        run = [sys.executable, "-c", "import sqlite3; print(sqlite3.connect(':memory:').execute('SELECT 1').fetchall())"]
        print(subprocess.run(run, env={"PYTHONPATH": os.environ["PYTHONPATH"]}, capture_output=True, text=True))
        """
    assert "[(1,)]" in launched(source=source).stdout


def test_sandbox_lives_as_long_as_the_program(launched: Any) -> None:
    """--sandbox needs no key, and children reach it, too."""
    source = f"""
        import sqlite3, subprocess, sys
        print({COUNT}, flush=True)
        subprocess.run([sys.executable, "-c", "import sqlite3; print({COUNT})"], check=True)
        """
    launched(source=source)
    result = launched("--sandbox", "program.py", OPENAI_API_KEY="", OPENAI_BASE_URL="")
    assert (result.stdout, result.returncode) == ("2\n2\n", 0), result.stderr


def test_writes_are_sent_if_they_are_allowed(launched: Any, sandbox: Any) -> None:
    """--allow-writes makes the connection an ordinary one."""
    source = """
        import sqlite3
        with sqlite3.connect(":memory:") as connection:
            connection.execute("INSERT INTO vector_stores (name) VALUES ('New')")
        """
    assert "this connection is read_only" in launched(source=source).stderr
    assert launched("--allow-writes", "program.py").returncode == 0
    assert [request.path for request in sandbox.requests if request.method == "POST"] == ["/vector_stores"]
