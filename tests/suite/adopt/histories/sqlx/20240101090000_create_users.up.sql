-- Users of the shop
CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT NOT NULL);
INSERT INTO users VALUES (1, 'ada@example.com');
