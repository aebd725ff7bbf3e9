"""The documentation of documents tables: in docs/reference/tables/, by .describe, in openai_tables and openai_columns.

>>> described("handbook").columns[0].name
'key'
"""

from __future__ import annotations

from ..schema.docs import Described, Operation
from . import MODULE
from .columns import ARGUMENTS, columns

EXAMPLE = "handbook"  # the table of the examples
DOC = (
    "The documents of a vector store, in a table that you create: INSERT uploads and attaches, DELETE detaches and "
    "deletes, MATCH searches."
)
CREATE = f"CREATE VIRTUAL TABLE {EXAMPLE} USING {MODULE}(name = 'Handbook');"
SELECT = f"SELECT key, status, last_error_message FROM {EXAMPLE} WHERE status <> 'completed';"
SEARCH = f"SELECT key, score, passage FROM {EXAMPLE} WHERE {EXAMPLE} MATCH 'refund policy' ORDER BY rank LIMIT 5;"
INSERT = (
    f"INSERT OR REPLACE INTO {EXAMPLE} (key, path)\n"
    "SELECT name, name FROM fsdir('docs') WHERE name LIKE '%.md' AND length(data) > 0;"
)
INSERT_TEXT = (
    f"INSERT INTO {EXAMPLE} (key, content, attributes) VALUES ('faq/1', 'Refunds take a week.', "
    "json_object('lang', 'en'));"
)
UPDATE = f"UPDATE {EXAMPLE} SET attributes = json_object('lang', 'en') WHERE key LIKE 'docs/%';"
DELETE = f"DELETE FROM {EXAMPLE} WHERE key LIKE 'docs/%' AND key NOT IN (SELECT name FROM fsdir('docs'));"
SYNC = f"INSERT INTO {EXAMPLE} ({EXAMPLE}) VALUES ('sync');"
STORE = "/vector_stores/{vector_store_id}"


def described(table: str = EXAMPLE, name: str = MODULE) -> Described:
    """Return what is said of the documents table `table`. `name` stands above it."""
    written = "attributes, chunking_strategy"
    options = "wait_seconds, refresh"
    search = ", ".join(column.name for column in ARGUMENTS)
    operations = (
        Operation("CREATE", "POST", "/vector_stores", "name", "chunking_strategy, expires_after, metadata", CREATE),
        Operation("CREATE", "GET", STORE, "vector_store_id", "chunking_strategy", CREATE),
        Operation("SELECT", "GET", f"{STORE}/file_batches/{{batch_id}}", "", f"key, file_id, {options}", SELECT),
        Operation("SELECT", "POST", f"{STORE}/search", table, search, SEARCH),
        Operation("INSERT", "POST", "/files", "key, path", written, INSERT),
        Operation("INSERT", "POST", "/files", "key, content", written, INSERT_TEXT),
        Operation("INSERT", "GET", f"{STORE}/files/{{file_id}}", "key, file_id", "attributes, path, content", INSERT),
        Operation("UPDATE", "POST", f"{STORE}/files/{{file_id}}", "attributes", "key", UPDATE),
        Operation("UPDATE", "POST", "/files", "path or content", f"key, {written}", UPDATE),
        Operation("DELETE", "DELETE", f"{STORE}/files/{{file_id}}", "", "key", DELETE),
    )
    return Described(
        name,
        DOC,
        columns(table),
        operations,
        (CREATE, INSERT, INSERT_TEXT, SELECT, SEARCH, UPDATE, DELETE, SYNC),
        (
            "nothing: a list, or `MATCH`: a search",
            "`key`, `path` or `key`, `content` or `key`, `file_id`",
            "`key`, `attributes`, `path`, `content`, `chunking_strategy`",
            "yes",
        ),
    )
