//! Tools whose histories cannot be taken over, and must be noticed: what they have done must not be done again.

/// A tool, and how its table is known.
pub(super) struct Stranger {
    /// Its name.
    pub(super) name: &'static str,
    /// Its table, with its schema before a dot where it has one of its own.
    pub(super) table: &'static str,
    /// Columns by which its table is known, in small letters.
    pub(super) marks: &'static [&'static str],
    /// Whether these are all of its columns: alone they would not tell it from a table of somebody else.
    pub(super) is_bare: bool,
}

const fn stranger(
    name: &'static str,
    table: &'static str,
    marks: &'static [&'static str],
) -> Stranger {
    Stranger {
        name,
        table,
        marks,
        is_bare: false,
    }
}

const fn bare(name: &'static str, table: &'static str, marks: &'static [&'static str]) -> Stranger {
    Stranger {
        is_bare: true,
        ..stranger(name, table, marks)
    }
}

/// All that are known.
pub(super) const STRANGERS: [Stranger; 66] = [
    stranger("Alembic", "alembic_version", &["version_num"]),
    stranger(
        "Drizzle",
        "drizzle.__drizzle_migrations",
        &["hash", "created_at"],
    ),
    stranger("Drizzle", "__drizzle_migrations", &["hash", "created_at"]),
    stranger(
        "Knex",
        "knex_migrations",
        &["name", "batch", "migration_time"],
    ),
    stranger(
        "Liquibase",
        "databasechangelog",
        &["id", "author", "filename"],
    ),
    stranger(
        "Liquibase",
        "DATABASECHANGELOG",
        &["id", "author", "filename"],
    ),
    stranger("Django", "django_migrations", &["app", "name", "applied"]),
    stranger("tern", "schema_version", &["version"]),
    stranger("Ecto", "schema_migrations", &["version", "inserted_at"]),
    stranger("Laravel", "migrations", &["migration", "batch"]),
    stranger("TypeORM", "migrations", &["timestamp", "name"]),
    stranger("node-sqlite", "migrations", &["name", "up", "down"]),
    stranger(
        "better-sqlite3-helper",
        "migration",
        &["name", "up", "down"],
    ),
    stranger("Sequelize", "SequelizeMeta", &["name"]),
    stranger("MikroORM", "mikro_orm_migrations", &["name", "executed_at"]),
    stranger("Kysely", "kysely_migration", &["name", "timestamp"]),
    stranger(
        "Entity Framework",
        "__EFMigrationsHistory",
        &["migrationid", "productversion"],
    ),
    stranger("DbUp", "schemaversions", &["scriptname", "applied"]),
    stranger("Evolve", "changelog", &["version", "checksum", "success"]),
    stranger(
        "MyBatis Migrations",
        "changelog",
        &["id", "applied_at", "description"],
    ),
    stranger(
        "Play evolutions",
        "play_evolutions",
        &["apply_script", "revert_script"],
    ),
    stranger(
        "Phinx",
        "phinxlog",
        &["version", "migration_name", "breakpoint"],
    ),
    stranger(
        "Doctrine",
        "doctrine_migration_versions",
        &["version", "executed_at"],
    ),
    stranger("yoyo", "_yoyo_migration", &["migration_id"]),
    stranger("yoyo", "yoyo_migration", &["migration_id"]),
    stranger(
        "Sqitch",
        "sqitch.changes",
        &["change_id", "project", "planner_name"],
    ),
    stranger("pgroll", "pgroll.migrations", &["name", "migration"]),
    stranger(
        "Supabase",
        "supabase_migrations.schema_migrations",
        &["version", "statements"],
    ),
    stranger(
        "Hasura",
        "hdb_catalog.schema_migrations",
        &["version", "dirty"],
    ),
    stranger(
        "micrate",
        "micrate_db_version",
        &["version_id", "is_applied"],
    ),
    stranger("rambler", "migrations", &["migration"]),
    stranger("shmig", "shmig_version", &["version", "migrated_at"]),
    stranger("Sequel", "schema_info", &["version"]),
    stranger("Aerich", "aerich", &["version", "app", "content"]),
    stranger(
        "Cloudflare D1",
        "d1_migrations",
        &["id", "name", "applied_at"],
    ),
    stranger(
        "Graphile Migrate",
        "graphile_migrate.migrations",
        &["hash", "previous_hash", "filename"],
    ),
    stranger(
        "postgres-migrations",
        "migrations",
        &["name", "hash", "executed_at"],
    ),
    stranger("SeaORM", "seaql_migrations", &["version", "applied_at"]),
    stranger(
        "bun",
        "bun_migrations",
        &["name", "group_id", "migrated_at"],
    ),
    stranger("peewee-migrate", "migratehistory", &["name", "migrated_at"]),
    stranger("FluentMigrator", "VersionInfo", &["version", "appliedon"]),
    stranger("GRDB", "grdb_migrations", &["identifier"]),
    stranger("db-migrate", "migrations", &["name", "run_on"]),
    bare("gormigrate", "migrations", &["id"]),
    bare("pop", "schema_migration", &["version"]),
    stranger("Yii", "migration", &["version", "apply_time"]),
    stranger("Postgrator", "schemaversion", &["version", "md5", "run_at"]),
    stranger("Payload", "payload_migrations", &["name", "batch"]),
    stranger(
        "AdonisJS",
        "adonis_schema",
        &["name", "batch", "migration_time"],
    ),
    stranger("Strapi", "strapi_migrations", &["name", "time"]),
    stranger("Piccolo", "migration", &["name", "app_name", "ran_on"]),
    stranger(
        "CakePHP",
        "cake_migrations",
        &["version", "migration_name", "breakpoint"],
    ),
    stranger(
        "CodeIgniter",
        "migrations",
        &["version", "class", "namespace"],
    ),
    stranger(
        "sqlalchemy-migrate",
        "migrate_version",
        &["repository_id", "version"],
    ),
    stranger(
        "RoundhousE",
        "RoundhousE.ScriptsRun",
        &["script_name", "text_hash"],
    ),
    stranger(
        "RoundhousE",
        "RoundhousE_ScriptsRun",
        &["script_name", "text_hash"],
    ),
    stranger("grate", "grate.ScriptsRun", &["script_name", "text_hash"]),
    stranger("grate", "grate_ScriptsRun", &["script_name", "text_hash"]),
    stranger("dbdeploy", "changelog", &["change_number", "complete_dt"]),
    bare("morph", "db_migrations", &["version", "name"]),
    stranger(
        "Directus",
        "directus_migrations",
        &["version", "name", "timestamp"],
    ),
    bare("geni", "schema_migrations", &["id"]),
    stranger("Room", "room_master_table", &["id", "identity_hash"]),
    stranger("Propel", "propel_migration", &["version"]),
    stranger(
        "Grafana",
        "migration_log",
        &["migration_id", "sql", "success"],
    ),
    stranger(
        "Effect",
        "effect_sql_migrations",
        &["migration_id", "name", "created_at"],
    ),
];
