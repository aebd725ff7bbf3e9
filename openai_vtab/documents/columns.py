"""The columns of a documents table. A hidden column that is named as the table takes what MATCH searches for.

>>> declaration("handbook")
'CREATE TABLE handbook(key TEXT, status TEXT, …, handbook TEXT HIDDEN, …)'
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import ProgrammingError
from ..ledger.shadow_table import quoted
from ..schema import attachment_validators, search_validators, validators
from ..schema.columns import ERROR, RAW, REFRESH, WAIT_SECONDS
from ..schema.table import Column
from ..tables.vector_store_search import vector_store_search

SHOWN = (
    Column("key", "TEXT", "The document's name, yours to choose, unique in the table: a path, a URL, a primary key."),
    Column(
        "status",
        "TEXT",
        "in_progress, completed, failed or cancelled; pending before COMMIT; unknown when the upload has an unknown "
        "outcome; missing when another program has taken the file out of the vector store.",
    ),
    Column(
        "attributes",
        "TEXT",
        "What filters can name: a JSON object of up to 16 pairs. Members that are null are left out.",
        check=attachment_validators.attributes,
    ),
    Column("filename", "TEXT", "The file's name at OpenAI: the last part of path, or of key."),
    Column("bytes", "INTEGER", "The size of the content: bytes."),
    Column("sha256", "TEXT", "The SHA-256 of the content that was sent, in hexadecimal."),
    Column("created_at", "INTEGER", "When the file was uploaded: Unix seconds, UTC."),
    Column("last_error_code", "TEXT", "server_error, unsupported_file or another; null without an error."),
    Column("last_error_message", "TEXT", "Why the document failed, or what to do about it; null without an error."),
    Column(
        "file_id",
        "TEXT",
        "The file's id. In an INSERT: a file that is in the vector store already.",
        check=validators.identifier,
    ),
    Column("batch_id", "TEXT", "The batch that attached the file."),
    Column("vector_store_id", "TEXT", "The vector store."),
)
_ARGUMENTS = {
    "max_num_results": "the maximum number of passages, 1 to 50; 50 by default.",
    "filters": 'which documents to search, by attributes: JSON such as {"type": "eq", "key": "lang", "value": "en"}.',
    "ranking_options": 'how to rank passages: JSON such as {"ranker": "auto", "score_threshold": 0.5}.',
    "rewrite_query": "1 lets the API rewrite the text.",
}
ARGUMENTS = tuple(  # of handbook('text', 5), in this order, after the text itself
    replace(column, doc=f"In a search: {_ARGUMENTS[column.name]}")
    for column in vector_store_search.columns
    if column.name in _ARGUMENTS
)
HIDDEN = (
    Column("rank", "REAL", "In a search: the lower, the better the passage matches.", hidden=True),
    Column("score", "REAL", "In a search: how well the passage matches, 0 to 1.", hidden=True),
    Column("passage", "TEXT", "In a search: the text that was found.", hidden=True),
    Column(
        "content",
        "TEXT",
        "To write: the document, text or a BLOB. To read: the text that the API has read in it.",
        hidden=True,
        check=validators.content,
    ),
    Column(
        "path",
        "TEXT",
        "To upload: the path of a file on this machine, below upload_root.",
        hidden=True,
        check=validators.path,
    ),
    Column(
        "chunking_strategy",
        "TEXT",
        'To write: JSON, {"type": "auto"} (the default) or {"type": "static", "static": {…}}.',
        hidden=True,
        check=attachment_validators.chunking_strategy,
    ),
    WAIT_SECONDS,
    replace(REFRESH, doc="In a query: 1 asks the API about finished documents, too."),
    RAW,
    ERROR,
)
MATCH_DOC = "It is named as the table. In a search: the text to search for. In an INSERT: a command, such as sync."


def columns(table: str) -> tuple[Column, ...]:
    """Return the columns of a table of this name, in order. Raises ProgrammingError when a column has the name."""
    match = Column(table, "TEXT", MATCH_DOC, hidden=True, check=search_validators.query, is_option=True)
    others = (*SHOWN, *ARGUMENTS, *HIDDEN)
    if table.lower() in {column.name for column in others} | {"rowid", "oid", "_rowid_"}:
        raise ProgrammingError(
            f"{table}: a documents table cannot have the name of one of its columns, because the hidden column that "
            "MATCH searches is named as the table; write another name"
        )
    return (*SHOWN, match, *ARGUMENTS, *HIDDEN)


def declaration(table: str) -> str:
    """Return the CREATE TABLE statement that declares the columns to SQLite."""
    declared = (f"{quoted(c.name)} {c.type}{' HIDDEN' if c.hidden else ''}" for c in columns(table))
    return f"CREATE TABLE {quoted(table)}({', '.join(declared)})"
