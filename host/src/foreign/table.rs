//! Where other tools keep what they did.

use super::Tool;
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

/// A history that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub tool: Tool,
    /// The table.
    pub table: Table,
}

/// The histories in the target, in the tables that the tools make by default, unless they are empty.
pub async fn find(session: &mut dyn Session) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for tool in [Tool::Migrator, Tool::Flyway, Tool::Sqlx, Tool::Dbmate] {
        if !tool.knows(&session.server().capabilities) {
            continue;
        }
        let table = tool.default_table();
        let Some(columns) = session.column_names(table.names()).await? else {
            continue;
        };
        // Two tools call theirs `schema_migrations`.
        let tool = match tool {
            Tool::Dbmate if columns.iter().any(|name| name == "dirty") => Tool::GolangMigrate,
            tool => tool,
        };
        let is_theirs = marks(tool)
            .iter()
            .all(|mark| columns.iter().any(|name| name == mark));
        let [mark, ..] = marks(tool) else {
            continue;
        };
        let query = TableQuery {
            table: table.names(),
            columns: &[Read::Plain(mark)],
            order_by: None,
            most_rows: Some(1),
        };
        if is_theirs && !session.read_table(&query).await?.is_empty() {
            found.push(Found { tool, table });
        }
    }
    Ok(found)
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
        Tool::Dbmate => &["version"],
    }
}
