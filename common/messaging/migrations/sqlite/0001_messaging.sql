-- What every service that speaks through the log keeps in its own database.

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    topic        TEXT    NOT NULL,
    record_key   TEXT,
    payload      BLOB    NOT NULL,
    headers      BLOB    NOT NULL,
    timestamp_ms BIGINT  NOT NULL
);

CREATE TABLE inbox_position (
    topic         TEXT    NOT NULL,
    log_partition INTEGER NOT NULL,
    owner         TEXT    NOT NULL,
    next_offset   BIGINT  NOT NULL,
    PRIMARY KEY (topic, log_partition)
);

CREATE TABLE dead_letter (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    topic         TEXT    NOT NULL,
    log_partition INTEGER NOT NULL,
    log_offset    BIGINT  NOT NULL,
    record_key    TEXT,
    payload       BLOB    NOT NULL,
    headers       BLOB    NOT NULL,
    timestamp_ms  BIGINT  NOT NULL,
    status        TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    attempts      INTEGER NOT NULL,
    requested     TEXT    NOT NULL DEFAULT '',
    UNIQUE (topic, log_partition, log_offset)
);
CREATE INDEX dead_letter_key ON dead_letter (record_key, log_offset);
CREATE INDEX dead_letter_requested ON dead_letter (id) WHERE requested <> '';

CREATE TABLE lease (
    name   TEXT   NOT NULL PRIMARY KEY,
    holder TEXT   NOT NULL,
    beat   BIGINT NOT NULL
);
