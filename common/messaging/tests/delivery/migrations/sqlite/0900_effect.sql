-- What the records of a test did, in the order in which they did it. Twice is two rows.
CREATE TABLE effect (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    log_offset BIGINT NOT NULL,
    record_key TEXT,
    payload    TEXT   NOT NULL,
    owner      TEXT   NOT NULL
);
