"""vector_store_files: the files that are attached to a vector store.

https://platform.openai.com/docs/api-reference/vector-stores-files
Limits: 300 requests a minute that attach files to one vector store. DELETE detaches the file, which stays in `files`.
Detaching a file has been seen to detach it from all stores, https://github.com/openai/openai-node/issues/1710
The files' names are in `files`: join by file_id.

>>> SELECT file_id, last_error_message FROM vector_store_files WHERE vector_store_id = 'vs_…' AND status = 'failed'
"""

from ..schema import attachment_validators, validators
from ..schema.columns import ERROR, FILE_ERROR, FILE_STATE, RAW, WAIT_SECONDS
from ..schema.comparison import same_chunking
from ..schema.table import Column, Listing, Method, Table

_PATH = "/vector_stores/{vector_store_id}/files"

vector_store_files = Table(
    "vector_store_files",
    "The files that are attached to a vector store.",
    columns=(
        Column("id", "TEXT", "The file's id, file-… at OpenAI.", check=validators.identifier),
        Column(
            "vector_store_id", "TEXT", "The vector store that the file is attached to.", check=validators.identifier
        ),
        *FILE_STATE,
        Column(
            "attributes",
            "TEXT",
            "Up to 16 pairs that a search can filter by: a JSON object.",
            check=attachment_validators.attributes,
        ),
        Column(
            "chunking_strategy",
            "TEXT",
            "How the file is cut into chunks: JSON.",
            check=attachment_validators.chunking_strategy,
            same=same_chunking,
        ),
        Column("object", "TEXT", "Always vector_store.file."),
        Column("file_id", "TEXT", "The same as id.", hidden=True, source="id", check=validators.identifier),
        *FILE_ERROR,
        WAIT_SECONDS,
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", f"GET {_PATH}/{{file_id}}"),
        Method("SELECT", f"GET {_PATH}", query={"status": "filter"}, listing=Listing.PAGES, ordered_by="created_at"),
        Method(
            "INSERT",
            f"POST {_PATH}",
            required=("file_id",),
            body=("attributes", "chunking_strategy"),
            sent_as={"file_id": "file_id"},
            attached_files="file_id",
        ),
        Method("UPDATE", f"POST {_PATH}/{{file_id}}", body=("attributes",)),
        Method("DELETE", f"DELETE {_PATH}/{{file_id}}"),
    ),
    object="vector_store.file",
    finished=frozenset({"completed", "failed", "cancelled"}),
    aliases=("openai.vector_stores.vector_store_files", "openai.vector_stores.files"),
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
