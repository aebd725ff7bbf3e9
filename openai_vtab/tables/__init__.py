"""The tables: one file each, data only. To add one, write its file and name it here."""

from ..spec import Table
from .vector_store_file_batches import vector_store_file_batches

TABLES: tuple[Table, ...] = (vector_store_file_batches,)
