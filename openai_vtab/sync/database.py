"""The database of a sync: opened, locked against a second sync, or copied for a dry run.

>>> with open_database(Path("my.db"), {"upload_root": "/srv/docs"}) as db: ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from ..connection import connect
from ..errors import OperationalError

LOCK = "-sync"  # the suffix of a file beside the database
BUSY_MILLISECONDS = 10_000


@contextmanager
def open_database(path: Path | None, settings: Mapping[str, Any]) -> Iterator[apsw.Connection]:
    """Open the database for one sync; None is one in memory. Raises OperationalError while another sync runs."""
    with _locked(path), closing(connect(":memory:" if path is None else path, **settings)) as db:
        db.set_busy_timeout(BUSY_MILLISECONDS)
        if path is not None:
            use_wal_in_a_new_file(db)
        yield db


@contextmanager
def copy_database(path: Path | None, settings: Mapping[str, Any]) -> Iterator[apsw.Connection]:
    """Open a copy in memory, so that a dry run leaves the file as it is."""
    with closing(connect(":memory:", **settings)) as copy:
        if path is not None and path.exists():
            with (
                closing(apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)) as db,
                copy.backup("main", db, "main") as backup,
            ):
                backup.step()
        yield copy


def use_wal_in_a_new_file(db: apsw.Connection) -> None:
    """Set WAL mode, in which no reader keeps SQLite from committing what the API has already carried out."""
    file = Path(db.filename)
    if not file.exists() or not file.stat().st_size:
        with suppress(apsw.Error):  # the file is read-only, or its file system has no shared memory
            db.pragma("journal_mode", "wal")


@contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    """Hold SQLite's exclusive lock on an empty file beside the database, which ends with the process at the latest.

    A sync has many transactions, so the database's own lock does not keep a second one away.
    """
    if path is None:
        yield
        return
    with ExitStack() as opened:
        try:
            lock = opened.enter_context(closing(apsw.Connection(f"{path}{LOCK}")))
            lock.execute("BEGIN EXCLUSIVE")
        except apsw.BusyError:
            raise OperationalError(f"another openai-vtab sync is running with {path}; wait for its end") from None
        except apsw.Error as error:
            raise OperationalError(
                f"{path}{LOCK}, which keeps a second sync away, cannot be opened ({error}); give a DATABASE in a "
                "folder that exists and that you may write to"
            ) from None
        yield
