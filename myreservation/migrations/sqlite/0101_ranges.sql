-- How many rows each range of 2^10 and of 2^16 ids has: pages far from both ends are found without walking there
-- (storage::ranges, whose statement this is). Nobody writes meanwhile.
DELETE FROM row_count WHERE name = 'my_reservation';
INSERT INTO row_count (name, slot, n)
WITH narrow AS (SELECT id >> 10 AS range, COUNT(*) AS n FROM my_reservation GROUP BY id >> 10)
SELECT 'my_reservation#10#' || printf('%016x', range + 9007199254740992), 0, n FROM narrow
UNION ALL
SELECT 'my_reservation#16#' || printf('%016x', (range >> 6) + 140737488355328), 0, CAST(SUM(n) AS BIGINT) FROM narrow GROUP BY (range >> 6)
UNION ALL
SELECT 'my_reservation', 0, CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM narrow;
