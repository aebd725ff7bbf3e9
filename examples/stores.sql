-- Which vector stores do you have, what do they hold and cost, and which are unused?
-- openai-vtab --sandbox < examples/stores.sql
.mode box

-- By size, with the number of days since the last use.
SELECT name, total_count AS files, failed_count AS failed, usage_bytes AS bytes,
       (unixepoch() - last_active_at) / 86400 AS "days idle"
FROM vector_stores
ORDER BY usage_bytes DESC;

-- The cost: 1 GB is free, every other GB costs 0.10 dollars a day.
SELECT count(*) AS stores, sum(usage_bytes) AS bytes,
       round(max(0, sum(usage_bytes) / 1e9 - 1) * 0.10 * 30, 2) AS "dollars a month"
FROM vector_stores;

-- Let stores that were idle for half a year expire, a week after their last use.
UPDATE vector_stores SET expires_after = json_object('anchor', 'last_active_at', 'days', 7)
WHERE last_active_at < unixepoch() - 180 * 86400;

SELECT name, expires_after ->> 'days' AS "expires after idle days"
FROM vector_stores
WHERE expires_at IS NOT NULL;
