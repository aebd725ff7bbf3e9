-- From a folder of Markdown files to an answer: the files of docs/ become the documents of a vector store.
-- Without key or network:    openai-vtab --sandbox < examples/quickstart.sql
.mode box

-- A vector store as a table. The store is created with the first documents.
CREATE VIRTUAL TABLE IF NOT EXISTS handbook USING vector_store_documents(name = 'Handbook');

-- Upload and attach each file that is new or has changed. OpenAI refuses empty files, so they are left out.
INSERT OR REPLACE INTO handbook (key, path)
SELECT name, name FROM fsdir('docs') WHERE name LIKE '%.md' AND length(data) > 0;

-- Wait until the documents can be searched, for up to ten minutes.
.print The documents of docs/, when OpenAI has processed them:
SELECT status, count(*) AS documents FROM handbook WHERE wait_seconds = 600 GROUP BY status;

-- Search: the best passages come first.
.print
.print The best passages for “when is a request retried”:
SELECT key, round(score, 2) AS score, substr(replace(passage, char(10), ' '), 1, 36) || '…' AS passage
FROM handbook WHERE handbook MATCH 'when is a request retried' ORDER BY rank LIMIT 3;

-- Join your own tables: the best passage for each question.
.print
.print Two questions, joined with the document that answers each:
WITH questions(question) AS (VALUES ('what does a ledger recover after a crash'), ('how are deleted files detached'))
SELECT q.question, h.key
FROM questions AS q JOIN handbook AS h ON h.handbook = q.question AND h.max_num_results = 1;

-- The same statement again sends nothing, because no file has changed.
INSERT OR REPLACE INTO handbook (key, path)
SELECT name, name FROM fsdir('docs') WHERE name LIKE '%.md' AND length(data) > 0;

-- Every request is in a table.
.print
.print What was sent (the second INSERT has sent nothing):
SELECT method, replace(path, vector_store_id, 'vs_…') AS path, count(*) AS requests
FROM openai_requests, (SELECT vector_store_id FROM handbook LIMIT 1)
WHERE method = 'POST' GROUP BY 1, 2 ORDER BY min(number);
