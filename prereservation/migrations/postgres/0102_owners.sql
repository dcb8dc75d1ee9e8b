-- A key belongs to the user who sent it; 0: nobody said who. A release that does not know the column writes and reads 0.
ALTER TABLE idempotency_key ADD COLUMN user_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_pkey, ADD PRIMARY KEY (user_id, key);

-- A customer's own reservations by price: without it PostgreSQL may read everybody's along reservation_price.
CREATE INDEX reservation_user_price ON reservation (user_id, price, id) WHERE status <> 'reservation_cancelled';
