"""vector_store_files: the files that are attached to a vector store.

https://platform.openai.com/docs/api-reference/vector-stores-files
Limits: 300 requests a minute that attach files to one vector store. DELETE detaches the file, which stays in `files`.
Detaching a file has been seen to detach it from all stores, https://github.com/openai/openai-node/issues/1710
The files' names are in `files`: join by file_id.

>>> SELECT file_id, last_error_message FROM vector_store_files WHERE vector_store_id = 'vs_…' AND status = 'failed'
"""

from ..schema import validators
from ..schema.table import ERROR, RAW, WAIT_SECONDS, Column, Method, Table

STATUSES = ("in_progress", "completed", "failed", "cancelled")
STATE = (  # of an attached file, here and in a batch
    Column("status", "TEXT", "in_progress, completed, failed or cancelled.", values=STATUSES),
    Column("last_error", "TEXT", "Why the file failed: JSON with code and message; null when it did not fail."),
    Column("usage_bytes", "INTEGER", "The bytes that the file takes in the vector store; 0 until it is completed."),
    Column("created_at", "INTEGER", "When the file was attached: Unix seconds, UTC."),
)
REASON = (
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
_PATH = "/vector_stores/{vector_store_id}/files"

vector_store_files = Table(
    "vector_store_files",
    "The files that are attached to a vector store.",
    columns=(
        Column("id", "TEXT", "The file's id, file-… at OpenAI.", check=validators.identifier),
        Column(
            "vector_store_id", "TEXT", "The vector store that the file is attached to.", check=validators.identifier
        ),
        *STATE,
        Column(
            "attributes",
            "TEXT",
            "Up to 16 pairs that a search can filter by: a JSON object.",
            check=validators.attributes,
        ),
        Column(
            "chunking_strategy", "TEXT", "How the file is cut into chunks: JSON.", check=validators.chunking_strategy
        ),
        Column("object", "TEXT", "Always vector_store.file."),
        Column("file_id", "TEXT", "The same as id.", hidden=True, source="id", check=validators.identifier),
        *REASON,
        WAIT_SECONDS,
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", f"GET {_PATH}/{{file_id}}"),
        Method("SELECT", f"GET {_PATH}", query={"status": "filter"}, listing="pages", ordered_by="created_at"),
        Method(
            "INSERT",
            f"POST {_PATH}",
            required=("file_id",),
            body=("file_id", "attributes", "chunking_strategy"),
            sent_as={"file_id": "file_id"},
            repeatable=False,
            verify_path=_PATH,
            attached_files="file_id",
        ),
        Method("UPDATE", f"POST {_PATH}/{{file_id}}", body=("attributes",)),
        Method("DELETE", f"DELETE {_PATH}/{{file_id}}"),
    ),
    object="vector_store.file",
    finished=frozenset({"completed", "failed", "cancelled"}),
    aliases=("openai.vector_stores.vector_store_files",),
    examples=(
        "SELECT id, status, last_error FROM vector_store_files\n"
        "WHERE vector_store_id = 'vs_demo' AND status = 'failed';",
        "SELECT f.filename, s.last_error_message FROM vector_store_files AS s JOIN files AS f USING (file_id)\n"
        "WHERE s.vector_store_id = 'vs_demo' AND s.status = 'failed';",
        "INSERT INTO vector_store_files (vector_store_id, file_id, attributes)\n"
        "VALUES ('vs_demo', 'file-new-01', json_object('lang', 'en'));",
        "UPDATE vector_store_files SET attributes = json_object('lang', 'de')\n"
        "WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01';",
        "DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-02';",
    ),
)
