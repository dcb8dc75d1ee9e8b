-- A key belongs to the user who sent it; 0: nobody said who. A release that does not know the column writes and reads 0.
-- SQLite changes a primary key only with the table.
CREATE TABLE idempotency_key_of_user (
    user_id        BIGINT NOT NULL DEFAULT 0,
    key            TEXT   NOT NULL,
    fingerprint    TEXT   NOT NULL,
    reservation_id BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    answered_at    BIGINT,          -- NULL: in flight
    cancel_reason  TEXT,
    cancel_detail  TEXT,
    PRIMARY KEY (user_id, key)
);
INSERT INTO idempotency_key_of_user (key, fingerprint, reservation_id, created_at, answered_at, cancel_reason, cancel_detail)
SELECT key, fingerprint, reservation_id, created_at, answered_at, cancel_reason, cancel_detail FROM idempotency_key;
DROP TABLE idempotency_key;
ALTER TABLE idempotency_key_of_user RENAME TO idempotency_key;
CREATE INDEX idempotency_key_reservation ON idempotency_key (reservation_id);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);

-- A customer's own reservations by price.
CREATE INDEX reservation_user_price ON reservation (user_id, price, id) WHERE status <> 'reservation_cancelled';
