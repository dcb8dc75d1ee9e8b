-- 1: the log refuses the record, or an earlier one of its key. It waits, and nobody else with it.
ALTER TABLE outbox ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- A key may be longer than an index takes, and what is set aside must fit in whatever it is.
DROP INDEX dead_letter_key;
CREATE INDEX dead_letter_status ON dead_letter (status);
