"""What the response to the GET of a batch, or of a vector store, says of its files.

    the response                                 is_finished  finished_files  pages
    -------------------------------------------  -----------  --------------  -----
    in_progress, 150 of 250 files are completed  False        150             3
    completed, without file_counts               True         None            0

>>> is_without_files({"id": "vsfb_1", "status": "completed", "file_counts": {"total": 0}})
True
"""

from __future__ import annotations

import math

from .. import protocol
from ..protocol import Object
from ..tables.vector_store_file_batches import vector_store_file_batches

PAGE = 100  # files on a page of a list


def is_store(answer: Object) -> bool:
    """Whether the response to the GET of a batch is the vector store, whose status and counts tell nothing of it."""
    return "usage_bytes" in answer


def is_finished(batch: Object) -> bool:
    """Whether a batch is finished: completed, failed or cancelled."""
    return batch.get("status") in vector_store_file_batches.finished


def is_without_files(batch: Object) -> bool:
    """Whether a batch is completed, and counts no files: none will follow. Another end says nothing of its files."""
    return batch.get("status") == "completed" and protocol.counted_files(batch) == 0


def finished_files(batch: Object) -> int | None:
    """How many files of a batch are finished; None if it does not say that."""
    counts = [_count(batch, name) for name in ("completed", "failed", "cancelled")]
    return None if None in counts else sum(count for count in counts if count is not None)


def pages(answer: Object) -> int:
    """How many pages the list of an object's files has; 0 if that is not known, so that the list is read."""
    return math.ceil((_count(answer, "total") or 0) / PAGE)


def _count(answer: Object, name: str) -> int | None:
    counts = answer.get("file_counts")
    count = counts.get(name) if isinstance(counts, dict) else None
    return count if isinstance(count, int) else None
