"""SQLAlchemy's own suite for dialects, run on sqlite+openai_vtab.

    python -m tests.suites.dialect                   a database in memory
    python -m tests.suites.dialect file              a database in a file
    python -m tests.suites.dialect sqlite3           SQLAlchemy's own dialect over sqlite3, to compare
    python -m tests.suites.dialect memory -k CTE     further arguments are pytest's

The exit status is 1 if a test fails, or is skipped without a known reason. The tests are in the installed package,
sqlalchemy.testing.suite; requirements.py says what they may expect.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main(database: str = "memory", *args: str) -> int:
    """Run pytest in a temporary folder, because the suite writes files."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"--config-file={HERE / 'setup.cfg'}",
        f"--rootdir={HERE}",
        f"--db={database}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [*command, "-q", "-p", "no:cacheprovider", *args, str(HERE)], cwd=folder, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
