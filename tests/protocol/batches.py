"""Requests for a batch, and responses to them."""

from __future__ import annotations

from openai_vtab import protocol
from openai_vtab.tables import vector_store_file_batches as batches

GET, CREATE, CREATE_FILES, CANCEL = batches.methods[:4]
KEYS = {"vector_store_id": "vs_1", "id": "vsfb_1"}
READ = protocol.build(batches, GET, KEYS)
