CREATE TABLE flyway_schema_history (
    installed_rank INTEGER NOT NULL,
    version VARCHAR(50),
    description VARCHAR(200) NOT NULL,
    type VARCHAR(20) NOT NULL,
    script VARCHAR(1000) NOT NULL,
    checksum INTEGER,
    installed_by VARCHAR(100) NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT now(),
    execution_time INTEGER NOT NULL,
    success BOOLEAN NOT NULL,
    CONSTRAINT flyway_schema_history_pk PRIMARY KEY (installed_rank)
);
CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history (success);
INSERT INTO flyway_schema_history VALUES (1, '1.0', 'create users', 'SQL', 'V1_0__create_users.sql', -1088754323, 'app', '2024-01-01 09:00:00', 5, TRUE);
INSERT INTO flyway_schema_history VALUES (2, '1.1', 'add orders', 'SQL', 'V1_1__add_orders.sql', -1281747736, 'app', '2024-02-15 10:00:00', 3, TRUE);
