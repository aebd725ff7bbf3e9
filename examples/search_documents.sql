-- Search a vector store as one searches an FTS5 table: MATCH, rank, filters and joins.
-- openai-vtab --sandbox < examples/search_documents.sql       on your account: openai-vtab my.db < examples/search_documents.sql
.mode box

CREATE VIRTUAL TABLE IF NOT EXISTS policies USING vector_store_documents(name = 'Policies');
INSERT OR REPLACE INTO policies (key, content, attributes) VALUES
  ('returns/eu', 'In the EU, goods can be returned within 30 days. The refund covers postage.', '{"region": "eu", "year": 2026}'),
  ('returns/us', 'In the US, goods can be returned within 60 days. The refund covers the price.', '{"region": "us", "year": 2026}'),
  ('returns/old', 'Goods can be returned within 14 days. There is no refund of postage.', '{"region": "eu", "year": 2019}'),
  ('warranty', 'The warranty lasts two years. It covers faults of material.', '{"region": "eu", "year": 2025}');
SELECT count(*) AS documents FROM policies WHERE status = 'completed' AND wait_seconds = 600;

-- MATCH searches. rank sorts as in FTS5, the best passage first; score is the API's own number, from 0 to 1.
SELECT key, round(score, 2) AS score, passage
FROM policies WHERE policies MATCH 'refund of postage' ORDER BY rank LIMIT 2;

-- The same as a table-valued function: the text, then max_num_results.
SELECT key, passage FROM policies('refund of postage', 2);

-- With filters, OpenAI searches only documents that have these attributes.
SELECT key, attributes ->> 'year' AS year
FROM policies
WHERE policies MATCH 'refund of postage'
  AND filters = json_object('type', 'and', 'filters', json_array(
        json_object('type', 'eq',  'key', 'region', 'value', 'eu'),
        json_object('type', 'gte', 'key', 'year',   'value', 2025)))
ORDER BY rank;

-- A condition in SQL on attributes only drops hits after the search, so it may leave none.
SELECT count(*) AS hits
FROM policies WHERE policies MATCH 'refund of postage' AND max_num_results = 1 AND attributes ->> 'region' = 'us';

-- Many searches at once, concurrently: the best document for each question.
CREATE TEMP TABLE questions (question TEXT);
INSERT INTO questions VALUES ('how long is the warranty'), ('refund in the US');
SELECT q.question, p.key
FROM questions AS q JOIN policies AS p ON p.policies = q.question AND p.max_num_results = 1
ORDER BY q.question;

-- The whole text of a document, as the API has read it.
SELECT content FROM policies WHERE key = 'warranty';
