//! Tools that know a migration by its version.

use std::collections::BTreeMap;

use super::row::{cells, text, version_from};
use super::table::marks;
use super::{Entry, History, Table, Tool, Version, atlas, flyway};
use crate::catalog::diesels_version;
use crate::database::{Error, Read, Result, Session, TableQuery, Value};

impl Tool {
    /// Whether the tool itself would run a migration that is older than the last it ran.
    pub fn runs_older_ones(self) -> bool {
        matches!(
            self,
            Self::Sqlx
                | Self::Dbmate
                | Self::Diesel
                | Self::Prisma
                | Self::Rails
                | Self::SqlMigrate
        )
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
        Tool::Dbmate | Tool::Rails => {
            plain(session, table, Read::Plain("version"), None, version_from).await
        }
        Tool::Goose => goose(session, table).await,
        Tool::Diesel => {
            let at = Some(Read::Milliseconds("run_on"));
            let version = |text: &str| match diesels_version(text) {
                Some(version) => Ok(version),
                None => version_from(text),
            };
            plain(session, table, Read::Plain("version"), at, version).await
        }
        Tool::NodePgMigrate => {
            let at = Some(Read::Milliseconds("run_on"));
            plain(session, table, Read::Plain("name"), at, leading).await
        }
        Tool::SqlMigrate => {
            let at = Some(Read::Milliseconds("applied_at"));
            plain(session, table, Read::Plain("id"), at, leading).await
        }
        Tool::Refinery => refinery(session, table).await,
        Tool::Prisma => prisma(session, table).await,
        Tool::Atlas => atlas::read(session, table).await,
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
    let is_golang_migrate = matches!(tool, Tool::Dbmate | Tool::Rails) && is_here(&"dirty");
    match (missing, is_golang_migrate) {
        (None, false) => Ok(()),
        (None, true) => Err(Error::invalid_argument(format!(
            "`{table}` has a column `dirty`: it is the table of golang-migrate, not of {}",
            tool.as_str()
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
                .then(|| "failed halfway; fix it with sqlx first".to_owned()),
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
                "is dirty: it failed halfway; fix it with golang-migrate first".to_owned()
            }),
        });
        history.through = Some(version);
    }
    Ok(history)
}

/// A table with a row for each version, and nothing more that counts.
async fn plain(
    session: &mut dyn Session,
    table: &Table,
    version: Read<'static>,
    at: Option<Read<'static>>,
    read: impl Fn(&str) -> Result<Version>,
) -> Result<History> {
    let columns: Vec<Read<'_>> = [Some(version), at].into_iter().flatten().collect();
    let query = TableQuery {
        table: table.names(),
        columns: &columns,
        order_by: None,
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let mut cells = row.iter();
        let label = cells.next().map(text).unwrap_or_default();
        history.entries.push(Entry {
            version: read(&label)?,
            label,
            checksum: None,
            applied_at: cells.next().and_then(Value::as_integer),
            flaw: None,
        });
    }
    history
        .entries
        .sort_by(|one, other| one.version.cmp(&other.version));
    Ok(history)
}

/// The number that a file's name begins with.
fn leading(name: &str) -> Result<Version> {
    let rest = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = name.strip_suffix(rest).unwrap_or_default();
    Version::parse(digits).ok_or_else(|| {
        Error::invalid_argument(format!(
            "the name `{name}` in the table begins with no number, so that its place in the order is not known"
        ))
    })
}

/// The newest row of a version says whether it is applied.
/// <https://github.com/pressly/goose/blob/main/internal/dialects/postgres.go>
async fn goose(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Text("version_id"),
            Read::Flag("is_applied"),
            Read::Milliseconds("tstamp"),
        ],
        order_by: Some("id"),
        most_rows: None,
    };
    let mut newest = BTreeMap::new();
    for row in session.read_table(&query).await? {
        let [version, is_applied, at] = cells(row)?;
        let label = text(&version);
        if label == "0" {
            continue;
        }
        let version = version_from(&label)?;
        let entry = Entry {
            version: version.clone(),
            label,
            checksum: None,
            applied_at: at.as_integer(),
            flaw: None,
        };
        newest.insert(version, (is_applied.as_integer() == Some(1), entry));
    }
    let applied = newest.into_values().filter(|(is_applied, _)| *is_applied);
    Ok(History {
        entries: applied.map(|(_, entry)| entry).collect(),
        ..History::default()
    })
}

async fn refinery(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Text("version"),
            Read::Plain("checksum"),
            Read::Milliseconds("applied_on"),
        ],
        order_by: Some("version"),
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [version, checksum, at] = cells(row)?;
        let label = text(&version);
        history.entries.push(Entry {
            version: version_from(&label)?,
            label,
            checksum: Some(text(&checksum)),
            applied_at: at.as_integer(),
            flaw: None,
        });
    }
    Ok(history)
}

/// What was rolled back does not count, what is neither finished nor rolled back failed.
/// <https://www.prisma.io/docs/orm/prisma-migrate/understanding-prisma-migrate/migration-histories>
async fn prisma(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Plain("migration_name"),
            Read::Plain("checksum"),
            Read::Text("finished_at"),
            Read::Milliseconds("finished_at"),
            Read::Text("rolled_back_at"),
        ],
        order_by: Some("migration_name"),
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [name, checksum, finished, at, rolled_back] = cells(row)?;
        if !text(&rolled_back).is_empty() {
            continue;
        }
        let label = text(&name);
        let finished = text(&finished);
        history.entries.push(Entry {
            version: leading(&label)?,
            checksum: Some(text(&checksum)),
            // On SQLite it may be a number of milliseconds.
            applied_at: finished.parse().ok().or(at.as_integer()),
            flaw: finished
                .is_empty()
                .then(|| "failed halfway; `prisma migrate resolve` first".to_owned()),
            label,
        });
    }
    Ok(history)
}
