"""The command `openai-vtab sync`: a folder becomes the documents of a vector store, for a cron job.

>>> run(["docs", "--store", "Handbook"])
/home/me/.local/share/openai-vtab/handbook-1f6a8c2e.db, table handbook
docs: 30 added, 0 changed, 0 unchanged, 0 deleted, 0 failed
0
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import apsw

from ..errors import Error, ProgrammingError, visible
from ..settings import Settings
from ..sync.database import copy_database, open_database
from ..sync.folder import Folder
from ..sync.job import FolderSync, Options
from ..sync.patterns import ALL
from ..sync.places import default_database, default_prefix
from ..sync.progress import SyncProgress
from ..sync.rebuild import rebuild
from ..sync.store_table import StoreTable
from ..sync.summary import STOPPED, Summary
from .local_sandbox import start_sandbox
from .log_lines import LogLines
from .output import fit_encoding
from .progress_bar import ProgressBar
from .short_errors import shorten_record_of_sync
from .sync_options import parse

log = logging.getLogger("openai_vtab")

INTERRUPTED = 130


def run(args: Sequence[str]) -> int:
    """Run the command with the arguments after `sync`, and return its exit status."""
    given = parse(args)
    bar = ProgressBar(sys.stderr) if sys.stderr.isatty() and not given.quiet else None
    try:
        with ExitStack() as resources:
            log.addFilter(shorten_record_of_sync)
            resources.callback(log.removeFilter, shorten_record_of_sync)
            if bar is not None:
                resources.callback(bar.close)
                resources.enter_context(_log_lines(bar).attached(log))
            return _run(given, bar, resources)
    except (Error, apsw.Error, OSError) as error:
        _write(sys.stderr, [str(error)])
        return STOPPED
    except KeyboardInterrupt:
        _write(sys.stderr, ["interrupted; run the sync again to continue from there"])
        return INTERRUPTED


def _log_lines(bar: ProgressBar) -> LogLines:
    """Lines in place of the progress bar: warnings, and why the sync waits."""

    def write(text: str) -> None:
        bar.hide()
        _write(sys.stderr, [text.rstrip("\n")])

    return LogLines(write, shows_info=lambda: True)


def _run(given: Namespace, bar: ProgressBar | None, resources: ExitStack) -> int:
    root = os.path.abspath(given.folder)  # noqa: PTH100 - a link to a folder keeps its name, which begins the keys
    if not Path(root).is_dir():
        raise ProgrammingError(f"DIR is {given.folder!r}, which is not a folder; give a folder that exists")
    settings: dict[str, Any] = {"upload_root": root, "dry_run": given.dry_run}
    if given.sandbox:
        settings |= start_sandbox(resources)
    else:
        settings |= {name: value for name in ("base_url", "auth") if (value := getattr(given, name)) is not None}
    database = _database(given, root, settings)
    prefix = default_prefix(root) if given.prefix is None else given.prefix
    folder = Folder(root, prefix, given.glob or [ALL], database)
    progress = SyncProgress(bar or (lambda _: None))
    settings["progress"] = progress if bar is not None else None
    db = resources.enter_context((copy_database if given.dry_run else open_database)(database, settings))
    table, notes = _table(given, db, folder)
    if bar is not None:
        bar.hide()  # looking for the vector store has drawn it
    _write(sys.stdout, notes if given.quiet else [*notes, f"table {table} in {database or 'memory'}"])
    options = Options(
        given.max_delete, 0 if given.no_wait else given.timeout, given.checksum, given.retry_unknown, given.dry_run
    )
    summary = FolderSync(db, table, folder, options, progress).run()
    if bar is not None:
        bar.close()
    _report(given, summary)
    return summary.status(waited=not given.no_wait)


def _database(given: Namespace, root: str, settings: Mapping[str, Any]) -> Path | None:
    """The database: the given one, or by default a file in the user's data directory. None for one in memory.

    The sandbox forgets its data when the command ends, so that a file would list what does not exist any more.
    """
    if given.database is not None:
        return None if given.database == ":memory:" else Path(given.database).absolute()
    if given.sandbox:
        return None
    address = Settings(base_url=settings.get("base_url")).with_environment().checked_base_url()
    path = default_database(root, given.store or given.vector_store_id, address)
    if not given.dry_run:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _table(given: Namespace, db: apsw.Connection, folder: Folder) -> tuple[str, list[str]]:
    """The documents table of the vector store in the database, and what --rebuild has to say about it.

    The first sync creates the table.
    """
    store = StoreTable(db, name=given.store, vector_store_id=given.vector_store_id)
    if given.rebuild:
        rebuilt = rebuild(db, store, folder)
        return rebuilt.table, rebuilt.lines()
    if given.dry_run:  # asks nothing of the API
        return store.find() or store.create(), []
    if given.sandbox and store.find() is not None:
        raise ProgrammingError(
            f"DATABASE is {given.database!r}, which lists documents that the sandbox has forgotten: --sandbox begins "
            "anew each time. Give a new DATABASE, or leave it out; for several syncs, start python -m "
            "openai_vtab.sandbox, and write what it prints before this command, in place of --sandbox"
        )
    return store.find_or_create(), []


def _report(given: Namespace, summary: Summary) -> None:
    """Write the plan of a dry run, and the summary."""
    if given.dry_run:
        _write(sys.stdout, [*summary.planned(), *summary.lines(is_plan=True)])
    else:
        _write(sys.stdout, summary.problems() if given.quiet else summary.lines())


def _write(stream: TextIO, lines: Sequence[str]) -> None:
    """Write lines for people, whatever characters the stream's encoding lacks."""
    for line in lines:
        stream.write(fit_encoding(visible(line), stream.encoding or "utf-8") + "\n")
    stream.flush()
