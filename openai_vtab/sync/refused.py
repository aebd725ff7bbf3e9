"""The documents that the API has refused in a failed COMMIT: the others can be sent without them.

>>> refused_rows(error, {1, 2})
{2: "handbook: the key 'docs/b.exe': POST https://api.openai.com/v1/files: 400 Invalid extension"}
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..errors import APIError, Error, RowError, WriteError

UPLOAD = re.compile(r"POST (?!\S*/vector_stores/)\S+/files")
ABOUT_ONE_FILE = (400, 413, 415, 422)  # HTTP statuses; others, such as 401 and 429, would meet every document


def refused_rows(error: Error, rowids: Collection[int]) -> dict[int, str]:
    """Return the reasons by rowid. Empty if the error is not about single documents, so that the sync must stop."""
    if isinstance(error, WriteError):
        if error.unknown or not _is_about_one_file(error.__cause__):
            return {}
        return {rowid: reason for rowid, reason in error.not_done if rowid in rowids and reason != "not sent"}
    if len(rowids) == 1 and _is_about_one_file(error):
        return dict.fromkeys(rowids, str(error))
    return {}


def has_changed_file(error: Error) -> bool:
    """Whether COMMIT has found that a file was changed after the statement that wrote it."""
    return isinstance(error, RowError) or isinstance(error.__cause__, RowError)


def _is_about_one_file(error: BaseException | None) -> bool:
    """Whether the API has refused an upload because of the file."""
    if not isinstance(error, APIError) or error.status not in ABOUT_ONE_FILE:
        return False
    return UPLOAD.fullmatch(error.request) is not None
