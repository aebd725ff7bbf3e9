"""The SELECT and the INSERT that the tests of the transport send, and what becomes of them."""

from __future__ import annotations

T = "vector_store_file_batches"
SELECT = f"SELECT id, status, object FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished'"
INSERT = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
