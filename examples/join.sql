-- Join a table in your own database file with the batches that its rows name.
-- openai-vtab --sandbox my.db < examples/join.sql
.mode box

CREATE TABLE IF NOT EXISTS imports (day TEXT, vector_store_id TEXT, batch_id TEXT, PRIMARY KEY (vector_store_id, batch_id));
INSERT OR IGNORE INTO imports VALUES
  ('2026-11-01', 'vs_demo',    'vsfb_demo_finished'),
  ('2026-11-02', 'vs_demo',    'vsfb_demo_failures'),
  ('2026-11-03', 'vs_demo',    'vsfb_demo_running'),
  ('2026-11-04', 'vs_archive', 'vsfb_archive_2025'),
  ('2026-11-05', 'vs_archive', 'vsfb_gone');

-- Every import with its batch's status. A batch that the API no longer knows is NULL.
SELECT i.day, i.batch_id, coalesce(b.status, 'unknown') AS status, b.completed_count AS done, b.failed_count AS failed
FROM imports AS i LEFT JOIN vector_store_file_batches AS b USING (vector_store_id, batch_id)
ORDER BY i.day;

-- The plan shows the push-down: the keys of each row of imports become one GET.
EXPLAIN QUERY PLAN
SELECT * FROM imports JOIN vector_store_file_batches USING (vector_store_id, batch_id);

-- A summary for each store, computed by SQLite.
SELECT i.vector_store_id, count(*) AS batches, sum(b.total_count) AS files,
       round(100.0 * sum(b.failed_count) / sum(b.total_count), 1) AS "failed %"
FROM imports AS i JOIN vector_store_file_batches AS b USING (vector_store_id, batch_id)
GROUP BY i.vector_store_id
ORDER BY 1;

-- List what needs attention: batches with failed files, and those still running.
SELECT i.day, b.id, b.status, b.failed_count
FROM imports AS i JOIN vector_store_file_batches AS b USING (vector_store_id, batch_id)
WHERE b.failed_count > 0 OR b.status = 'in_progress'
ORDER BY i.day;
