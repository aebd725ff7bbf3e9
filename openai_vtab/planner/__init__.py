"""Pure decisions: which method of the API serves a SELECT, an INSERT, an UPDATE or a DELETE."""

from .constraints import Constraint
from .scan_plan import IndexChoice, ScanKind, ScanPlan, missing_columns
from .select import choose
from .write import adopted, delete, insert, update

__all__ = [
    "Constraint",
    "IndexChoice",
    "ScanKind",
    "ScanPlan",
    "adopted",
    "choose",
    "delete",
    "insert",
    "missing_columns",
    "update",
]
