-- A customer's own receipts by price: without it PostgreSQL may read everybody's along receipt_price.
CREATE INDEX receipt_user_price ON receipt (user_id, price, id) WHERE status = 'receipt_issued';
