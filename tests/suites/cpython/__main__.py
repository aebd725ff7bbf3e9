"""CPython's own tests of sqlite3, run on openai_vtab.dbapi: those that the running interpreter ships.

    python -m tests.suites.cpython                        all except the tests of the command line `python -m sqlite3`
    python -m tests.suites.cpython test_dump test_types   only these modules

The exit status is 1 if a test fails that failures.py does not list, or passes although it is listed. Some distributions
ship no tests: then nothing is run, and the status is 0.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .failures import FAILURES

HERE = Path(__file__).parent
PACKAGE = "test.test_sqlite3"
COMMAND_LINE = "test_cli"  # the tests of `python -m sqlite3`


class Result(unittest.TextTestResult):
    """Records which tests were run; a failing subtest fails its test."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.ran: set[str] = set()

    def startTest(self, test: unittest.TestCase) -> None:
        """Record the test."""
        super().startTest(test)
        self.ran.add(_name(test))

    @property
    def failed(self) -> dict[str, str]:
        """The failed tests, each with the last line of its traceback."""
        found = [*self.failures, *self.errors]
        return {_name(getattr(test, "test_case", test)): text.strip().splitlines()[-1] for test, text in found}


def _name(test: unittest.TestCase) -> str:
    return test.id().removeprefix(f"{PACKAGE}.")


def main(*modules: str) -> int:
    """Run the tests and compare the failures with the known ones."""
    stand_in = str(HERE / "stand_in")
    sys.path.insert(0, stand_in)
    os.environ["PYTHONPATH"] = os.pathsep.join([stand_in, str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    import sqlite3

    if sqlite3.__name__ != "openai_vtab.dbapi":
        raise SystemExit("sqlite3 is imported already; start this in an interpreter of its own")
    version = sys.version.partition(" ")[0]
    try:
        from test import support

        support.verbose = False  # Otherwise the package prints sqlite3.version, which Python 3.14 removed.
        package = importlib.import_module(PACKAGE)
    except ImportError as error:
        print(f"Python {version} has no {PACKAGE} ({error}): nothing was run")
        return 0
    result = _run(modules or [name for name in _modules(package) if name != COMMAND_LINE])
    unknown = {name: why for name, why in result.failed.items() if name not in FAILURES}
    passed = [name for name in FAILURES if name in result.ran and name not in result.failed]
    for name in sorted(result.failed.keys() - unknown.keys()):
        print(f"known: {name}: {FAILURES[name]}")
    for name, why in unknown.items():
        print(f"NEW: {name}: {why}")
    for name in passed:
        print(f"PASSES although failures.py lists it: {name}")
    for test, why in result.skipped:
        print(f"skipped: {_name(test)}: {why}")
    skipped = len(result.skipped)
    failed = len(result.failed)
    print(f"Python {version}: {len(result.ran) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if unknown or passed else 0


def _modules(package: Any) -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(package.__path__) if module.name.startswith("test_"))


def _run(modules: Any) -> Result:
    tests = unittest.defaultTestLoader.loadTestsFromNames([f"{PACKAGE}.{name}" for name in modules])
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        os.chdir(folder)
        try:
            return unittest.TextTestRunner(nowhere, resultclass=Result).run(tests)  # type: ignore[return-value]
        finally:
            os.chdir(before)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
