-- Attach 3000 documents of a local table, each with attributes of its own, in batches of up to 2000 files.
-- openai-vtab --sandbox < examples/attributes.sql
.mode box

-- 3000 documents, as a program of yours may have left them. Their files are already uploaded.
CREATE TABLE documents (n INTEGER PRIMARY KEY, title TEXT, lang TEXT, year INTEGER, file_id TEXT);
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2999)
INSERT INTO documents
SELECT n, 'Document ' || n, iif(n % 3, 'en', 'de'), 2020 + n % 7, printf('file-new-%02d', 1 + n % 6)
FROM numbers;

-- Each file has attributes of its own, so they go into `files`. A batch takes up to 2000: n / 2000 is its number.
INSERT INTO vector_store_file_batches (vector_store_id, files)
SELECT 'vs_archive',
       json_group_array(json_object('file_id', file_id,
                                    'attributes', json_object('title', title, 'lang', lang, 'year', year)))
FROM documents
GROUP BY n / 2000;

-- The two batches have the last rowids.
SELECT 2 + rowid - last_insert_rowid() AS batch, status, total_count AS files
FROM vector_store_file_batches
WHERE rowid IN (last_insert_rowid(), last_insert_rowid() - 1) AND wait_seconds = 60
ORDER BY rowid;

-- A search can now filter by these attributes. (The demo has six files, which the 3000 documents share.)
SELECT attributes ->> 'lang' AS lang, count(*) AS files, group_concat(file_id, ' ' ORDER BY file_id) AS which
FROM vector_store_files
WHERE vector_store_id = 'vs_archive' AND attributes ->> 'lang' IS NOT NULL
GROUP BY lang;

SELECT filename, substr(content, 1, 50) AS passage
FROM vector_store_search('vs_archive', 'EU', 5, json_object('type', 'eq', 'key', 'lang', 'value', 'de'));
