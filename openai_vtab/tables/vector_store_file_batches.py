"""vector_store_file_batches: batches of files, each attached to a vector store in one request.

https://platform.openai.com/docs/api-reference/vector-stores-file-batches
Limits: 1 to 2000 files in a batch; 300 requests a minute that attach files to one vector store.
The API can neither list batches nor delete one.

>>> SELECT status, failed_count FROM vector_store_file_batches WHERE vector_store_id = 'vs_…' AND batch_id = 'vsfb_…'
"""

from ..schema import validators
from ..schema.table import ERROR, RAW, REFRESH, WAIT_SECONDS, Column, Method, Table

_FILE_IDS = "To create: a JSON array of 1 to 2000 file ids. Give either this or files."
_FILES = "To create: a JSON array of objects {file_id, attributes?, chunking_strategy?}. Give either this or file_ids."
_CHUNKING = 'To create: JSON for every file, {"type": "auto"} (the default) or {"type": "static", "static": {…}}.'
_ATTRIBUTES = "To create: a JSON object of up to 16 pairs, set on every file."

vector_store_file_batches = Table(
    "vector_store_file_batches",
    "Batches of files that are being attached to a vector store, or have been.",
    columns=(
        Column("id", "TEXT", "The batch's id, vsfb_… at OpenAI."),
        Column("created_at", "INTEGER", "When the batch was created: Unix seconds, UTC."),
        Column("file_counts", "TEXT", "How many files have each status, and in all: a JSON object of five numbers."),
        Column("object", "TEXT", "Always vector_store.file_batch, or the server's spelling of it."),
        Column(
            "status",
            "TEXT",
            "in_progress, completed, cancelled or failed. A completed batch may have failed files.",
        ),
        Column(
            "vector_store_id",
            "TEXT",
            "The vector store that the files are attached to.",
            check=validators.identifier,
        ),
        Column("batch_id", "TEXT", "The same as id.", hidden=True, source="id"),
        Column("file_ids", "TEXT", _FILE_IDS, hidden=True, check=validators.file_ids),
        Column("files", "TEXT", _FILES, hidden=True, check=validators.files),
        Column("chunking_strategy", "TEXT", _CHUNKING, hidden=True, check=validators.chunking_strategy),
        Column("attributes", "TEXT", _ATTRIBUTES, hidden=True, check=validators.attributes),
        Column("data__file_ids", "TEXT", "The same as file_ids.", True, "file_ids", validators.file_ids),
        Column("data__files", "TEXT", "The same as files.", True, "files", validators.files),
        Column(
            "data__chunking_strategy",
            "TEXT",
            "The same as chunking_strategy.",
            True,
            "chunking_strategy",
            validators.chunking_strategy,
        ),
        Column("data__attributes", "TEXT", "The same as attributes.", True, "attributes", validators.attributes),
        Column(
            "in_progress_count", "INTEGER", "Files that have not been processed yet.", True, "file_counts.in_progress"
        ),
        Column("completed_count", "INTEGER", "Files that can be searched.", True, "file_counts.completed"),
        Column("failed_count", "INTEGER", "Files that failed.", True, "file_counts.failed"),
        Column("cancelled_count", "INTEGER", "Files that a cancel stopped.", True, "file_counts.cancelled"),
        Column("total_count", "INTEGER", "All files of the batch.", True, "file_counts.total"),
        WAIT_SECONDS,
        REFRESH,
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}"),
        Method(
            "INSERT",
            "POST /vector_stores/{vector_store_id}/file_batches",
            required=("file_ids",),
            body=("file_ids", "chunking_strategy", "attributes"),
            repeatable=False,
            verify_path="/vector_stores/{vector_store_id}/files",
            attached_files="file_ids",
        ),
        Method(
            "INSERT",
            "POST /vector_stores/{vector_store_id}/file_batches",
            required=("files",),
            body=("files",),
            # the API silently ignores these at the top level of the body
            copied_into={"files": ("chunking_strategy", "attributes")},
            repeatable=False,
            verify_path="/vector_stores/{vector_store_id}/files",
            attached_files="files",
        ),
        Method(
            "UPDATE",
            "POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
            only_when_set_to={"status": "cancelled"},
        ),
        Method(
            "EXEC",
            "POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
            function="cancel_vector_store_file_batch",
        ),
    ),
    object="vector_store.file_batch",
    finished=frozenset({"completed", "cancelled", "failed"}),
    remembered=True,
    aliases=("openai.vector_stores.vector_store_file_batches",),
    examples=(
        "SELECT status, file_counts FROM vector_store_file_batches\n"
        "WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';",
        "SELECT status, file_counts FROM vector_store_file_batches\n"
        "WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures' AND wait_seconds = 600;",
        "INSERT INTO vector_store_file_batches (vector_store_id, file_ids)\n"
        "VALUES ('vs_demo', json_array('file-new-01', 'file-new-02'));",
        "UPDATE vector_store_file_batches SET status = 'cancelled'\n"
        "WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running';",
        "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running');",
    ),
)
