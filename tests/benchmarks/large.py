"""The memory of large responses and of long lists.

What a statement of many large objects needs beyond a statement of one of them is what it holds for later: responses
that wait to be read, and those that it has read.

>>> waiting(server, LARGE["20 batches of 30 MB each"])      # bytes
31457280
"""

from __future__ import annotations

from . import measure
from .server import ACCOUNT, LARGE_CONTENT, Running
from .server import LARGE as NAME

KEYS = 20
ROWS = 1_000_000
WAITING_TARGET = 2 * len(LARGE_CONTENT)
LIST_TARGET = 150e6

_KEYS = "SELECT '{prefix}' || value FROM json_each('{numbers}')"
_STORE_FILES = "vector_store_id = 'vs_0' AND file_id"
# Each statement with a place for its keys, and what the keys begin with
LARGE = {
    f"{KEYS} batches of {len(LARGE_CONTENT) / 1e6:.0f} MB each": (
        "SELECT id, status FROM vector_store_file_batches WHERE vector_store_id = 'vs_0' AND batch_id IN ({keys})",
        NAME,
    ),
    f"the text of {KEYS} files of {len(LARGE_CONTENT) / 1e6:.0f} MB each": (
        f"SELECT length(text) FROM vector_store_file_content WHERE {_STORE_FILES} IN ({{keys}})",
        NAME,
    ),
    f"JOIN, the text of {KEYS} files of {len(LARGE_CONTENT) / 1e6:.0f} MB each": (
        "WITH k (key) AS ({keys}) SELECT length(text) FROM k CROSS JOIN vector_store_file_content "
        f"WHERE {_STORE_FILES} = key",
        NAME,
    ),
    f"the content of {KEYS} files of {len(LARGE_CONTENT) / 1e6:.0f} MB each": (
        "SELECT length(content) FROM files WHERE file_id IN ({keys})",
        ACCOUNT + NAME,
    ),
}
LISTS = {
    f"a list of {ROWS:,} files": "SELECT id, filename FROM files",
    f"a list of {ROWS:,} files of a vector store": (
        "SELECT id, usage_bytes FROM vector_store_files WHERE vector_store_id = 'vs_0'"
    ),
}


def waiting(server: Running, statement: tuple[str, str]) -> int:
    """By how many bytes more a process grows that reads KEYS large objects than one that reads one of them."""
    sql, prefix = statement

    def growth(keys: int) -> int:
        chosen = _KEYS.format(prefix=prefix, numbers=list(range(keys)))
        return measure.growth(server, sql.format(keys=chosen), tables="", rows=keys)

    return growth(KEYS) - growth(1)


def long_list(server: Running, sql: str) -> int:
    """By how many bytes a process grows at most while it reads a list."""
    return measure.growth(server, sql, tables="", rows=ROWS)
