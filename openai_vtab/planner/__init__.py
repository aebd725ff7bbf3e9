"""Pure decisions: which method of the API serves a SELECT, an INSERT, an UPDATE or a DELETE, and how."""

from .bulk import BulkState, Seconds, next_page_pays, patience
from .comparisons import column_and_operator, is_compared, with_comparisons
from .constraints import Constraint
from .scan_plan import IndexChoice, ScanKind, ScanPlan, missing_columns
from .select import choose
from .write import adopted, delete, insert, update

__all__ = [
    "BulkState",
    "Constraint",
    "IndexChoice",
    "ScanKind",
    "ScanPlan",
    "Seconds",
    "adopted",
    "choose",
    "column_and_operator",
    "delete",
    "insert",
    "is_compared",
    "missing_columns",
    "next_page_pays",
    "patience",
    "update",
    "with_comparisons",
]
