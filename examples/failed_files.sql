-- Which files of a batch failed, what are their names, and why did they fail?
-- openai-vtab --sandbox < examples/failed_files.sql
.mode box

-- A completed batch may have failed files. Its counts say how many.
SELECT id AS batch, status, total_count AS files, failed_count AS failed
FROM vector_store_file_batches
WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_failures';

-- One list, which the API narrows to failed files, and one look-up for each name.
SELECT f.filename, b.last_error_code AS code, b.last_error_message AS reason
FROM vector_store_file_batch_files('vs_demo', 'vsfb_demo_failures') AS b
JOIN files AS f USING (file_id)
WHERE b.status = 'failed'
ORDER BY f.filename;
