//! Where other tools keep what they did.

use std::collections::BTreeSet;

use super::Tool;
use super::stranger::STRANGERS;
use crate::database::{ErrorKind, NamedTable, Read, Result, Session, TableName, TableQuery, Value};

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

    /// A table that is there.
    fn of(table: &NamedTable) -> Self {
        Self {
            schema: table.schema.clone(),
            name: table.name.clone(),
        }
    }

    /// Its names.
    pub fn names(&self) -> TableName<'_> {
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
    /// Whether it is where the tool puts it by default.
    pub is_in_place: bool,
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

/// The histories in the target, in tables with the names that the tools give by default, unless they are empty. Those where the
/// tools put them come first: their settings may name any other schema.
pub async fn find(session: &mut dyn Session) -> Result<Vec<Found>> {
    let there = candidates(session).await?;
    let mut found: Vec<Found> = Vec::new();
    for tool in TOOLS {
        for name in tool.tables() {
            for (candidate, is_in_place) in named(&there, &Table::named(name), session) {
                let table = Table::of(candidate);
                let owner = match tool {
                    Tool::Dbmate => owner_of_versions(session, &table, &candidate.columns).await?,
                    tool => Owner::Tool(tool),
                };
                let marks = match owner {
                    Owner::Tool(tool) => marks(tool),
                    Owner::Stranger(_) => &[],
                };
                let is_known = found.iter().any(|found| found.table == table);
                let is_it = !is_known && is_like(candidate, marks, is_in_place);
                if is_it && has_history(session, tool, candidate, is_in_place).await? {
                    found.push(Found {
                        owner,
                        table,
                        is_in_place,
                    });
                }
            }
        }
    }
    for stranger in &STRANGERS {
        for (candidate, is_in_place) in named(&there, &Table::named(stranger.table), session) {
            let table = Table::of(candidate);
            let is_known = found.iter().any(|found| found.table == table);
            let has_no_others = is_in_place && !stranger.is_bare;
            if !is_known
                && is_like(candidate, stranger.marks, has_no_others)
                && has_history_of(stranger.name, session, candidate, is_in_place).await?
            {
                found.push(Found {
                    owner: Owner::Stranger(stranger.name),
                    table,
                    is_in_place,
                });
            }
        }
    }
    found.sort_by_key(|found| !found.is_in_place);
    Ok(found)
}

/// The tables of tools whose histories can be taken over that are where these put them by default, and can be read; but of
/// migrator, whose history is as long as its tenants are many.
pub async fn in_place(session: &mut dyn Session) -> Result<Vec<(Tool, Table)>> {
    let there = candidates(session).await?;
    let mut found: Vec<(Tool, Table)> = Vec::new();
    for tool in TOOLS.into_iter().filter(|tool| *tool != Tool::Migrator) {
        for name in tool.tables() {
            for (candidate, is_in_place) in named(&there, &Table::named(name), session) {
                let table = Table::of(candidate);
                if !is_in_place || !candidate.is_readable {
                    continue;
                }
                let owner = match tool {
                    Tool::Dbmate => owner_of_versions(session, &table, &candidate.columns).await?,
                    tool => Owner::Tool(tool),
                };
                let is_known = found.iter().any(|(_, known)| *known == table);
                if let Owner::Tool(tool) = owner
                    && !is_known
                    && is_like(candidate, marks(tool), true)
                {
                    found.push((tool, table));
                }
            }
        }
    }
    Ok(found)
}

