-- What the tests of this crate need: a lease, something to list, something to count.

CREATE TABLE lease (
    name   TEXT   NOT NULL PRIMARY KEY,
    holder TEXT   NOT NULL,
    beat   BIGINT NOT NULL
);

CREATE TABLE tally (
    id INTEGER PRIMARY KEY,
    n  BIGINT NOT NULL
);
INSERT INTO tally (id, n) VALUES (1, 0);

CREATE TABLE thing (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    owner BIGINT  NOT NULL,
    price BIGINT  NOT NULL,
    gone  INTEGER NOT NULL
);
CREATE INDEX thing_price ON thing (price, id) WHERE gone = 0;
CREATE INDEX thing_owner ON thing (owner, id) WHERE gone = 0;

CREATE TABLE row_count (
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    n    BIGINT  NOT NULL,
    PRIMARY KEY (name, slot)
);
CREATE TRIGGER thing_added AFTER INSERT ON thing WHEN NEW.gone = 0 BEGIN
    INSERT INTO row_count (name, slot, n) VALUES ('thing', 0, 1) ON CONFLICT (name, slot) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER thing_removed AFTER DELETE ON thing WHEN OLD.gone = 0 BEGIN
    UPDATE row_count SET n = n - 1 WHERE name = 'thing' AND slot = 0;
END;
