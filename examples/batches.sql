-- From a local table to a batch of files in a vector store, and back.
-- Without key or network:    openai-vtab --sandbox < examples/batches.sql
-- vs_demo and the files file-new-01 … file-new-06 are the sandbox's demo data.
.mode box

-- A batch is a row. The query must give both of its keys.
SELECT id, status, file_counts ->> 'completed' AS files
FROM vector_store_file_batches
WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';

-- The documents are in SQLite, their files at OpenAI.
CREATE TABLE documents (title TEXT, file_id TEXT, vector_store_id TEXT, batch_id TEXT);
INSERT INTO documents (title, file_id) VALUES
  ('Returns',  'file-new-01'),
  ('Shipping', 'file-new-02'),
  ('Warranty', 'file-new-03');

-- INSERT creates a batch: one request for all documents that have no batch yet.
INSERT INTO vector_store_file_batches (vector_store_id, file_ids)
SELECT 'vs_demo', json_group_array(file_id) FROM documents WHERE batch_id IS NULL;

-- RETURNING cannot give the new id, because SQLite returns the inserted values. last_insert_rowid() can.
UPDATE documents SET (vector_store_id, batch_id) =
  (SELECT vector_store_id, id FROM vector_store_file_batches WHERE rowid = last_insert_rowid());

-- Join your own table with its batches.
SELECT d.title, b.status, b.file_counts ->> 'total' AS files
FROM documents AS d JOIN vector_store_file_batches AS b USING (vector_store_id, batch_id);

-- Which of these batches have failed files?
SELECT id, status, failed_count, total_count
FROM vector_store_file_batches
WHERE vector_store_id = 'vs_demo'
  AND batch_id IN ('vsfb_demo_finished', 'vsfb_demo_running', 'vsfb_demo_failures')
ORDER BY failed_count DESC, id;

-- Cancel a running batch.
UPDATE vector_store_file_batches SET status = 'cancelled'
WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running';

SELECT status, in_progress_count, cancelled_count
FROM vector_store_file_batches
WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running';
