"""Compares the response to a write with what was sent, and says what it does not confirm.

Servers that resemble OpenAI's ignore parts of a write, and respond with status 200. Their response shows it: a member
has its old value, or fewer files are counted than were sent. Members that a response does not show are not checked,
because this would take another request. The tables' descriptions say what is compared: the columns that a method
sends, how their values may be written differently (`Column.same`), and the files that it attaches.

    the response shows                        a create                       an UPDATE
    ----------------------------------------  -----------------------------  -------------
    fewer files than were sent                an error: `missing`            (sends none)
    another value of a column                 a warning: in `differences`    a warning
    null instead of a column's value          a warning                      a warning

>>> unconfirmed(request, response)
Unconfirmed(missing='', differences=("vector_stores.name: 'new' was sent, and the response shows 'old'",))
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..schema.file_to_upload import FileToUpload
from ..schema.spool import Spooled
from ..schema.values import load_json
from .messages import CONFIRMED, Object, Request, Response, Sent, Unconfirmed

TOTAL = "file_counts.total"
STATUSES = ("in_progress", "completed", "failed", "cancelled")
MAX_SHOWN = 80  # characters of a value in a warning


def unconfirmed(request: Request, response: Response) -> Unconfirmed:
    """Compare the response to a write with what was sent. A response that is no object confirms and denies nothing."""
    sent = request.sent
    if sent is None or not 200 <= response.status < 300:
        return CONFIRMED
    try:
        found = load_json(response.body)
    except (ValueError, RecursionError):
        return CONFIRMED
    if not isinstance(found, dict):
        return CONFIRMED
    files, may_follow = _missing_files(sent, found)
    differences = tuple(_differences(sent, found))
    return Unconfirmed("", (files, *differences)) if files and may_follow else Unconfirmed(files, differences)


def counted_files(answer: Object) -> int | None:
    """The number of files that a batch or a vector store counts, None if it does not say that.

    OpenAI's own example has a total of 0 beside two files in other members.
    """
    counts = answer.get("file_counts")
    if not isinstance(counts, dict):
        return None
    numbers = {name: value for name, value in counts.items() if isinstance(value, int) and not isinstance(value, bool)}
    if "total" not in numbers:
        return None
    return max(numbers["total"], sum(numbers.get(status, 0) for status in STATUSES))


def _missing_files(sent: Sent, found: Object) -> tuple[str, bool]:
    """A sentence about the files that are missing, "" if none is; and whether they may only not be counted yet."""
    column = sent.method.attached_files
    shown = counted_files(found) if TOTAL in sent.table.sources.values() else None
    if not column or shown is None or shown >= sent.files:
        return "", False
    text = f"{sent.table.name}.{column}: the response counts {shown:,} of the {sent.files:,} files that were sent"
    others = {method.attached_files for method in sent.table.of("INSERT")} - {column, ""}
    if not shown and others:
        text += f"; a server that ignores {column} may take {' or '.join(sorted(others))}"
    return text, sent.method.counts_later and found.get("status") == "in_progress"


def _differences(sent: Sent, found: Object) -> Iterator[str]:
    """A sentence for each column of which the response shows another value than was sent."""
    for name in sent.method.sent:
        column = sent.table.by_name[name]
        if column.source not in sent.values or column.source in sent.table.key or name == sent.method.attached_files:
            continue
        value = sent.values[column.source]
        if isinstance(value, bytes | Spooled | FileToUpload):
            continue
        if column.source in found and not column.same(value, found[column.source], sent.method.idempotent):
            shown = _shown(found[column.source])
        elif value is not None and column.shown_by in found and found[column.shown_by] is None:
            shown = f"{column.shown_by} null"
        else:
            continue
        yield f"{sent.table.name}.{name}: {_shown(value)} was sent, and the response shows {shown}"


def _shown(value: Any) -> str:
    """A value for a warning, shortened."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
