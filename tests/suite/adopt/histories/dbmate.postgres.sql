CREATE TABLE schema_migrations (
    version character varying NOT NULL
);
INSERT INTO schema_migrations (version) VALUES ('20240101090000');
INSERT INTO schema_migrations (version) VALUES ('20240215100000');
ALTER TABLE ONLY schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
