CREATE TABLE half_way (id BIGINT NOT NULL);
INSERT INTO no_such_table (id) VALUES (1);
