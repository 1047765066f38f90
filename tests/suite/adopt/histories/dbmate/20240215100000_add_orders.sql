-- migrate:up
CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users (id));

-- migrate:down
DROP TABLE orders;
