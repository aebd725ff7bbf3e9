"""Pure decisions: which method of the API serves a SELECT, an INSERT, an UPDATE or a DELETE."""

from .constraints import Constraint
from .scan_plan import BY_ROWID, FIRST_METHOD, LISTED, NOTHING, REMEMBERED, Plan, missing_columns
from .select import choose, with_download
from .write import adopted, delete, insert, update

__all__ = [
    "BY_ROWID",
    "FIRST_METHOD",
    "LISTED",
    "NOTHING",
    "REMEMBERED",
    "Constraint",
    "Plan",
    "adopted",
    "choose",
    "delete",
    "insert",
    "missing_columns",
    "update",
    "with_download",
]
