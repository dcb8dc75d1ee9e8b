-- The payments of reservations $1 to $2 of $3 users, made one a millisecond from $4 on. For SQLite and PostgreSQL.
WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)
INSERT INTO payment
    (reservation_id, user_id, product_id, product_name, price, card_no, status, version, created_at, modified_at)
SELECT i, 1 + i % $3, 1, 'fold', 1000000 + i % 500000, '****-****-****-1234', 'paid', 1, $4 + i, $4 + i
FROM n
