//! The journal's tables.

use super::tables::tables;
use crate::database::{Result, Session};

/// The version of the tables below, kept in `wasmigrate_journal`. A host refuses a journal that is newer than itself, and
/// adds to an older one what it lacks.
pub(super) const VERSION: i64 = 7;

/// The second version, which brought transformations, pauses, and the schema that a run leaves.
pub(super) const SECOND: i64 = 2;

/// The third version, which brought tenants, and what was applied for each of them.
pub(super) const THIRD: i64 = 3;

/// The fourth version, which tells lines of output apart by who wrote them, leases with the same token, and the versions of a
/// step's row.
pub(super) const FOURTH: i64 = 4;

/// The fifth version, which says of a run that it cannot be paused any more.
pub(super) const FIFTH: i64 = 5;

/// The sixth version, which says of which release a run is.
pub(super) const SIXTH: i64 = 6;

/// The seventh version, which says who gave which command, of which request a run is, and that it is to end.
pub(super) const SEVENTH: i64 = 7;

/// Each has a primary key: a server that replicates all tables lets no row be changed that has none.
/// Times are milliseconds since 1970 in UTC. Words in braces stand for what databases spell differently: `{KEY}` a whole
/// number that is the primary key, `{BYTES}` a type, `{CLUSTERED}` a table kept in the order of its primary key.
const TABLES: [&str; 6] = [
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
];

/// The version of the journal in the target; none when it has no journal yet.
pub(super) async fn version(session: &mut dyn Session) -> Result<Option<i64>> {
    if !session.has_journal_table("wasmigrate_journal").await? {
        return Ok(None);
    }
    let rows = tables(session)
        .rows("SELECT version FROM wasmigrate_journal", &[])
        .await?;
    Ok(Some(super::integer(&rows, 0)))
}

/// The tables of version 2: transformations, pauses, and what the target looked like at the end of a run.
const TABLES_OF_VERSION_2: [&str; 5] = [
    "CREATE TABLE wasmigrate_transformation (
        step_index {KEY},
        description TEXT NOT NULL
    )",
    "CREATE TABLE wasmigrate_range (
        step_index BIGINT NOT NULL,
        number BIGINT NOT NULL,
        upper_key TEXT,
        position TEXT,
        rows_done BIGINT NOT NULL,
        is_done BIGINT NOT NULL,
        PRIMARY KEY (step_index, number)
    ) {CLUSTERED}",
    "CREATE TABLE wasmigrate_bad_row (
        step_index BIGINT NOT NULL,
        row_key TEXT NOT NULL,
        input TEXT NOT NULL,
        message TEXT NOT NULL,
        run BIGINT NOT NULL,
        found_at BIGINT NOT NULL,
        PRIMARY KEY (step_index, row_key)
    ) {CLUSTERED}",
    "CREATE TABLE wasmigrate_pause (
        run {KEY},
        requested_at BIGINT,
        requested_by TEXT,
        waits_for TEXT
    )",
    "CREATE TABLE wasmigrate_schema (
        id {KEY},
        run BIGINT NOT NULL,
        definition TEXT NOT NULL
    )",
];

/// The tables of version 3: tenants, the files with their contents, for whom each was applied, and what failed.
/// `tenant` is empty for what was applied for the target itself. `once` is 0 for a migration and the run of a script, so
/// that no migration is applied twice.
const TABLES_OF_VERSION_3: [&str; 6] = [
    "CREATE TABLE wasmigrate_tenant (
        name TEXT PRIMARY KEY,
        added_at BIGINT NOT NULL
    ) {CLUSTERED}",
    "CREATE TABLE wasmigrate_source (
        id {KEY},
        file_key TEXT NOT NULL,
        directory TEXT NOT NULL,
        file_name TEXT NOT NULL,
        kind TEXT NOT NULL,
        form TEXT NOT NULL,
        digest TEXT NOT NULL,
        contents TEXT NOT NULL
    )",
    "CREATE TABLE wasmigrate_applied (
        id {KEY},
        source BIGINT NOT NULL,
        tenant TEXT NOT NULL,
        once BIGINT NOT NULL,
        run BIGINT NOT NULL,
        state TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        seed BIGINT NOT NULL,
        migrated_at BIGINT,
        finalized_at BIGINT,
        finalized_by BIGINT,
        UNIQUE (source, tenant, once)
    )",
    "CREATE TABLE wasmigrate_failure (
        run BIGINT NOT NULL,
        tenant TEXT NOT NULL,
        file_key TEXT NOT NULL,
        phase TEXT NOT NULL,
        attempt BIGINT NOT NULL,
        step_index BIGINT NOT NULL,
        digest TEXT NOT NULL,
        outcome TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        error TEXT,
        PRIMARY KEY (run, tenant, file_key, phase, attempt)
    ) {CLUSTERED}",
    "ALTER TABLE wasmigrate_output ADD COLUMN tenant TEXT",
    "ALTER TABLE wasmigrate_output ADD COLUMN file_key TEXT",
];

