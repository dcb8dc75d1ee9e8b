-- An intent whose idempotency key another request had taken a moment before is deleted again, and no longer counted.
CREATE TRIGGER reservation_withdrawn AFTER DELETE ON reservation WHEN OLD.status <> 'reservation_cancelled'
BEGIN
    UPDATE row_count SET n = n - 1 WHERE name = 'reservation';
END;

UPDATE row_count SET n = (SELECT COUNT(*) FROM reservation WHERE status <> 'reservation_cancelled')
WHERE name = 'reservation';
