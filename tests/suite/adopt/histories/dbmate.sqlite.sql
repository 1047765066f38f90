CREATE TABLE IF NOT EXISTS "schema_migrations" (version varchar(128) primary key);
INSERT INTO schema_migrations VALUES('20240101090000');
INSERT INTO schema_migrations VALUES('20240215100000');
