//! migrator: one row for each file and schema, with the SHA-256 of the file.

use super::versioned::{cells, expect, milliseconds, text};
use super::{Table, Tool};
use crate::database::{Error, Kind, Result, Session};

/// Its table of tenants, beside that of migrations.
const TENANTS: &str = "migrator_tenants";

/// What migrator did.
#[derive(Clone, Debug, Default)]
pub struct MigratorHistory {
    /// What was applied, in the order of the table.
    pub rows: Vec<MigratorRow>,
    /// The tenants of its own table; none when it has none.
    pub tenants: Vec<String>,
}

/// One file that was applied for one schema.
#[derive(Clone, Debug)]
pub struct MigratorRow {
    /// The file's name.
    pub name: String,
    /// Its directory, as it was on the machine of that time.
    pub source_dir: String,
    /// 1 single migration, 2 tenant migration, 3 single script, 4 tenant script.
    pub kind: i64,
    /// For which schema.
    pub schema: String,
    /// When, in milliseconds since 1970.
    pub applied_at: Option<i64>,
    /// The SHA-256 of the file, in hexadecimal.
    pub checksum: String,
}

/// Reads its history.
pub async fn read_migrator(session: &mut dyn Session, table: &Table) -> Result<MigratorHistory> {
    if session.server().kind == Kind::Sqlite {
        return Err(Error::invalid_argument(
            "migrator does not know SQLite: there is no history of it to take over",
        ));
    }
    expect(session, Tool::Migrator, table).await?;
    let query = format!(
        "SELECT name, source_dir, CAST(type AS BIGINT), db_schema, {}, checksum FROM {} ORDER BY id",
        milliseconds(session, "created"),
        table.sql()
    );
    let mut history = MigratorHistory::default();
    for row in session.rows(&query, &[]).await? {
        let [name, source_dir, kind, schema, created, checksum] = cells(row)?;
        history.rows.push(MigratorRow {
            name: text(&name),
            source_dir: text(&source_dir),
            kind: kind.as_integer().unwrap_or_default(),
            schema: text(&schema),
            applied_at: created.as_integer(),
            checksum: text(&checksum),
        });
    }
    let tenants = table.sibling(TENANTS);
    if tenants.columns(session).await?.is_some() {
        let query = format!("SELECT name FROM {} ORDER BY id", tenants.sql());
        let rows = session.rows(&query, &[]).await?;
        history.tenants = rows.iter().flatten().map(text).collect();
    }
    Ok(history)
}
