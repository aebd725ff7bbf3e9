-- Find passages by search, and join them with your own table.
-- openai-vtab --sandbox < examples/search.sql
.mode box

-- One search: the store, the text, and the maximum number of passages.
SELECT printf('%.2f', score) AS score, filename, substr(replace(content, char(10), ' '), 1, 45) AS passage
FROM vector_store_search('vs_demo', 'warranty of an order', 3)
ORDER BY score DESC;

-- Your own table knows who owns each document.
CREATE TABLE documents (file_id TEXT PRIMARY KEY, title TEXT, owner TEXT);
INSERT INTO documents VALUES
  ('file-demo-01', 'Returns',  'Ada'),
  ('file-demo-02', 'Shipping', 'Grace'),
  ('file-demo-03', 'Warranty', 'Barbara');

-- One search for each question, concurrently, with the best passage of each.
CREATE TABLE questions (question TEXT);
INSERT INTO questions VALUES ('refund policy'), ('when do orders leave'), ('faults of material');

SELECT q.question, d.title, d.owner, substr(replace(s.content, char(10), ' '), 1, 28) || '…' AS passage
FROM questions AS q
JOIN vector_store_search AS s
  ON s.vector_store_id = 'vs_demo' AND s.query = q.question AND s.max_num_results = 1
JOIN documents AS d ON d.file_id = s.file_id
ORDER BY q.question;
