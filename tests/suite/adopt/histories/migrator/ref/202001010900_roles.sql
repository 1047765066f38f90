CREATE TABLE {schema}.roles (id BIGINT PRIMARY KEY);
INSERT INTO {schema}.roles VALUES (1);
