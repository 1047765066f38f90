CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES (20240101090000, 'create users', '2026-11-22 00:20:27', TRUE, x'd70b7c0fc35a4cd5876a56531fcea8ed4fd6c52db931f8e94d2b818e93a2ab1c9ba05ed3ee30b4abbe7d76acf94648d9', 1395026);
INSERT INTO _sqlx_migrations VALUES (20240215100000, 'add orders', '2026-11-22 00:20:27', TRUE, x'398b69dcdcc81a882d28ab3d377de359f43ae588c9862ff8cc4c9e120f00aa90088891669aacf588c8dbc4ead91d568f', 1015158);
