-- A customer's own rows in each order that is offered: without them PostgreSQL may read everybody's along another index.
CREATE INDEX my_reservation_user_price ON my_reservation (user_id, price, id);
CREATE INDEX my_reservation_user_created ON my_reservation (user_id, created_at, id);
