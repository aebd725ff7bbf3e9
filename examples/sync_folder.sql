-- Keep a vector store the same as a folder: run this again whenever files have changed.
-- openai-vtab --sandbox < examples/sync_folder.sql       on your account: openai-vtab my.db < examples/sync_folder.sql
.mode box

CREATE VIRTUAL TABLE IF NOT EXISTS manual USING vector_store_documents(name = 'Manual');

-- What you know of the files. An attribute that is NULL is left out.
CREATE TABLE IF NOT EXISTS pages (path TEXT PRIMARY KEY, audience TEXT);
INSERT OR IGNORE INTO pages VALUES
  ('docs/architecture.md', 'developers'),
  ('docs/testing.md',      'developers'),
  ('docs/security.md',     'users');

-- Empty files stop the INSERT before anything is sent. Look for them first, or leave them out as below.
SELECT name AS empty_file FROM fsdir('docs') WHERE length(data) = 0;

-- 1. New and changed files are uploaded; if only attributes have changed, they alone are sent.
--    length(data) > 0 leaves out empty files, and folders, whose data is NULL.
INSERT OR REPLACE INTO manual (key, path, attributes)
SELECT name, name, json_object('audience', pages.audience)
FROM fsdir('docs') LEFT JOIN pages ON pages.path = name
WHERE name LIKE '%.md' AND length(data) > 0;

-- 2. Documents whose files are gone are deleted. If the folder cannot be read, the statement fails and deletes nothing.
DELETE FROM manual
WHERE key LIKE 'docs/%' AND key NOT IN (SELECT name FROM fsdir('docs'));

-- 3. Wait for the documents, and list what has failed. Writing such a document again attaches it again.
SELECT key, status, last_error_message FROM manual
WHERE wait_seconds = 600 AND status <> 'completed';

-- 4. Delete the files that were replaced, now that the new ones can be searched.
INSERT INTO manual (manual) VALUES ('sync');

SELECT attributes ->> 'audience' AS audience, count(*) AS documents
FROM manual WHERE status = 'completed' GROUP BY 1 ORDER BY 1;
