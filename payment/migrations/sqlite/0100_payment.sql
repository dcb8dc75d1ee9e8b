-- Payments, one a reservation. Rows are never deleted: a cancelled one is the tombstone that refuses a late charge.

CREATE TABLE payment (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    reservation_id  BIGINT  NOT NULL UNIQUE,
    user_id         BIGINT  NOT NULL,
    product_id      BIGINT  NOT NULL,
    product_name    TEXT    NOT NULL,
    price           BIGINT  NOT NULL,
    card_no         TEXT    NOT NULL, -- masked
    status          TEXT    NOT NULL,
    version         BIGINT  NOT NULL, -- how many facts were published
    decline_code    TEXT,
    decline_message TEXT,
    traceparent     TEXT,             -- of the request that asked for the charge
    created_at      BIGINT  NOT NULL, -- epoch milliseconds
    modified_at     BIGINT  NOT NULL,
    CHECK (status IN ('charging', 'paid', 'declined', 'refunding', 'payment_cancelled', 'void'))
);

-- What somebody still has to finish; nearly empty.
CREATE INDEX payment_unfinished ON payment (status, id) WHERE status IN ('charging', 'refunding');

-- One for each sort that is offered, of all and of one user's payments.
CREATE INDEX payment_by_id ON payment (id) WHERE status = 'paid';
CREATE INDEX payment_by_user ON payment (user_id, id) WHERE status = 'paid';
CREATE INDEX payment_by_price ON payment (price, id) WHERE status = 'paid';
CREATE INDEX payment_by_created ON payment (created_at, id) WHERE status = 'paid';
CREATE INDEX payment_of_user_by_price ON payment (user_id, price, id) WHERE status = 'paid';
CREATE INDEX payment_of_user_by_created ON payment (user_id, created_at, id) WHERE status = 'paid';

-- totalElements without counting. The slots are for PostgreSQL; here there is one writer.
CREATE TABLE row_count (
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    n    BIGINT  NOT NULL,
    PRIMARY KEY (name, slot)
) WITHOUT ROWID;

CREATE TRIGGER payment_counted_insert AFTER INSERT ON payment WHEN NEW.status = 'paid' BEGIN
    INSERT INTO row_count (name, slot, n) VALUES ('payment', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER payment_counted_update AFTER UPDATE OF status ON payment
WHEN (OLD.status = 'paid') <> (NEW.status = 'paid') BEGIN
    INSERT INTO row_count (name, slot, n) VALUES ('payment', 0, CASE NEW.status WHEN 'paid' THEN 1 ELSE -1 END)
    ON CONFLICT (name, slot) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER payment_counted_delete AFTER DELETE ON payment WHEN OLD.status = 'paid' BEGIN
    UPDATE row_count SET n = n - 1 WHERE name = 'payment' AND slot = 0;
END;
