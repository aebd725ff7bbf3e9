"""vector_store_file_batch_files: the files of one batch, each with its status.

https://platform.openai.com/docs/api-reference/vector-stores-file-batches/listBatchFiles
A completed batch may have failed files. The keys are hidden columns, so that the table is also a function:
vector_store_file_batch_files('vs_…', 'vsfb_…').

>>> SELECT f.filename, b.last_error_message FROM vector_store_file_batch_files('vs_…', 'vsfb_…') AS b
... JOIN files AS f USING (file_id) WHERE b.status = 'failed'
"""

from ..schema.columns import ERROR, FILE_ERROR, FILE_STATE, RAW
from ..schema.table import Column, Listing, Method, Table

vector_store_file_batch_files = Table(
    "vector_store_file_batch_files",
    "The files of a batch, each with its status.",
    columns=(
        Column("id", "TEXT", "The file's id, file-… at OpenAI."),
        *FILE_STATE,
        Column("attributes", "TEXT", "Up to 16 pairs that a search can filter by: a JSON object."),
        Column("chunking_strategy", "TEXT", "How the file is cut into chunks: JSON."),
        Column("object", "TEXT", "Always vector_store.file."),
        Column("vector_store_id", "TEXT", "The vector store that the file is attached to.", hidden=True),
        Column("batch_id", "TEXT", "The batch that attached the file.", hidden=True),
        Column("file_id", "TEXT", "The same as id.", hidden=True, source="id"),
        *FILE_ERROR,
        RAW,
        ERROR,
    ),
    methods=(
        Method(
            "SELECT",
            "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
            query={"status": "filter"},
            listing=Listing.PAGES,
            ordered_by="created_at",
        ),
    ),
    object="vector_store.file",
    identity=("vector_store_id", "batch_id", "id"),
    aliases=(
        "openai.vector_stores.vector_store_file_batch_files",
        "openai.vector_stores.file_batch_files",
        "openai.vector_stores.files_in_vector_store_batches",
    ),
    examples=(
        "SELECT id, last_error_code FROM vector_store_file_batch_files('vs_demo', 'vsfb_demo_failures')\n"
        "WHERE status = 'failed';",
        "SELECT f.filename, b.status, b.last_error_message\n"
        "FROM vector_store_file_batch_files AS b JOIN files AS f USING (file_id)\n"
        "WHERE b.vector_store_id = 'vs_demo' AND b.batch_id = 'vsfb_demo_failures';",
    ),
)
