CREATE TABLE receipt (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    reservation_id BIGINT NOT NULL UNIQUE,
    payment_id     BIGINT NOT NULL, -- this and the next five are empty in a tombstone
    user_id        BIGINT NOT NULL,
    product_id     BIGINT NOT NULL,
    product_name   TEXT   NOT NULL,
    price          BIGINT NOT NULL,
    paid_at        BIGINT NOT NULL, -- epoch milliseconds
    status         TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    modified_at    BIGINT NOT NULL
);
CREATE INDEX receipt_standing ON receipt (id) WHERE status = 'receipt_issued';
CREATE INDEX receipt_user ON receipt (user_id, id) WHERE status = 'receipt_issued';
CREATE INDEX receipt_price ON receipt (price, id) WHERE status = 'receipt_issued';

-- Totals without scanning: how many receipts stand.
CREATE TABLE row_count (
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    n    BIGINT  NOT NULL,
    PRIMARY KEY (name, slot)
);
INSERT INTO row_count (name, slot, n) VALUES ('receipt', 0, 0);
CREATE TRIGGER receipt_added AFTER INSERT ON receipt WHEN NEW.status = 'receipt_issued'
BEGIN
    UPDATE row_count SET n = n + 1 WHERE name = 'receipt';
END;
CREATE TRIGGER receipt_withdrawn AFTER UPDATE OF status ON receipt
    WHEN OLD.status = 'receipt_issued' AND NEW.status <> 'receipt_issued'
BEGIN
    UPDATE row_count SET n = n - 1 WHERE name = 'receipt';
END;
