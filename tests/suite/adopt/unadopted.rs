//! A target that another tool has migrated, before it was said what becomes of that.

use super::tool::{NUMBERED, NUMBERED_DBMATE};
use crate::place::Place;

#[test]
fn nothing_of_it_runs_again() {
    for tool in NUMBERED {
        let place = tool.with_new_file(tool.place());
        let before = place.everything();
        for arguments in [&["migrate"][..], &["finalize"], &["plan", "--dry-run"]] {
            place
                .run(arguments)
                .ends_with(2)
                .and_says(&format!(
                    "`{}` says that {} has migrated",
                    tool.table, tool.name
                ))
                .and_says(&format!("wasmigrate import --from {}", tool.name))
                .and_says("wasmigrate baseline");
        }
        place
            .run(&["status"])
            .ends_with(0)
            .and_says(&format!("wasmigrate import --from {}", tool.name));
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_baseline_of_nothing_lets_everything_run() {
    // Such a table may belong to somebody else.
    let place = NUMBERED_DBMATE
        .place()
        .with_data("DROP TABLE orders; DROP TABLE users;");
    place
        .run(&["baseline", "--through", "0"])
        .ends_with(0)
        .and_says("run 1 wrote down nothing");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0002_add_orders migrated");
}

#[test]
fn an_empty_table_is_no_history() {
    let place = NUMBERED_DBMATE
        .place()
        .with_data("DELETE FROM schema_migrations; DROP TABLE orders; DROP TABLE users;");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn tools_that_cannot_be_taken_over_are_noticed() {
    for (tool, table) in [
        (
            "db-migrate",
            "migrations (id INTEGER, name VARCHAR(255), run_on TIMESTAMP)",
        ),
        ("gormigrate", "migrations (id VARCHAR(255))"),
        (
            "Payload",
            "payload_migrations (id INTEGER, name VARCHAR(255), batch NUMERIC, updated_at TIMESTAMP, created_at TIMESTAMP)",
        ),
        (
            "AdonisJS",
            "adonis_schema (id INTEGER, name VARCHAR(255), batch INTEGER, migration_time TIMESTAMP)",
        ),
        (
            "Strapi",
            "strapi_migrations (id INTEGER, name VARCHAR(255), time TIMESTAMP)",
        ),
        (
            "Piccolo",
            "migration (id INTEGER, name VARCHAR(200), app_name VARCHAR(200), ran_on TIMESTAMP)",
        ),
        (
            "CakePHP",
            "cake_migrations (id INTEGER, version BIGINT, migration_name VARCHAR(100), plugin VARCHAR(100), breakpoint BOOLEAN)",
        ),
        (
            "CodeIgniter",
            "migrations (id INTEGER, version VARCHAR(255), class VARCHAR(255), namespace VARCHAR(255), time INTEGER, batch INTEGER)",
        ),
        (
            "sqlalchemy-migrate",
            "migrate_version (repository_id VARCHAR(250), repository_path TEXT, version INTEGER)",
        ),
        (
            "dbdeploy",
            "changelog (id INTEGER, change_number BIGINT, complete_dt TIMESTAMP, applied_by VARCHAR(100), description VARCHAR(500))",
        ),
        (
            "Effect",
            "effect_sql_migrations (migration_id INTEGER, created_at TIMESTAMP, name VARCHAR(255), id INTEGER)",
        ),
        ("pop", "schema_migration (version VARCHAR(14))"),
        (
            "better-sqlite3-helper",
            "migration (id INTEGER, name TEXT, up TEXT, down TEXT)",
        ),
        ("morph", "db_migrations (version BIGINT, name VARCHAR(64))"),
        (
            "Directus",
            "directus_migrations (version VARCHAR(255), name VARCHAR(255), timestamp TIMESTAMP)",
        ),
        ("geni", "schema_migrations (id VARCHAR(255))"),
        ("Room", "room_master_table (id INTEGER, identity_hash TEXT)"),
        ("Propel", "propel_migration (version INTEGER)"),
        (
            "Grafana",
            "migration_log (id INTEGER, migration_id VARCHAR(255), sql TEXT, success BOOLEAN, error TEXT, timestamp TIMESTAMP)",
        ),
        (
            "Yii",
            "migration (version VARCHAR(180), apply_time INTEGER)",
        ),
        (
            "Postgrator",
            "schemaversion (version BIGINT, name TEXT, md5 TEXT, run_at TIMESTAMP)",
        ),
    ] {
        let (name, _) = table.split_once(' ').unwrap();
        let column = if table.contains("version") {
            "version"
        } else {
            "id"
        };
        let place = Place::new()
            .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
            .with_data(&format!(
                "CREATE TABLE {table}; INSERT INTO {name} ({column}) VALUES (1);"
            ));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("`{name}` says that {tool} has migrated"));
        assert!(!place.has_table("a"));
    }
    // Tables of the application with some of these names and columns.
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_data(
            "CREATE TABLE migrations (id INTEGER, bird TEXT); INSERT INTO migrations VALUES (1, 'stork');
             CREATE TABLE schema_migration (version INTEGER, bird TEXT);
             INSERT INTO schema_migration VALUES (1, 'stork');",
        );
    place.run(&["migrate"]).ends_with(0);
}

/// A counter before the first migration counts nothing.
#[test]
fn a_version_of_zero_is_no_history() {
    for (table, version) in [("schema_version", 0), ("schema_info", 0)] {
        let place = Place::new()
            .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
            .with_data(&format!(
                "CREATE TABLE {table} (version INTEGER NOT NULL); INSERT INTO {table} VALUES ({version})"
            ));
        place.run(&["migrate"]).ends_with(0);
        assert!(place.has_table("a"), "{table}");
    }
}

mod postgres {
    use super::*;

    const GOOSE: &str = "goose_db_version (id SERIAL, version_id BIGINT, is_applied BOOLEAN, tstamp TIMESTAMP DEFAULT now())";
    const APPLIED: &str = "goose_db_version (version_id, is_applied) VALUES (0, true), (1, true)";

    fn place() -> Place {
        Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
    }

    #[test]
    fn a_history_in_another_schema_is_noticed() {
        for (name, tool, columns) in [
            (
                "flyway_schema_history",
                "flyway",
                "installed_rank INT, version TEXT, script TEXT, checksum INT, success BOOLEAN",
            ),
            (
                "_sqlx_migrations",
                "sqlx",
                "version BIGINT, installed_on TIMESTAMPTZ, success BOOLEAN, checksum BYTEA",
            ),
            (
                "_prisma_migrations",
                "prisma",
                "checksum TEXT, finished_at TIMESTAMPTZ, migration_name TEXT, rolled_back_at TIMESTAMPTZ",
            ),
            (
                "pgmigrations",
                "node-pg-migrate",
                "id INT, name TEXT, run_on TIMESTAMP",
            ),
            ("schema_migrations", "dbmate", "version TEXT"),
            (
                "knex_migrations",
                "Knex",
                "id INT, name TEXT, batch INT, migration_time TIMESTAMPTZ",
            ),
            (
                "databasechangelog",
                "Liquibase",
                "id TEXT, author TEXT, filename TEXT",
            ),
            (
                "__drizzle_migrations",
                "Drizzle",
                "hash TEXT, created_at BIGINT",
            ),
            ("alembic_version", "Alembic", "version_num TEXT"),
        ] {
            let place = place().with_data(&format!(
                "CREATE SCHEMA other; CREATE TABLE other.{name} ({columns}); INSERT INTO other.{name} DEFAULT VALUES;"
            ));
            for command in ["migrate", "plan"] {
                place
                    .run(&[command])
                    .ends_with(2)
                    .and_says(&format!("`other.{name}` says that {tool} has migrated"))
                    .and_says("`wasmigrate baseline --through none` none of them, as when the table is of something else");
            }
            assert!(!place.has_table("a"), "{name}");
        }
        place()
            .with_data(
                "CREATE SCHEMA auth; CREATE TABLE auth._prisma_migrations (id TEXT, checksum TEXT, finished_at TIMESTAMPTZ,
                 migration_name TEXT, rolled_back_at TIMESTAMPTZ);
                 INSERT INTO auth._prisma_migrations DEFAULT VALUES;",
            )
            .run(&["migrate"])
            .ends_with(2)
            .and_says("`auth._prisma_migrations` says that prisma has migrated");
        let place = place().with_data(
            "CREATE SCHEMA other; CREATE TABLE other.schema_version (version INTEGER, product TEXT);
             INSERT INTO other.schema_version VALUES (1, 'x');
             CREATE TABLE other.migrations (name TEXT, bird TEXT); INSERT INTO other.migrations VALUES ('x', 'stork');
             CREATE TABLE other.alembic_version (version_num TEXT);
             CREATE SCHEMA auth; CREATE TABLE auth.schema_migrations (version VARCHAR(255) PRIMARY KEY);
             INSERT INTO auth.schema_migrations VALUES ('20240101000000');",
        );
        place.run(&["migrate"]).ends_with(0);
    }

    #[test]
    fn one_where_another_tool_has_its_own_is_that_tools() {
        for (table, columns, said) in [
            (
                "hdb_catalog.schema_migrations",
                "version BIGINT, dirty BOOLEAN",
                "`hdb_catalog.schema_migrations` says that Hasura has migrated",
            ),
            (
                "app.atlas_schema_revisions",
                "version TEXT, type BIGINT, applied BIGINT, total BIGINT, executed_at TIMESTAMPTZ, error TEXT, hash TEXT",
                "`wasmigrate import --from atlas` takes",
            ),
        ] {
            let (schema, _) = table.split_once('.').unwrap();
            let place = place().with_data(&format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {table} ({columns});
                 INSERT INTO {table} DEFAULT VALUES;"
            ));
            place.run(&["migrate"]).ends_with(2).and_says(said);
        }
    }

    #[test]
    fn it_is_taken_over_from_there() {
        let place = place().with_data(&format!(
            "CREATE SCHEMA other; CREATE TABLE other.{GOOSE}; INSERT INTO other.{APPLIED}; CREATE TABLE a (b INTEGER);"
        ));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("`wasmigrate import --from goose --table other.goose_db_version`");
        // Asked for without its place, it is looked for.
        let untouched = place.everything();
        place
            .run(&["import", "--from", "goose"])
            .ends_with(2)
            .and_says("`other.goose_db_version` looks like it: `wasmigrate import --from goose --table other.goose_db_version`");
        assert!(place.everything() == untouched);
        place
            .run(&["import", "--from", "sqlx"])
            .ends_with(2)
            .and_says("there is no table");
        let arguments = [
            "import",
            "--from",
            "goose",
            "--table",
            "other.goose_db_version",
        ];
        place.run(&arguments).ends_with(0).and_says("0001_a");
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
        // The first row of goose's says that there was nothing.
        let place = self::place().with_data(&format!(
            "CREATE SCHEMA other; CREATE TABLE other.{GOOSE};
             INSERT INTO other.goose_db_version (version_id, is_applied) VALUES (0, true);"
        ));
        place.run(&["migrate"]).ends_with(0);
    }

    #[test]
    fn a_view_of_it_is_noticed() {
        let place = place().with_data(&format!(
            "CREATE SCHEMA other; CREATE TABLE {GOOSE}; INSERT INTO {APPLIED};
             ALTER TABLE goose_db_version RENAME TO versions; CREATE VIEW goose_db_version AS SELECT * FROM versions;"
        ));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("`goose_db_version` says that goose has migrated");
    }

    #[test]
    fn one_that_the_role_may_not_read_is_noticed() {
        let place = place();
        place.connect_as_superuser().run(&format!(
            "CREATE SCHEMA hidden; CREATE TABLE hidden.{GOOSE}; INSERT INTO hidden.{APPLIED};"
        ));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("`hidden.goose_db_version` says that goose has migrated");
        assert!(!place.has_table("a"));
    }

    #[test]
    fn one_whose_owner_hides_its_rows_is_noticed() {
        let place = place();
        place.connect_as_superuser().run(&format!(
            "CREATE SCHEMA hidden; CREATE TABLE hidden.{GOOSE}; INSERT INTO hidden.{APPLIED};
             GRANT USAGE ON SCHEMA hidden TO PUBLIC; GRANT SELECT ON hidden.goose_db_version TO PUBLIC;
             ALTER TABLE hidden.goose_db_version ENABLE ROW LEVEL SECURITY;"
        ));
        place.run(&["migrate"]).ends_with(2).and_says("hidden");
        place.run(&["baseline", "--through", "none"]).ends_with(0);
        place.run(&["migrate"]).ends_with(0);
    }
}
