//! Where other tools keep what they did.

use super::Tool;
use super::stranger::STRANGERS;
use crate::database::{Read, Result, Session, TableName, TableQuery};

/// A table of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    /// The table with this name, with its schema before a dot when it has another than the target's.
    pub fn named(name: &str) -> Self {
        match name.split_once('.') {
            Some((schema, name)) => Self {
                schema: Some(schema.to_owned()),
                name: name.to_owned(),
            },
            None => Self {
                schema: None,
                name: name.to_owned(),
            },
        }
    }

    /// Its names.
    pub(super) fn names(&self) -> TableName<'_> {
        TableName {
            schema: self.schema.as_deref(),
            name: &self.name,
        }
    }

    /// The same name with another last part.
    pub(super) fn sibling(&self, name: &str) -> Self {
        Self {
            schema: self.schema.clone(),
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Whose a history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A tool whose history can be taken over.
    Tool(Tool),
    /// Another one, by its name.
    Stranger(&'static str),
}

/// A history that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub owner: Owner,
    /// The table.
    pub table: Table,
}

/// The tools in the order in which their tables are looked for; for those who share a table, see `owner_of_versions`.
const TOOLS: [Tool; 11] = [
    Tool::Migrator,
    Tool::Flyway,
    Tool::Sqlx,
    Tool::Goose,
    Tool::Diesel,
    Tool::Refinery,
    Tool::Prisma,
    Tool::NodePgMigrate,
    Tool::SqlMigrate,
    Tool::Atlas,
    Tool::Dbmate,
];

/// The histories in the target, in the tables that the tools make by default, unless they are empty.
pub async fn find(session: &mut dyn Session) -> Result<Vec<Found>> {
    let there = candidates(session).await?;
    let mut found = Vec::new();
    for tool in TOOLS {
        for name in tool.tables() {
            if !there.contains(&Table::named(name)) {
                continue;
            }
            let Some((table, columns)) = look(session, tool, name).await? else {
                continue;
            };
            let owner = match tool {
                Tool::Dbmate => owner_of_versions(session, &columns).await?,
                tool => Owner::Tool(tool),
            };
            let marks = match owner {
                Owner::Tool(tool) => marks(tool),
                Owner::Stranger(_) => &[],
            };
            if has_all(&columns, marks) && has_history(session, tool, &table).await? {
                found.push(Found { owner, table });
            }
        }
    }
    for stranger in &STRANGERS {
        let table = Table::named(stranger.table);
        let is_known = found.iter().any(|found| found.table == table);
        if is_known || !there.contains(&table) {
            continue;
        }
        let Some(columns) = session.column_names(table.names()).await? else {
            continue;
        };
        if has_all(&columns, stranger.marks) && has_rows(session, &table).await? {
            found.push(Found {
                owner: Owner::Stranger(stranger.name),
                table,
            });
        }
    }
    Ok(found)
}

/// The tables that are there of those that tools make by default. Most targets have none of them, so that one question is
/// all that they are asked.
async fn candidates(session: &mut dyn Session) -> Result<Vec<Table>> {
    let of_tools = TOOLS.iter().flat_map(|tool| tool.tables()).copied();
    let of_strangers = STRANGERS.iter().map(|stranger| stranger.table);
    let has_one_schema = has_one_schema(session);
    let tables: Vec<Table> = of_tools
        .chain(of_strangers)
        .map(Table::named)
        .filter(|table| table.schema.is_none() || !has_one_schema)
        .collect();
    let names: Vec<TableName<'_>> = tables.iter().map(Table::names).collect();
    let readable = session.readable(&names).await?;
    let is_there = tables.into_iter().zip(readable);
    Ok(is_there
        .filter(|(_, is_readable)| *is_readable)
        .map(|(table, _)| table)
        .collect())
}

/// The table of a tool that is in the target: the first of those that it makes by default.
pub async fn locate(session: &mut dyn Session, tool: Tool) -> Result<Table> {
    for name in tool.tables() {
        if let Some((table, columns)) = look(session, tool, name).await?
            && has_all(&columns, marks(tool))
        {
            return Ok(table);
        }
    }
    Ok(Table::named(tool.tables().first().unwrap_or(&"")))
}

/// A table by its name, with its columns, where the target can have such a one.
async fn look(
    session: &mut dyn Session,
    tool: Tool,
    name: &str,
) -> Result<Option<(Table, Vec<String>)>> {
    let table = Table::named(name);
    let is_impossible = table.schema.is_some() && has_one_schema(session);
    if is_impossible || !tool.knows(&session.server().capabilities) {
        return Ok(None);
    }
    let columns = session.column_names(table.names()).await?;
    Ok(columns.map(|columns| (table, columns)))
}

/// Several tools call theirs `schema_migrations`.
async fn owner_of_versions(session: &mut dyn Session, columns: &[String]) -> Result<Owner> {
    if has_all(columns, &["dirty"]) {
        return Ok(Owner::Tool(Tool::GolangMigrate));
    }
    if has_all(columns, &["inserted_at"]) {
        return Ok(Owner::Stranger("Ecto"));
    }
    let beside = Table::named("ar_internal_metadata");
    let is_rails = session.column_names(beside.names()).await?.is_some();
    Ok(Owner::Tool(match is_rails {
        true => Tool::Rails,
        false => Tool::Dbmate,
    }))
}

/// Whether anything was applied.
async fn has_history(session: &mut dyn Session, tool: Tool, table: &Table) -> Result<bool> {
    if tool != Tool::Goose {
        return has_rows(session, table).await;
    }
    // Its first row says that there was nothing.
    let query = TableQuery {
        table: table.names(),
        columns: &[Read::Integer("version_id")],
        order_by: None,
        most_rows: None,
    };
    let rows = session.read_table(&query).await?;
    Ok(rows
        .iter()
        .flatten()
        .any(|version| version.as_integer() != Some(0)))
}

async fn has_rows(session: &mut dyn Session, table: &Table) -> Result<bool> {
    let query = TableQuery {
        table: table.names(),
        columns: &[],
        order_by: None,
        most_rows: Some(1),
    };
    Ok(!session.read_table(&query).await?.is_empty())
}

fn has_one_schema(session: &mut dyn Session) -> bool {
    session.server().capabilities.has_tenant_databases()
}

fn has_all(columns: &[String], marks: &[&str]) -> bool {
    marks
        .iter()
        .all(|mark| columns.iter().any(|name| name == mark))
}

/// Columns by which a tool's table is known.
pub(super) fn marks(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Migrator => &[
            "name",
            "source_dir",
            "filename",
            "type",
            "db_schema",
            "checksum",
        ],
        Tool::Flyway => &["installed_rank", "version", "script", "checksum", "success"],
        Tool::Sqlx => &["version", "installed_on", "success", "checksum"],
        Tool::GolangMigrate => &["version", "dirty"],
        Tool::Dbmate | Tool::Rails => &["version"],
        Tool::Goose => &["id", "version_id", "is_applied", "tstamp"],
        Tool::Diesel => &["version", "run_on"],
        Tool::Refinery => &["version", "name", "applied_on", "checksum"],
        Tool::Prisma => &[
            "checksum",
            "finished_at",
            "migration_name",
            "rolled_back_at",
        ],
        Tool::NodePgMigrate => &["id", "name", "run_on"],
        Tool::SqlMigrate => &["id", "applied_at"],
        Tool::Atlas => &[
            "version",
            "type",
            "applied",
            "total",
            "executed_at",
            "error",
            "hash",
        ],
    }
}
