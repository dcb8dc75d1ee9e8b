-- The read model: one row a reservation. Each producer's facts fill their own columns; a version of 0 says that the
-- producer has told nothing yet. Columns that all three tell come from the reservation if it is known, else from the
-- payment, else from the receipt.
--
-- A rebuild puts a new table in the place of this one. Its columns are the same, its indexes are called
-- <name>_b and <name> in turn: a later migration that drops an index drops both names, IF EXISTS.
CREATE TABLE my_reservation (
    id                      BIGINT NOT NULL PRIMARY KEY, -- the reservation's
    user_id                 BIGINT NOT NULL,
    user_address            TEXT,
    product_id              BIGINT NOT NULL,
    product_name            TEXT   NOT NULL,
    price                   BIGINT NOT NULL,
    card_no                 TEXT,                        -- masked
    created_at              BIGINT NOT NULL,             -- this and all times: epoch milliseconds, UTC
    reservation_version     BIGINT NOT NULL DEFAULT 0,
    reservation_status      TEXT,
    reservation_modified_at BIGINT,
    cancel_reason           TEXT,
    cancel_detail           TEXT,
    payment_version         BIGINT NOT NULL DEFAULT 0,
    payment_status          TEXT,
    payment_id              BIGINT,
    payment_created_at      BIGINT,
    payment_modified_at     BIGINT,
    receipt_version         BIGINT NOT NULL DEFAULT 0,
    receipt_status          TEXT,
    receipt_id              BIGINT,
    expected_delivery_at    BIGINT,
    receipt_created_at      BIGINT,
    receipt_modified_at     BIGINT,
    -- How far the saga has come; the same table of cases as domain/saga.rs, held to it by a test.
    outcome                 TEXT GENERATED ALWAYS AS (CASE
        WHEN reservation_status = 'reservated' AND payment_status = 'paid' AND receipt_status = 'receipt_issued'
            THEN 'completed'
        WHEN reservation_status = 'reservation_cancelled' AND COALESCE(payment_status, '') <> 'paid'
            AND COALESCE(receipt_status, '') <> 'receipt_issued' THEN 'cancelled'
        WHEN reservation_status = 'reservation_cancelled' OR payment_status = 'payment_cancelled'
            OR receipt_status = 'receipt_cancelled' THEN 'compensating'
        ELSE 'open' END) STORED,
    -- Bookkeeping, no part of the view: the outcome before the last write, so that the write can keep the counters.
    previous_outcome        TEXT
) WITH (fillfactor = 70);
CREATE INDEX my_reservation_user ON my_reservation (user_id, id);
CREATE INDEX my_reservation_price ON my_reservation (price, id);
CREATE INDEX my_reservation_created ON my_reservation (created_at, id);
-- Few rows at any time: what is on its way, and what is stuck.
CREATE INDEX my_reservation_unfinished ON my_reservation (id) WHERE outcome IN ('open', 'compensating');

-- Every fact as a step of its reservation's saga. A fact told again is the same step.
CREATE TABLE my_reservation_step (
    reservation_id BIGINT NOT NULL,
    facet          BIGINT NOT NULL, -- 0 reservation, 1 payment, 2 receipt
    version        BIGINT NOT NULL,
    status         TEXT   NOT NULL, -- what the thing became
    at_ms          BIGINT NOT NULL,
    trace_id       TEXT,
    attempts       BIGINT,
    PRIMARY KEY (reservation_id, facet, version)
);

-- Totals without scanning, all of them ('my_reservation') and by outcome ('my_reservation/open'). Kept by the writing
-- statement itself, from the outcomes before and after: a trigger would cost more than the write. A slot is the
-- partition of the log whose facts were written, so that the replicas do not queue on one row.
CREATE TABLE row_count (
    name TEXT   NOT NULL,
    slot BIGINT NOT NULL,
    n    BIGINT NOT NULL,
    PRIMARY KEY (name, slot)
) WITH (fillfactor = 10);
INSERT INTO row_count (name, slot, n) VALUES
    ('my_reservation', 0, 0), ('my_reservation/completed', 0, 0), ('my_reservation/cancelled', 0, 0),
    ('my_reservation/compensating', 0, 0), ('my_reservation/open', 0, 0);

-- How far a rebuild that is running has come; the service shows it as a metric. At most one row.
CREATE TABLE my_reservation_rebuild (
    id    BIGINT NOT NULL PRIMARY KEY,
    owner TEXT   NOT NULL, -- only it may swap
    done  BIGINT NOT NULL,
    total BIGINT NOT NULL
);
