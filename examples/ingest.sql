-- Ingest a table of documents: create one batch for each language, wait for all, and list failures.
-- openai-vtab --sandbox < examples/ingest.sql
.mode box

CREATE TABLE documents (title TEXT, lang TEXT, file_id TEXT);
INSERT INTO documents VALUES
  ('Returns',  'en', 'file-new-01'),
  ('Shipping', 'en', 'file-new-02'),
  ('Stock',    'de', 'file-new-05'),
  ('Repairs',  'de', 'file-new-06');
CREATE TABLE imports (lang TEXT PRIMARY KEY, files INTEGER, batch INTEGER, batch_id TEXT);

-- One transaction: the rows of imports exist only if every batch was created.
BEGIN;
INSERT INTO vector_store_file_batches (vector_store_id, file_ids, attributes)
SELECT 'vs_demo', json_group_array(file_id), json_object('lang', lang) FROM documents WHERE lang = 'en';
INSERT INTO imports SELECT lang, count(*), last_insert_rowid(), NULL FROM documents WHERE lang = 'en';
INSERT INTO vector_store_file_batches (vector_store_id, file_ids, attributes)
SELECT 'vs_demo', json_group_array(file_id), json_object('lang', lang) FROM documents WHERE lang = 'de';
INSERT INTO imports SELECT lang, count(*), last_insert_rowid(), NULL FROM documents WHERE lang = 'de';
COMMIT;

-- Store the batches' ids, because their rowids are valid for this connection only.
UPDATE imports SET batch_id = (SELECT id FROM vector_store_file_batches AS b WHERE b.rowid = imports.batch);

-- Wait for all batches together, up to a minute. A completed batch may have failed files, so read the counts.
SELECT i.lang, i.files, b.status, b.completed_count AS done, b.failed_count AS failed
FROM imports AS i JOIN vector_store_file_batches AS b USING (batch_id)
WHERE b.vector_store_id = 'vs_demo' AND b.wait_seconds = 60
ORDER BY i.lang;

-- List what needs attention: every batch that is not completed, or has failed files.
SELECT d.lang, group_concat(d.title, ', ') AS documents
FROM imports AS i
JOIN vector_store_file_batches AS b USING (batch_id)
JOIN documents AS d USING (lang)
WHERE b.vector_store_id = 'vs_demo' AND (b.status <> 'completed' OR b.failed_count > 0)
GROUP BY d.lang;
