"""The tables: one data file each. To add a table, write its file and name it in TABLES."""

from ..schema.table import Table
from .files import files
from .vector_store_file_batch_files import vector_store_file_batch_files
from .vector_store_file_batches import vector_store_file_batches
from .vector_store_file_content import vector_store_file_content
from .vector_store_files import vector_store_files
from .vector_store_search import vector_store_search
from .vector_stores import vector_stores

TABLES: tuple[Table, ...] = (
    vector_store_file_batches,
    vector_store_file_batch_files,
    vector_stores,
    vector_store_files,
    files,
    vector_store_search,
    vector_store_file_content,
)
