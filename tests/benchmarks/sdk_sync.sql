CREATE VIRTUAL TABLE IF NOT EXISTS handbook USING vector_store_documents(name = 'Handbook');

INSERT OR REPLACE INTO handbook (key, path)
SELECT name, name FROM fsdir('docs') WHERE name LIKE '%.md' AND length(data) > 0;

SELECT key || ' cannot be searched: ' || last_error_message FROM handbook
WHERE wait_seconds = 600 AND status <> 'completed';

DELETE FROM handbook WHERE key LIKE 'docs/%' AND key NOT IN (SELECT name FROM fsdir('docs'));

INSERT INTO handbook (handbook) VALUES ('sync');

SELECT key || ': ' || passage FROM handbook WHERE handbook MATCH 'what does number 7 say' AND max_num_results = 3 ORDER BY rank;
