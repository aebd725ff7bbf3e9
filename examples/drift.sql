-- Drift: files that a vector store lists but that no longer exist, and uploaded files that no store uses.
-- openai-vtab --sandbox < examples/drift.sql
.mode box

-- Make some drift: delete a file before detaching it, which leaves it in the store's list. Attach another one twice.
DELETE FROM files WHERE id = 'file-demo-03';
INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_archive', 'file-demo-01');

-- In a store, but not in files: a search may still find the file, and it cannot be attached again.
SELECT v.name AS store, s.file_id, date(s.created_at, 'unixepoch') AS attached
FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id
WHERE s.file_id NOT IN (SELECT id FROM files);

-- In files, but in no store: no search finds the file. This reads three lists, whatever the number of files.
SELECT f.filename, f.bytes, date(f.created_at, 'unixepoch') AS uploaded
FROM files AS f
WHERE f.id NOT IN (SELECT s.file_id FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id)
ORDER BY f.bytes DESC;

-- In several stores: detaching such a file from one store has been seen to detach it from all.
SELECT s.file_id, group_concat(v.name, ' and ' ORDER BY v.name) AS stores
FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id
GROUP BY s.file_id
HAVING count(*) > 1;

-- Repair the first case: detach entries whose file no longer exists.
DELETE FROM vector_store_files
WHERE vector_store_id = 'vs_demo' AND file_id NOT IN (SELECT id FROM files);

SELECT changes() AS detached;
