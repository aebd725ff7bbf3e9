-- Which vector stores do you have, what do they hold and cost, and which has nobody used for long?
-- openai-vtab --sandbox < examples/stores.sql
.mode box

-- By size, with the days that nobody has used it.
SELECT name, total_count AS files, failed_count AS failed, usage_bytes AS bytes,
       (unixepoch() - last_active_at) / 86400 AS "days idle"
FROM vector_stores
ORDER BY usage_bytes DESC;

-- The bill: 1 GB is free, then 0.10 dollars for each GB and day.
SELECT count(*) AS stores, sum(usage_bytes) AS bytes,
       round(max(0, sum(usage_bytes) / 1e9 - 1) * 0.10 * 30, 2) AS "dollars a month"
FROM vector_stores;

-- Let what was idle for half a year expire by itself, a week after its last use.
UPDATE vector_stores SET expires_after = json_object('anchor', 'last_active_at', 'days', 7)
WHERE last_active_at < unixepoch() - 180 * 86400;

SELECT name, expires_after ->> 'days' AS "expires after so many idle days"
FROM vector_stores
WHERE expires_at IS NOT NULL;
