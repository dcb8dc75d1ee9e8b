CREATE TABLE reservation (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       BIGINT NOT NULL,
    user_address  TEXT   NOT NULL,
    product_id    BIGINT NOT NULL,
    product_name  TEXT   NOT NULL,
    price         BIGINT NOT NULL,
    card_no       TEXT   NOT NULL, -- masked
    status        TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL, -- epoch milliseconds
    modified_at   BIGINT NOT NULL,
    cancel_reason TEXT,
    cancel_detail TEXT,
    traceparent   TEXT             -- of the request that took it, for whoever finishes it
);
CREATE INDEX reservation_live ON reservation (id) WHERE status <> 'reservation_cancelled';
CREATE INDEX reservation_user ON reservation (user_id, id) WHERE status <> 'reservation_cancelled';
CREATE INDEX reservation_price ON reservation (price, id) WHERE status <> 'reservation_cancelled';
CREATE INDEX reservation_pending ON reservation (id) WHERE status = 'pending';

CREATE TABLE idempotency_key (
    key            TEXT   NOT NULL PRIMARY KEY,
    fingerprint    TEXT   NOT NULL,
    reservation_id BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    answered_at    BIGINT,          -- NULL: in flight
    cancel_reason  TEXT,
    cancel_detail  TEXT
);
CREATE INDEX idempotency_key_reservation ON idempotency_key (reservation_id);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);

-- Totals without scanning: how many reservations are not cancelled.
CREATE TABLE row_count (
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    n    BIGINT  NOT NULL,
    PRIMARY KEY (name, slot)
);
INSERT INTO row_count (name, slot, n) VALUES ('reservation', 0, 0);
CREATE TRIGGER reservation_added AFTER INSERT ON reservation WHEN NEW.status <> 'reservation_cancelled'
BEGIN
    UPDATE row_count SET n = n + 1 WHERE name = 'reservation';
END;
CREATE TRIGGER reservation_cancelled AFTER UPDATE OF status ON reservation
    WHEN OLD.status <> 'reservation_cancelled' AND NEW.status = 'reservation_cancelled'
BEGIN
    UPDATE row_count SET n = n - 1 WHERE name = 'reservation';
END;
