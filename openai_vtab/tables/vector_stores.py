"""vector_stores: containers of files that can be searched.

https://platform.openai.com/docs/api-reference/vector-stores
Limits: up to 500 files when a store is created; names need not be unique. Storage costs money: 1 GB is free, the rest
is charged by GB and day. An expired store has lost its files.

>>> SELECT name, usage_bytes, completed_count FROM vector_stores ORDER BY usage_bytes DESC
"""

from ..schema import attachment_validators, validators
from ..schema.columns import CHUNKING, ERROR, FILE_COUNTS, RAW, WAIT_SECONDS
from ..schema.table import Column, Listing, Method, Table

vector_stores = Table(
    "vector_stores",
    "Containers of files that can be searched.",
    columns=(
        Column("id", "TEXT", "The vector store's id, vs_… at OpenAI."),
        Column("name", "TEXT", "The store's name, which need not be unique.", check=validators.text),
        Column("status", "TEXT", "in_progress, completed or expired. An empty store is completed."),
        Column("usage_bytes", "INTEGER", "The size of the processed files, which is charged for: bytes."),
        Column("file_counts", "TEXT", "How many files have each status, and in all: a JSON object of five numbers."),
        Column("created_at", "INTEGER", "When the store was created: Unix seconds, UTC."),
        Column("last_active_at", "INTEGER", "When the store was last used: Unix seconds, UTC; null when it never was."),
        Column(
            "expires_after",
            "TEXT",
            "After how many idle days the store expires: JSON.",
            check=validators.store_expires_after,
        ),
        Column("expires_at", "INTEGER", "When the store will expire: Unix seconds, UTC; null when it never will."),
        Column("metadata", "TEXT", "Up to 16 pairs of text: a JSON object.", check=attachment_validators.metadata),
        Column("description", "TEXT", "The store's description; null when it has none.", check=validators.text),
        Column("object", "TEXT", "Always vector_store."),
        Column("vector_store_id", "TEXT", "The same as id.", hidden=True, source="id"),
        *FILE_COUNTS,
        Column(
            "file_ids",
            "TEXT",
            "To create: a JSON array of 1 to 500 file ids.",
            hidden=True,
            check=attachment_validators.store_file_ids,
        ),
        CHUNKING,
        WAIT_SECONDS,
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", "GET /vector_stores/{vector_store_id}"),
        Method("SELECT", "GET /vector_stores", listing=Listing.PAGES, ordered_by="created_at"),
        Method(
            "INSERT",
            "POST /vector_stores",
            required=("file_ids",),
            body=("name", "description", "chunking_strategy", "expires_after", "metadata"),
            attached_files="file_ids",
            counts_later=True,  # an empty store is completed: one that is in progress has files
        ),
        Method(
            "INSERT",
            "POST /vector_stores",
            body=("name", "description", "expires_after", "metadata"),
        ),
        Method("UPDATE", "POST /vector_stores/{vector_store_id}", body=("name", "expires_after", "metadata")),
        Method("DELETE", "DELETE /vector_stores/{vector_store_id}"),
    ),
    object="vector_store",
    finished=frozenset({"completed", "expired"}),
    aliases=("openai.vector_stores.vector_stores",),
    examples=(
        "SELECT id, name, usage_bytes, total_count FROM vector_stores ORDER BY created_at DESC LIMIT 5;",
        "SELECT name, status FROM vector_stores WHERE id = 'vs_demo';",
        "INSERT INTO vector_stores (name, metadata) VALUES ('Handbook', json_object('team', 'docs'));",
        "UPDATE vector_stores SET name = 'Product handbook' WHERE id = 'vs_demo';",
        "DELETE FROM vector_stores WHERE id = 'vs_archive';",
    ),
)
