-- Which log was read: `mark` is a record read last, `anchor` the one read first, each as "offset:digest". A log that has
-- other records there is not the one that the position belongs to. NULL: not known yet.
ALTER TABLE inbox_position ADD COLUMN mark TEXT;
ALTER TABLE inbox_position ADD COLUMN anchor TEXT;
