-- Ingest a table of documents: one batch for each language, wait for all of them, and list where files failed.
-- openai-vtab --sandbox < examples/ingest.sql
.mode box

CREATE TABLE documents (title TEXT, lang TEXT, file_id TEXT);
INSERT INTO documents VALUES
  ('Returns',  'en', 'file-new-01'),
  ('Shipping', 'en', 'file-new-02'),
  ('Stock',    'de', 'file-new-05'),
  ('Repairs',  'de', 'file-new-06');
CREATE TABLE imports (lang TEXT PRIMARY KEY, files INTEGER, batch INTEGER, batch_id TEXT);

-- One transaction: the rows of imports are there exactly when every batch was created.
BEGIN;
INSERT INTO vector_store_file_batches (vector_store_id, file_ids, attributes)
SELECT 'vs_demo', json_group_array(file_id), json_object('lang', lang) FROM documents WHERE lang = 'en';
INSERT INTO imports SELECT lang, count(*), last_insert_rowid(), NULL FROM documents WHERE lang = 'en';
INSERT INTO vector_store_file_batches (vector_store_id, file_ids, attributes)
SELECT 'vs_demo', json_group_array(file_id), json_object('lang', lang) FROM documents WHERE lang = 'de';
INSERT INTO imports SELECT lang, count(*), last_insert_rowid(), NULL FROM documents WHERE lang = 'de';
COMMIT;

-- The batches' ids, to keep: rowids are good for this connection only.
UPDATE imports SET batch_id = (SELECT id FROM vector_store_file_batches AS b WHERE b.rowid = imports.batch);

-- Wait for all of them together, at most a minute: completed says nothing of failed files, the counts do.
SELECT i.lang, i.files, b.status, b.completed_count AS done, b.failed_count AS failed
FROM imports AS i JOIN vector_store_file_batches AS b USING (batch_id)
WHERE b.vector_store_id = 'vs_demo' AND b.wait_seconds = 60
ORDER BY i.lang;

-- What needs a look: anything but completed without failures.
SELECT d.lang, group_concat(d.title, ', ') AS documents
FROM imports AS i
JOIN vector_store_file_batches AS b USING (batch_id)
JOIN documents AS d USING (lang)
WHERE b.vector_store_id = 'vs_demo' AND (b.status <> 'completed' OR b.failed_count > 0)
GROUP BY d.lang;
