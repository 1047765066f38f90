//! migrator: one row for each file and schema, with the SHA-256 of the file.

use super::row::{cells, text};
use super::versioned::expect;
use super::{Table, Tool};
use crate::database::{Error, Read, Result, Session, TableQuery};

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
    let server = session.server();
    if !Tool::Migrator.knows(&server.capabilities) {
        return Err(Error::invalid_argument(format!(
            "migrator does not know {}: there is no history of it to take over",
            server.kind.display_name()
        )));
    }
    expect(session, Tool::Migrator, table).await?;
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Plain("name"),
            Read::Plain("source_dir"),
            Read::Integer("type"),
            Read::Plain("db_schema"),
            Read::Milliseconds("created"),
            Read::Plain("checksum"),
        ],
        order_by: Some("id"),
        most_rows: None,
    };
    let mut history = MigratorHistory::default();
    for row in session.read_table(&query).await? {
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
    if session.column_names(tenants.names()).await?.is_some() {
        let query = TableQuery {
            table: tenants.names(),
            columns: &[Read::Plain("name")],
            order_by: Some("id"),
            most_rows: None,
        };
        let rows = session.read_table(&query).await?;
        history.tenants = rows.iter().flatten().map(text).collect();
    }
    Ok(history)
}
