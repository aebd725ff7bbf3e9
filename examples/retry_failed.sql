-- Retry only the failed files of a batch: a new batch from a SELECT, in which each file keeps its attributes.
-- openai-vtab --sandbox < examples/retry_failed.sql
.mode box

-- The API would forget the attributes: attaching a file again replaces them by those that the new batch gives.
-- With HAVING, no batch is created when no file failed. json_group_array() alone would give an empty array.
INSERT INTO vector_store_file_batches (vector_store_id, files)
SELECT 'vs_demo', json_group_array(json_object('file_id', file_id, 'attributes', json(attributes)))
FROM vector_store_file_batch_files('vs_demo', 'vsfb_demo_failures')
WHERE status = 'failed'
HAVING count(*) > 0;

-- Wait up to a minute. The demo's files have a type that fails again; after a passing error, they would succeed.
SELECT CASE WHEN failed_count = 0 THEN 'all well' ELSE failed_count || ' failed again' END AS retry,
       status, completed_count AS done, total_count AS files
FROM vector_store_file_batches
WHERE rowid = last_insert_rowid() AND wait_seconds = 60;

SELECT file_id, status, attributes
FROM vector_store_file_batch_files('vs_demo', (SELECT id FROM vector_store_file_batches WHERE rowid = last_insert_rowid()))
ORDER BY file_id;