/// What version 4 adds. `writer` and `number` name a line for good, whatever its place in the run's output is.
const TABLES_OF_VERSION_4: [&str; 4] = [
    "ALTER TABLE wasmigrate_output ADD COLUMN writer BIGINT",
    "ALTER TABLE wasmigrate_output ADD COLUMN number BIGINT",
    "ALTER TABLE wasmigrate_lease ADD COLUMN nonce TEXT",
    "ALTER TABLE wasmigrate_step ADD COLUMN revision BIGINT NOT NULL DEFAULT 0",
];

/// What version 5 adds.
const TABLES_OF_VERSION_5: [&str; 1] = ["ALTER TABLE wasmigrate_pause ADD COLUMN closed_at BIGINT"];

/// What version 6 adds. `signers` and `policy_digest` are for releases whose signatures were demanded.
const TABLES_OF_VERSION_6: [&str; 3] = [
    "CREATE TABLE wasmigrate_release (
        id {KEY},
        reference TEXT NOT NULL,
        digest TEXT NOT NULL,
        lineage TEXT NOT NULL,
        version TEXT NOT NULL,
        signers TEXT,
        policy_digest TEXT,
        first_run BIGINT NOT NULL,
        used_at BIGINT NOT NULL
    )",
    "ALTER TABLE wasmigrate_run ADD COLUMN release BIGINT",
    "ALTER TABLE wasmigrate_step ADD COLUMN signer TEXT",
];

/// What version 7 adds. `request_key` is what tells a request from all others, `request` what it asked for.
const TABLES_OF_VERSION_7: [&str; 5] = [
    "CREATE TABLE wasmigrate_order (
        id {KEY},
        run BIGINT NOT NULL,
        command TEXT NOT NULL,
        commanded_at BIGINT NOT NULL,
        commanded_by TEXT NOT NULL
    )",
    "ALTER TABLE wasmigrate_run ADD COLUMN commanded_by TEXT",
    "ALTER TABLE wasmigrate_run ADD COLUMN request_key TEXT",
    "ALTER TABLE wasmigrate_run ADD COLUMN request TEXT",
    "ALTER TABLE wasmigrate_pause ADD COLUMN cancel_requested_at BIGINT",
];

/// Makes the tables that are not there yet, in the open transaction. `version` is that of the journal, when there is one.
pub(super) async fn create(session: &mut dyn Session, version: Option<i64>) -> Result<()> {
    let columns = session.server().capabilities.columns;
    if version.is_none() {
        session.make_journal_schema().await?;
    }
    let added: [(i64, &[&str]); 7] = [
        (1, &TABLES),
        (SECOND, &TABLES_OF_VERSION_2),
        (THIRD, &TABLES_OF_VERSION_3),
        (FOURTH, &TABLES_OF_VERSION_4),
        (FIFTH, &TABLES_OF_VERSION_5),
        (SIXTH, &TABLES_OF_VERSION_6),
        (SEVENTH, &TABLES_OF_VERSION_7),
    ];
    let missing = added
        .iter()
        .filter(|(since, _)| version.is_none_or(|version| version < *since));
    for table in missing.flat_map(|(_, tables)| *tables) {
        let table = table
            .replace("{KEY}", columns.key)
            .replace("{BYTES}", columns.bytes)
            .replace("{CLUSTERED}", columns.clustered);
        tables(session).execute_later(&table, &[]).await?;
    }
    if version.is_some() {
        let statement = "UPDATE wasmigrate_journal SET version = $1";
        tables(session)
            .execute_later(statement, &[VERSION.into()])
            .await?;
        return session.mark_journal().await;
    }
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_journal (version) VALUES ($1)",
            &[VERSION.into()],
        )
        .await?;
    tables(session)
        .execute_later("INSERT INTO wasmigrate_lease (token) VALUES (0)", &[])
        .await?;
    session.mark_journal().await
}
