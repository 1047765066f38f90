//! Tools that know a migration by its version.

use sha2::{Digest as _, Sha384};

use super::table::marks;
use super::{Table, Tool, Version, flyway};
use crate::catalog::hexadecimal;
use crate::database::{Error, Kind, Result, Session, Value};

/// What one of these tools did.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// One migration each, in the order of the table.
    pub entries: Vec<Entry>,
    /// Every migration up to this version was applied, whether it has an entry or not.
    pub through: Option<Version>,
    /// What its operator ought to know.
    pub remarks: Vec<String>,
}

/// One migration that was applied, or that was begun.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Its version, as the tool writes it.
    pub label: String,
    /// The checksum of its file, in the tool's own spelling, where it keeps one.
    pub checksum: Option<String>,
    /// When it was applied, in milliseconds since 1970, where the tool keeps that.
    pub applied_at: Option<i64>,
    /// Why it is not known what was done, when it is not.
    pub flaw: Option<String>,
}

/// What a file's name says to a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileVersion {
    /// It is the migration with this version.
    Is(Version),
    /// It is run in another way than migrations are; what it is.
    Otherwise(&'static str),
    /// It is nothing to the tool.
    Nothing,
}

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
    let Some(columns) = table.columns(session).await? else {
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
    let checksum = match session.server().kind {
        Kind::Sqlite => "lower(hex(checksum))",
        Kind::Postgres => "pg_catalog.encode(checksum, 'hex')",
    };
    let query = format!(
        "SELECT CAST(version AS TEXT), {checksum}, {}, CASE WHEN success THEN 1 ELSE 0 END FROM {} ORDER BY version",
        milliseconds(session, "installed_on"),
        table.sql()
    );
    let mut history = History::default();
    for row in session.rows(&query, &[]).await? {
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
    let query = format!(
        "SELECT CAST(version AS TEXT), CASE WHEN dirty THEN 1 ELSE 0 END FROM {}",
        table.sql()
    );
    let mut history = History::default();
    for row in session.rows(&query, &[]).await? {
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
    let query = format!("SELECT version FROM {} ORDER BY version", table.sql());
    let mut history = History::default();
    for row in session.rows(&query, &[]).await? {
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

/// A column's time in milliseconds since 1970, where the tool lets the database fill it in: in UTC on SQLite, in the zone
/// of the session on PostgreSQL.
pub(super) fn milliseconds(session: &dyn Session, column: &str) -> String {
    match session.server().kind {
        Kind::Sqlite => {
            format!("CAST(round((julianday({column}) - 2440587.5) * 86400000) AS INTEGER)")
        }
        Kind::Postgres => format!(
            "CAST(pg_catalog.round(extract(epoch FROM {column}::timestamptz) * 1000) AS BIGINT)"
        ),
    }
}

pub(super) fn version_from(text: &str) -> Result<Version> {
    Version::parse(text).ok_or_else(|| {
        Error::invalid_argument(format!("the version `{text}` in the table is none"))
    })
}

pub(super) fn cells<const N: usize>(row: Vec<Value>) -> Result<[Value; N]> {
    row.try_into()
        .map_err(|_| Error::invalid_argument("a row has another number of columns"))
}

pub(super) fn text(value: &Value) -> String {
    value.as_text().unwrap_or_default().to_owned()
}
