//! Where other tools keep what they did.

use super::Tool;
use crate::database::{Kind, Result, Session, quote};

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

    /// As it is written in a statement.
    pub(super) fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }

    /// The same name with another last part.
    pub(super) fn sibling(&self, name: &str) -> Self {
        Self {
            schema: self.schema.clone(),
            name: name.to_owned(),
        }
    }

    /// The names of its columns, in lower case; none when there is no such table that can be read.
    pub(super) async fn columns(&self, session: &mut dyn Session) -> Result<Option<Vec<String>>> {
        let (query, parameters) = match session.server().kind {
            Kind::Sqlite => (
                "SELECT lower(name) FROM pragma_table_info($1)".to_owned(),
                vec![self.name.as_str().into()],
            ),
            Kind::Postgres => {
                let schema = match &self.schema {
                    Some(_) => "n.nspname = $2",
                    None => "n.nspname = coalesce($2, pg_catalog.current_schema())",
                };
                (
                    format!(
                        "SELECT lower(a.attname::pg_catalog.text) FROM pg_catalog.pg_class c
                         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                         WHERE c.relname = $1 AND {schema} AND c.relkind IN ('r', 'p')
                         AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                         AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
                    ),
                    vec![self.name.as_str().into(), self.schema.clone().into()],
                )
            }
        };
        let rows = session.rows(&query, &parameters).await?;
        let columns: Vec<String> = rows
            .iter()
            .flatten()
            .filter_map(|name| name.as_text().map(str::to_owned))
            .collect();
        Ok(Some(columns).filter(|columns| !columns.is_empty()))
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
        if tool == Tool::Migrator && session.server().kind == Kind::Sqlite {
            continue;
        }
        let table = tool.default_table();
        let Some(columns) = table.columns(session).await? else {
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
        let query = format!("SELECT 1 FROM {} LIMIT 1", table.sql());
        if is_theirs && !session.rows(&query, &[]).await?.is_empty() {
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
