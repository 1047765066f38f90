//! Tools that know a migration by its version.

use sha2::{Digest as _, Sha384};

use super::row::{cells, text, version_from};
use super::table::marks;
use super::{Entry, FileVersion, History, Table, Tool, Version, flyway};
use crate::catalog::hexadecimal;
use crate::database::{Error, Read, Result, Session, TableQuery};

impl Tool {
    /// What the name of a SQL file says to the tool.
    pub fn version_of(self, file_name: &str) -> FileVersion {
        if file_name.ends_with(".down.sql") {
            return FileVersion::Otherwise(
                "undoes a file that is not there: put that back, or move this one away",
            );
        }
        let version = match self {
            Self::Migrator => None,
            Self::Flyway => return flyway::version_of(file_name),
            Self::Sqlx => file_name
                .split_once('_')
                .and_then(|(version, _)| Version::parse(version)),
            Self::GolangMigrate => file_name
                .split_once('_')
                .filter(|(_, rest)| rest.contains(".up."))
                .and_then(|(version, _)| Version::parse(version)),
            Self::Dbmate => {
                let rest = file_name.trim_start_matches(|letter: char| letter.is_ascii_digit());
                Version::parse(file_name.strip_suffix(rest).unwrap_or_default())
            }
        };
        version.map_or(FileVersion::Nothing, FileVersion::Is)
    }

    /// The checksum of a file, in the tool's own spelling; none for tools that keep none.
    pub fn checksum(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Flyway => Some(flyway::checksum(bytes).to_string()),
            // https://docs.rs/sqlx-core/latest/sqlx_core/migrate/struct.Migration.html
            Self::Sqlx => Some(hexadecimal(&Sha384::digest(bytes))),
            Self::Migrator | Self::GolangMigrate | Self::Dbmate => None,
        }
    }

    /// Whether the tool itself would run a migration that is older than the last it ran.
    pub fn runs_older_ones(self) -> bool {
        matches!(self, Self::Sqlx | Self::Dbmate)
    }
}

/// Reads the history of one of these tools.
pub async fn read(session: &mut dyn Session, tool: Tool, table: &Table) -> Result<History> {
    expect(session, tool, table).await?;
    match tool {
        Tool::Migrator => Ok(History::default()),
        Tool::Flyway => flyway::read(session, table).await,
        Tool::Sqlx => sqlx(session, table).await,
        Tool::GolangMigrate => golang_migrate(session, table).await,
        Tool::Dbmate => dbmate(session, table).await,
    }
}

/// Refuses a table that is not there, or is another tool's.
pub(super) async fn expect(session: &mut dyn Session, tool: Tool, table: &Table) -> Result<()> {
    let Some(columns) = session.column_names(table.names()).await? else {
        return Err(Error::invalid_argument(format!(
            "there is no table `{table}` that could be read: name the one of {} with `--table`",
            tool.as_str()
        )));
    };
    let is_here = |mark: &&str| columns.iter().any(|name| name == mark);
    let missing = marks(tool).iter().find(|mark| !is_here(mark));
    let is_golang_migrate = tool == Tool::Dbmate && is_here(&"dirty");
    match (missing, is_golang_migrate) {
        (None, false) => Ok(()),
        (None, true) => Err(Error::invalid_argument(format!(
            "`{table}` has a column `dirty`: it is the table of golang-migrate, not of dbmate"
        ))),
        (Some(missing), _) => Err(Error::invalid_argument(format!(
            "`{table}` has no column `{missing}`: it is not the table of {}",
            tool.as_str()
        ))),
    }
}

async fn sqlx(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Text("version"),
            Read::Hexadecimal("checksum"),
            Read::Milliseconds("installed_on"),
            Read::Flag("success"),
        ],
        order_by: Some("version"),
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [version, checksum, at, success] = cells(row)?;
        let label = text(&version);
        history.entries.push(Entry {
            version: version_from(&label)?,
            checksum: Some(text(&checksum)),
            applied_at: at.as_integer(),
            flaw: (success.as_integer() != Some(1))
                .then(|| "failed halfway; mend it with sqlx first".to_owned()),
            label,
        });
    }
    Ok(history)
}

async fn golang_migrate(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[Read::Text("version"), Read::Flag("dirty")],
        order_by: None,
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [version, dirty] = cells(row)?;
        let label = text(&version);
        // What it calls the version before the first.
        if label == "-1" {
            continue;
        }
        let version = version_from(&label)?;
        let is_dirty = dirty.as_integer() != Some(0);
        history.entries.push(Entry {
            version: version.clone(),
            label,
            checksum: None,
            applied_at: None,
            flaw: is_dirty.then(|| {
                "is dirty: it failed halfway; mend it with golang-migrate first".to_owned()
            }),
        });
        history.through = Some(version);
    }
    Ok(history)
}

async fn dbmate(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[Read::Plain("version")],
        order_by: Some("version"),
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [version] = cells(row)?;
        let label = text(&version);
        history.entries.push(Entry {
            version: version_from(&label)?,
            label,
            checksum: None,
            applied_at: None,
            flaw: None,
        });
    }
    Ok(history)
}
