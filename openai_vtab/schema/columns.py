"""The columns that several tables have.

>>> [column.name for column in FILE_COUNTS]
['in_progress_count', 'completed_count', 'failed_count', 'cancelled_count', 'total_count']
"""

from .attachment_validators import chunking_strategy
from .comparison import same_chunking
from .table import Column, SpecialSource
from .validators import flag, seconds

WAIT_SECONDS = Column(
    "wait_seconds",
    "REAL",
    "In a query: wait up to this many seconds until the row has finished; then return it as it stands.",
    hidden=True,
    check=seconds,
    is_option=True,
)
RAW = Column(
    "raw",
    "TEXT",
    "The whole object that the API returned, with the keys of the request: JSON.",
    hidden=True,
    source=SpecialSource.OBJECT,
)
ERROR = Column(
    "error",
    "TEXT",
    "With errors='row', why the row has only its keys: JSON with status, code, message and request_id; null otherwise.",
    hidden=True,
    source=SpecialSource.ERROR,
)
REFRESH = Column(
    "refresh",
    "INTEGER",
    "In a query: 1 looks up finished objects of a ledger, too.",
    hidden=True,
    check=flag,
    is_option=True,
)
CHUNKING = Column(
    "chunking_strategy",
    "TEXT",
    'To create, for every file: JSON, {"type": "auto"} (the default) or {"type": "static", "static": {…}}.',
    hidden=True,
    check=chunking_strategy,
    same=same_chunking,
)
FILE_STATUSES = ("in_progress", "completed", "failed", "cancelled")
FILE_STATE = (  # of a file that is attached to a vector store
    Column("status", "TEXT", "in_progress, completed, failed or cancelled.", values=FILE_STATUSES),
    Column("last_error", "TEXT", "Why the file failed: JSON with code and message; null when it did not fail."),
    Column("usage_bytes", "INTEGER", "The bytes that the file takes in the vector store; 0 until it is completed."),
    Column("created_at", "INTEGER", "When the file was attached: Unix seconds, UTC."),
)
FILE_ERROR = (
    Column(
        "last_error_code",
        "TEXT",
        "server_error, unsupported_file, invalid_file or another; null when the file did not fail.",
        True,
        "last_error.code",
    ),
    Column(
        "last_error_message",
        "TEXT",
        "Why the file failed, in the API's words; null when it did not fail.",
        True,
        "last_error.message",
    ),
)
FILE_COUNTS = (
    Column("in_progress_count", "INTEGER", "Files that have not been processed yet.", True, "file_counts.in_progress"),
    Column("completed_count", "INTEGER", "Files that can be searched.", True, "file_counts.completed"),
    Column("failed_count", "INTEGER", "Files that could not be processed.", True, "file_counts.failed"),
    Column("cancelled_count", "INTEGER", "Files whose processing was cancelled.", True, "file_counts.cancelled"),
    Column("total_count", "INTEGER", "All files.", True, "file_counts.total"),
)
