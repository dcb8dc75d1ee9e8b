-- What is held is read by itself, and the others without it.
CREATE INDEX outbox_held ON outbox (id) WHERE held = 1;
