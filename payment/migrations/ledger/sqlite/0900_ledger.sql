-- The simulated card network's own ledger. It is nobody's business but the network's; an audit may read it:
--   charges that stand = count(kind = 'charge') - count(kind = 'refund')

CREATE TABLE ledger_entry (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT    NOT NULL,
    -- charge: money was taken. decline: the bank said no. tombstone: undone before anything was taken.
    -- refund: the money of the key's charge was given back.
    kind            TEXT    NOT NULL CHECK (kind IN ('charge', 'decline', 'tombstone', 'refund')),
    amount          BIGINT  NOT NULL,
    card_no         TEXT    NOT NULL, -- masked
    code            TEXT,
    message         TEXT,
    recorded_at     BIGINT  NOT NULL  -- epoch milliseconds
);

-- Whatever comes first under a key decides: a second charge cannot be written, nor a charge behind a tombstone.
CREATE UNIQUE INDEX ledger_first ON ledger_entry (idempotency_key) WHERE kind <> 'refund';
CREATE UNIQUE INDEX ledger_refund ON ledger_entry (idempotency_key) WHERE kind = 'refund';
