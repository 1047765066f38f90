CREATE TABLE _sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) VALUES (20240101090000, 'create users', '2026-11-22 00:20:27.566438+00', true, '\xd70b7c0fc35a4cd5876a56531fcea8ed4fd6c52db931f8e94d2b818e93a2ab1c9ba05ed3ee30b4abbe7d76acf94648d9', 1395026);
INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) VALUES (20240215100000, 'add orders', '2026-11-22 00:20:27.568097+00', true, '\x398b69dcdcc81a882d28ab3d377de359f43ae588c9862ff8cc4c9e120f00aa90088891669aacf588c8dbc4ead91d568f', 1015158);
ALTER TABLE ONLY _sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
