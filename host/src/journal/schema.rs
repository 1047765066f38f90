//! The journal's tables.

use crate::database::{Kind, Result, Session};

/// The version of the tables below, kept in `wasmigrate_journal`. A host refuses a journal that is newer than itself.
pub(super) const VERSION: i64 = 1;

/// Each has a primary key: a server that replicates all tables lets no row be changed that has none.
/// Times are milliseconds since 1970 in UTC. Words in braces stand for what databases spell differently: `{KEY}` a whole
/// number that is the primary key, `{BYTES}` a type, `{CLUSTERED}` a table kept in the order of its primary key.
const TABLES: [&str; 7] = [
    "CREATE TABLE wasmigrate_journal (
        version {KEY}
    )",
    "CREATE TABLE wasmigrate_lease (
        token {KEY},
        holder TEXT,
        process TEXT,
        run BIGINT,
        acquired_at BIGINT,
        renewed_at BIGINT,
        expires_at BIGINT
    )",
    "CREATE TABLE wasmigrate_run (
        id {KEY},
        command TEXT NOT NULL,
        phase TEXT NOT NULL,
        \"verbose\" BIGINT NOT NULL,
        expected_rows BIGINT,
        outcome TEXT,
        host TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        ended_at BIGINT,
        error TEXT
    )",
    "CREATE TABLE wasmigrate_step (
        step_index {KEY},
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        digest TEXT NOT NULL,
        state TEXT NOT NULL,
        run BIGINT NOT NULL,
        started_at BIGINT NOT NULL,
        seed BIGINT NOT NULL,
        migrated_at BIGINT,
        finalized_at BIGINT,
        rows_done BIGINT,
        resume_cursor {BYTES}
    )",
    "CREATE TABLE wasmigrate_attempt (
        run BIGINT NOT NULL,
        step_index BIGINT NOT NULL,
        phase TEXT NOT NULL,
        attempt BIGINT NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        outcome TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        error TEXT,
        PRIMARY KEY (run, step_index, phase, attempt)
    ) {CLUSTERED}",
    "CREATE TABLE wasmigrate_output (
        run BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        step_index BIGINT,
        phase TEXT NOT NULL,
        written_at BIGINT NOT NULL,
        level TEXT NOT NULL,
        line TEXT NOT NULL,
        PRIMARY KEY (run, sequence)
    ) {CLUSTERED}",
    SCHEMA,
];

/// What the target looked like at the end of a run; one row. Journals of earlier hosts have no such table.
const SCHEMA: &str = "CREATE TABLE wasmigrate_schema (
        id {KEY},
        run BIGINT NOT NULL,
        definition TEXT NOT NULL
    )";

/// The version of the journal in the target; none when it has no journal yet.
pub(super) async fn version(session: &mut dyn Session) -> Result<Option<i64>> {
    if !session.has_journal_table("wasmigrate_journal").await? {
        return Ok(None);
    }
    let rows = session
        .rows("SELECT version FROM wasmigrate_journal", &[])
        .await?;
    Ok(Some(super::integer(&rows, 0)))
}

/// Whether the journal has the table of the schema.
pub(super) async fn has_schema(session: &mut dyn Session) -> Result<bool> {
    session.has_journal_table("wasmigrate_schema").await
}

/// Makes the table of the schema when an earlier host has made the journal, in the open transaction.
pub(super) async fn complete(session: &mut dyn Session) -> Result<()> {
    match has_schema(session).await? {
        true => Ok(()),
        false => create_tables(session, &[SCHEMA]).await,
    }
}

/// Makes the tables, in the open transaction.
pub(super) async fn create(session: &mut dyn Session) -> Result<()> {
    create_tables(session, &TABLES).await?;
    session
        .execute_later(
            "INSERT INTO wasmigrate_journal (version) VALUES ($1)",
            &[VERSION.into()],
        )
        .await?;
    session
        .execute_later("INSERT INTO wasmigrate_lease (token) VALUES (0)", &[])
        .await
}

async fn create_tables(session: &mut dyn Session, tables: &[&str]) -> Result<()> {
    let (key, bytes, clustered) = match session.server().kind {
        Kind::Sqlite => ("INTEGER PRIMARY KEY", "BLOB", "WITHOUT ROWID"),
        Kind::Postgres => ("BIGINT PRIMARY KEY", "BYTEA", ""),
    };
    for table in tables {
        let table = table
            .replace("{KEY}", key)
            .replace("{BYTES}", bytes)
            .replace("{CLUSTERED}", clustered);
        session.execute_later(&table, &[]).await?;
    }
    Ok(())
}
