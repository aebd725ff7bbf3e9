-- Drift: what a vector store lists and nobody has, and what is uploaded and nobody uses.
-- openai-vtab --sandbox < examples/drift.sql
.mode box

-- Make some: deleting a file before it is detached leaves it in the store's list. And attach one a second time.
DELETE FROM files WHERE id = 'file-demo-03';
INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_archive', 'file-demo-01');

-- In a store, but not in files: a search may still find it, and it cannot be attached again.
SELECT v.name AS store, s.file_id, date(s.created_at, 'unixepoch') AS attached
FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id
WHERE s.file_id NOT IN (SELECT id FROM files);

-- In files, but in no store: uploaded, and never found. Three lists, whatever the number of files.
SELECT f.filename, f.bytes, date(f.created_at, 'unixepoch') AS uploaded
FROM files AS f
WHERE f.id NOT IN (SELECT s.file_id FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id)
ORDER BY f.bytes DESC;

-- In several stores: detaching a file from one store has been seen to detach it from all of them.
SELECT s.file_id, group_concat(v.name, ' and ' ORDER BY v.name) AS stores
FROM vector_stores AS v JOIN vector_store_files AS s ON s.vector_store_id = v.id
GROUP BY s.file_id
HAVING count(*) > 1;

-- Put the first in order: detach what has no file any more.
DELETE FROM vector_store_files
WHERE vector_store_id = 'vs_demo' AND file_id NOT IN (SELECT id FROM files);

SELECT changes() AS detached;