/// The tables that are there with names that tools give by default. Most targets have none of them, so that one question is
/// all that they are asked.
async fn candidates(session: &mut dyn Session) -> Result<Vec<NamedTable>> {
    let tables = defaults();
    let names: BTreeSet<&str> = tables.iter().map(|table| &*table.name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut there = session.tables_named(&names).await?;
    there.retain(|table| !is_of_a_service(table));
    Ok(there)
}

/// Where services that share a database keep what they did to their own tables, schema and table: those of Supabase, which are in
/// each of its databases, and Graphile Worker. Other tables in these schemas may be an application's.
/// <https://supabase.com/docs/guides/database/overview>
const OF_SERVICES: [(&str, &str); 6] = [
    ("_analytics", "schema_migrations"),
    ("_realtime", "schema_migrations"),
    ("auth", "schema_migrations"),
    ("graphile_worker", "migrations"),
    ("realtime", "schema_migrations"),
    ("storage", "migrations"),
];

fn is_of_a_service(table: &NamedTable) -> bool {
    let schema = table.schema.as_deref();
    schema.is_some_and(|schema| OF_SERVICES.contains(&(schema, table.name.as_str())))
}

/// Where the tools put their tables by default.
fn defaults() -> Vec<Table> {
    let of_tools = TOOLS.iter().flat_map(|tool| tool.tables()).copied();
    let of_strangers = STRANGERS.iter().map(|stranger| stranger.table);
    of_tools.chain(of_strangers).map(Table::named).collect()
}

/// Those with the name of a table, but where another one is by default, and whether they are where that table is by default.
fn named<'t>(
    there: &'t [NamedTable],
    default: &Table,
    session: &dyn Session,
) -> Vec<(&'t NamedTable, bool)> {
    let has_one_schema = session.server().capabilities.has_tenant_databases();
    if default.schema.is_some() && has_one_schema {
        return Vec::new();
    }
    let own = session.own_schema();
    let is_at = |table: &NamedTable, default: &Table| {
        let schema = table.schema.as_deref().or(own);
        table.name == default.name && schema == default.schema.as_deref().or(own)
    };
    let defaults = defaults();
    let same_name = there.iter().filter(|table| table.name == default.name);
    same_name
        .map(|table| (table, is_at(table, default)))
        .filter(|(table, is_in_place)| {
            *is_in_place || !defaults.iter().any(|other| is_at(table, other))
        })
        .collect()
}

/// Whether a table has a tool's columns. A single one tells little where the tool's table is not expected: there it must be the
/// only one.
fn is_like(table: &NamedTable, marks: &[&str], is_expected: bool) -> bool {
    has_all(&table.columns, marks) && (is_expected || marks.len() > 1 || table.columns.len() == 1)
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
async fn owner_of_versions(
    session: &mut dyn Session,
    table: &Table,
    columns: &[String],
) -> Result<Owner> {
    if has_all(columns, &["dirty"]) {
        return Ok(Owner::Tool(Tool::GolangMigrate));
    }
    if has_all(columns, &["inserted_at"]) {
        return Ok(Owner::Stranger("Ecto"));
    }
    let beside = table.sibling("ar_internal_metadata");
    let is_rails = session.column_names(beside.names()).await?.is_some();
    Ok(Owner::Tool(match is_rails {
        true => Tool::Rails,
        false => Tool::Dbmate,
    }))
}

/// Those of the others whose one row has the number of the last migration, which is 0 before the first.
const STRANGERS_THAT_COUNT: [&str; 2] = ["Sequel", "tern"];

/// Whether anything was applied.
async fn has_history(
    session: &mut dyn Session,
    tool: Tool,
    candidate: &NamedTable,
    is_in_place: bool,
) -> Result<bool> {
    if tool != Tool::Goose || !candidate.is_readable {
        return has_rows_or_hides_them(session, candidate, is_in_place).await;
    }
    // Its first row says that there was nothing.
    has_versions(session, candidate, "version_id", is_in_place).await
}

/// The same of a tool whose history cannot be taken over.
async fn has_history_of(
    stranger: &str,
    session: &mut dyn Session,
    candidate: &NamedTable,
    is_in_place: bool,
) -> Result<bool> {
    let is_counted = STRANGERS_THAT_COUNT.contains(&stranger) && candidate.is_readable;
    match is_counted {
        true => has_versions(session, candidate, "version", is_in_place).await,
        false => has_rows_or_hides_them(session, candidate, is_in_place).await,
    }
}

/// Whether any version is another than 0.
async fn has_versions(
    session: &mut dyn Session,
    candidate: &NamedTable,
    column: &str,
    is_in_place: bool,
) -> Result<bool> {
    let table = Table::of(candidate);
    let query = TableQuery {
        table: table.names(),
        columns: &[Read::Integer(column)],
        order_by: None,
        most_rows: None,
    };
    let is_zero = |version: &Value| version.as_integer() == Some(0);
    match session.read_table(&query).await {
        Ok(rows) => Ok(!rows.iter().flatten().all(is_zero)),
        Err(error) if !is_in_place && error.kind == ErrorKind::Unavailable => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a table has rows. One that cannot be read may have some, and neither may it be read where something would run.
async fn has_rows_or_hides_them(
    session: &mut dyn Session,
    candidate: &NamedTable,
    is_in_place: bool,
) -> Result<bool> {
    if !candidate.is_readable {
        return Ok(true);
    }
    match has_rows(session, &Table::of(candidate)).await {
        Err(error) if !is_in_place && error.kind == ErrorKind::Unavailable => Ok(true),
        answer => answer,
    }
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
