-- Documents whose contents are in a table: changes of the table are sent to a vector store.
-- openai-vtab --sandbox < examples/documents_table.sql       on your account: openai-vtab my.db < examples/documents_table.sql
.mode box

CREATE TABLE IF NOT EXISTS articles (id INTEGER PRIMARY KEY, title TEXT, lang TEXT, body TEXT);
INSERT OR REPLACE INTO articles VALUES
  (1, 'Returns',   'en', 'Goods can be returned within 30 days. We refund the price and the postage.'),
  (2, 'Shipping',  'en', 'Orders leave the warehouse within one working day.'),
  (3, 'Rückgabe',  'de', 'Waren können innerhalb von 30 Tagen zurückgegeben werden.'),
  (4, 'Christmas', 'en', 'From 24 to 26 December the warehouse is closed.');

-- The name of the vector store, and how its documents are divided into passages.
CREATE VIRTUAL TABLE IF NOT EXISTS faq USING vector_store_documents(
  name = 'Questions and answers',
  chunking_strategy = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}'
);

-- The key can be anything that is unique, such as a primary key. It becomes the file's name at OpenAI: 1.txt.
-- One transaction: what is new or changed is sent, and what the table no longer has is deleted.
BEGIN;
INSERT OR REPLACE INTO faq (key, content, attributes)
SELECT id, title || char(10, 10) || body, json_object('lang', lang) FROM articles;
DELETE FROM faq WHERE key NOT IN (SELECT CAST(id AS TEXT) FROM articles);
COMMIT;

SELECT status, count(*) AS documents FROM faq WHERE wait_seconds = 600 GROUP BY status;

-- One article changes, one gets another attribute, one is gone.
UPDATE articles SET body = 'Orders leave the warehouse on the same day.' WHERE id = 2;
UPDATE articles SET lang = 'de-AT' WHERE id = 3;
DELETE FROM articles WHERE id = 4;

CREATE TEMP TABLE first_sync AS SELECT max(number) AS last_request FROM openai_requests;
BEGIN;
INSERT OR REPLACE INTO faq (key, content, attributes)
SELECT id, title || char(10, 10) || body, json_object('lang', lang) FROM articles;
DELETE FROM faq WHERE key NOT IN (SELECT CAST(id AS TEXT) FROM articles);
COMMIT;

-- Wait, then delete the file that was replaced.
SELECT key, status FROM faq WHERE wait_seconds = 600;
INSERT INTO faq (faq) VALUES ('sync');

-- What the second sync has sent.
SELECT sum(method = 'POST' AND path = '/files') AS uploads,
       sum(method = 'POST' AND path LIKE '%/files/%') AS "changes of attributes",
       sum(method = 'DELETE' AND path LIKE '/files/%') AS "deleted files"
FROM openai_requests, first_sync WHERE number > last_request;

-- Each hit with its row of the table.
SELECT a.title, round(f.score, 2) AS score, f.passage
FROM faq('when do orders leave', 1) AS f JOIN articles AS a ON a.id = CAST(f.key AS INTEGER);
