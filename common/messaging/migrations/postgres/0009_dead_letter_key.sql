-- Working off many dead letters asks for the first one of a key again and again. The beginning of a key always fits in
-- an index; a whole one may not.
CREATE INDEX dead_letter_key_beginning ON dead_letter (substr(record_key, 1, 64), log_offset);
