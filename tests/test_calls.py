"""The price of a row in Python calls: those of the package, over all threads, once everything is warm.

Calls are counted rather than timed: a count does not depend on the machine. Python 3.11 counts comprehensions, too.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import openai_vtab

PACKAGE = Path(openai_vtab.__file__).parent
ONE = (
    "SELECT status FROM vector_store_file_batches WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
)
JOIN = """
    WITH d (batch_id) AS (VALUES ('vsfb_demo_finished'), ('vsfb_demo_failures'), ('vsfb_demo_running'))
    SELECT d.batch_id, b.status
    FROM d JOIN vector_store_file_batches AS b ON b.vector_store_id = 'vs_demo' AND b.batch_id = d.batch_id
"""


class Profile:
    """Counts the calls of the package's functions, by the file and the name."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.is_counting = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.is_counting and event == "call":
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "sandbox"):
                self.calls[path.relative_to(PACKAGE).as_posix(), frame.f_code.co_name] += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count within the with statement."""
        self.is_counting = True
        try:
            yield
        finally:
            self.is_counting = False


@pytest.fixture
def profile() -> Iterator[Profile]:
    """A profile of this thread and of all that are started from now on."""
    found = Profile()
    before = sys.getprofile()
    threading.setprofile(found)
    sys.setprofile(found)
    yield found
    sys.setprofile(before)
    threading.setprofile(None)


@pytest.mark.parametrize(
    ("sql", "rows", "most"), [(ONE, 1, 132), (JOIN, 3, 510)], ids=["a look-up of one key", "a join of 3 keys"]
)
def test_calls_of_a_warm_statement(
    profile: Profile, connect: Any, sql: str, rows: int, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No more than `most` calls. The number of files is shown, and no limit: that would reward long files."""
    db = connect()
    for _ in range(3):  # the workers, the connections and the caches
        assert len(db.execute(sql).fetchall()) == rows
    counts = []
    for _ in range(3):
        profile.calls.clear()
        with profile.counting():
            assert len(db.execute(sql).fetchall()) == rows
        counts.append(dict(profile.calls))
    fewest = min(counts, key=lambda calls: sum(calls.values()))
    calls, files = sum(fewest.values()), len({file for file, _ in fewest})
    with capsys.disabled():
        print(f"\n{calls} calls (at most {most}) in {files} files", end=" ")
    assert calls <= most, "\n".join(f"{count} {file} {name}" for (file, name), count in sorted(fewest.items()))
