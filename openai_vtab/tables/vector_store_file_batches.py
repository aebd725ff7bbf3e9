"""vector_store_file_batches: batches of files, each attached to a vector store in one request.

https://platform.openai.com/docs/api-reference/vector-stores-file-batches
Limits: 1 to 2000 files in a batch; 300 requests a minute that attach files to one vector store.
The API can neither list batches nor delete one.

>>> SELECT status, failed_count FROM vector_store_file_batches WHERE vector_store_id = 'vs_…' AND batch_id = 'vsfb_…'
"""

from ..schema import attachment_validators, validators
from ..schema.columns import CHUNKING, ERROR, FILE_COUNTS, RAW, REFRESH, WAIT_SECONDS
from ..schema.table import Column, Method, Table

_POST = "POST /vector_stores/{vector_store_id}/file_batches"
_BATCH = "/vector_stores/{vector_store_id}/file_batches/{batch_id}"
_LIST = "/vector_stores/{vector_store_id}/files"
_EACH = ("chunking_strategy", "attributes")
_CREATE = (
    Column(
        "file_ids",
        "TEXT",
        "To create: a JSON array of 1 to 2000 file ids. Give either this or files.",
        hidden=True,
        check=attachment_validators.file_ids,
    ),
    Column(
        "files",
        "TEXT",
        "To create: a JSON array of objects {file_id, attributes?, chunking_strategy?}. Give either this or file_ids.",
        hidden=True,
        check=attachment_validators.files,
    ),
    CHUNKING,
    Column(
        "attributes",
        "TEXT",
        "To create: a JSON object of up to 16 pairs, set on every file.",
        hidden=True,
        check=attachment_validators.attributes,
    ),
)

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
        *_CREATE,
        *(column.alias(f"data__{column.name}") for column in _CREATE),
        *FILE_COUNTS,
        WAIT_SECONDS,
        REFRESH,
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", f"GET {_BATCH}"),
        Method(
            "INSERT",
            _POST,
            required=("file_ids",),
            body=_EACH,
            listed_at=_LIST,
            attached_files="file_ids",
        ),
        # at the top level of the body, the API would silently ignore what belongs to each of the files
        Method(
            "INSERT",
            _POST,
            required=("files",),
            copied_into={"files": _EACH},
            listed_at=_LIST,
            attached_files="files",
        ),
        Method("UPDATE", f"POST {_BATCH}/cancel", only_when_set_to={"status": "cancelled"}),
        Method("EXEC", f"POST {_BATCH}/cancel", function="cancel_vector_store_file_batch"),
    ),
    object="vector_store.file_batch",
    finished=frozenset({"completed", "cancelled", "failed"}),
    remembered=True,
    aliases=("openai.vector_stores.vector_store_file_batches", "openai.vector_stores.file_batches"),
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
