-- Which files of a batch failed, what are they called, and why?
-- openai-vtab --sandbox < examples/failed_files.sql
.mode box

-- A batch that is completed may have failed files: its counts say how many.
SELECT id AS batch, status, total_count AS files, failed_count AS failed
FROM vector_store_file_batches
WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures';

-- Which: one list, narrowed to the failed ones by the API, and a look-up of each name.
SELECT f.filename, b.last_error_code AS code, b.last_error_message AS reason
FROM vector_store_file_batch_files('vs_demo', 'vsfb_demo_failures') AS b
JOIN files AS f USING (file_id)
WHERE b.status = 'failed'
ORDER BY f.filename;
