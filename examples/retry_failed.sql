-- Retry only the files of a batch that failed: a new batch from a SELECT.
-- openai-vtab --sandbox < examples/retry_failed.sql
.mode box

-- HAVING: when none failed there is no batch to create. json_group_array() alone would give an empty one.
INSERT INTO vector_store_file_batches (vector_store_id, file_ids)
SELECT 'vs_demo', json_group_array(file_id)
FROM vector_store_file_batch_files('vs_demo', 'vsfb_demo_failures')
WHERE status = 'failed'
HAVING count(*) > 0;

-- Wait for it, at most a minute. The demo's files are of a type that fails again; what was busy for a moment would not.
SELECT CASE WHEN failed_count = 0 THEN 'all well' ELSE failed_count || ' failed again' END AS retry,
       status, completed_count AS done, total_count AS files
FROM vector_store_file_batches
WHERE rowid = last_insert_rowid() AND wait_seconds = 60;
