-- By this the database is told from another one whose service reads in the same consumer group. One row, made by the
-- consumer that starts first.
CREATE TABLE identity (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
);
