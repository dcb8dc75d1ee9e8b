-- An intent whose idempotency key another request had taken a moment before is deleted again, and no longer counted.
CREATE TRIGGER reservation_withdrawn AFTER DELETE ON reservation
    FOR EACH ROW WHEN (OLD.status <> 'reservation_cancelled')
    EXECUTE FUNCTION count_reservation('-1');

-- Nobody writes meanwhile: the trigger's lock is held until the end.
UPDATE row_count SET n = CASE slot
    WHEN 0 THEN (SELECT COUNT(*) FROM reservation WHERE status <> 'reservation_cancelled')
    ELSE 0
END
WHERE name = 'reservation';
