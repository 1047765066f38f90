//! Reading a table of somebody else's, such as the history that another tool keeps: which columns, and as what.

use super::{Capabilities, Expressions, quote};

/// Names of a table that somebody else made.
#[derive(Clone, Copy, Debug)]
pub struct TableName<'n> {
    /// Its schema; none for the target's own.
    pub schema: Option<&'n str>,
    /// Its name.
    pub name: &'n str,
}

/// A table or a view that somebody else made.
#[derive(Clone, Debug)]
pub struct NamedTable {
    /// Its schema; none for the target's own.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// The names of its columns, in lower case.
    pub columns: Vec<String>,
    /// Whether its rows can be read.
    pub is_readable: bool,
}

/// A schema that the host does not know to be its own.
#[derive(Clone, Debug)]
pub struct StrangeSchema {
    /// Its name.
    pub name: String,
    /// Whose it is; none where there is none of this name.
    pub owner: Option<String>,
}

/// A column, and what to make of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'n> {
    /// The value as it is.
    Plain(&'n str),
    /// The value as text.
    Text(&'n str),
    /// The value as a whole number.
    Integer(&'n str),
    /// 1 where it is true, else 0.
    Flag(&'n str),
    /// Bytes, in hexadecimal.
    Hexadecimal(&'n str),
    /// A time, in milliseconds since 1970: in UTC where the database has no type for times, else in the zone of the session.
    Milliseconds(&'n str),
}

/// The rows of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableQuery<'q> {
    /// The table.
    pub table: TableName<'q>,
    /// Its columns; none to know only whether there are rows.
    pub columns: &'q [Read<'q>],
    /// The column in whose order the rows come.
    pub order_by: Option<&'q str>,
    /// How many rows, when not all.
    pub most_rows: Option<u32>,
}

impl TableQuery<'_> {
    /// The statement that reads them.
    pub(super) fn sql(&self, capabilities: &Capabilities) -> String {
        let mut columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.sql(&capabilities.expressions))
            .collect();
        if columns.is_empty() {
            columns.push("1".to_owned());
        }
        let table = match self.table.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(self.table.name)),
            None => quote(self.table.name),
        };
        let order = self
            .order_by
            .map_or_else(String::new, |column| format!(" ORDER BY {}", quote(column)));
        let limit = self
            .most_rows
            .map_or_else(String::new, |rows| format!(" LIMIT {rows}"));
        format!("SELECT {} FROM {table}{order}{limit}", columns.join(", "))
    }
}

impl Read<'_> {
    fn sql(self, expressions: &Expressions) -> String {
        match self {
            Self::Plain(name) => quote(name),
            Self::Text(name) => format!("CAST({} AS TEXT)", quote(name)),
            Self::Integer(name) => format!("CAST({} AS BIGINT)", quote(name)),
            Self::Flag(name) => format!("CASE WHEN {} THEN 1 ELSE 0 END", quote(name)),
            Self::Hexadecimal(name) => expressions.hexadecimal.replace("{}", &quote(name)),
            Self::Milliseconds(name) => expressions.milliseconds.replace("{}", &quote(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Database as _, SessionLimits, Sqlite};

    #[test]
    fn names_stay_names() {
        let limits = SessionLimits {
            value_bytes: 1,
            lock_wait: std::time::Duration::ZERO,
            deadline: std::time::Duration::ZERO,
        };
        let query = TableQuery {
            table: TableName {
                schema: Some("a\"b"),
                name: "c; DROP TABLE d",
            },
            columns: &[Read::Plain("e"), Read::Text("f"), Read::Flag("g")],
            order_by: Some("h\"i"),
            most_rows: Some(1),
        };
        assert_eq!(
            query.sql(&Sqlite::empty(limits).capabilities()),
            "SELECT \"e\", CAST(\"f\" AS TEXT), CASE WHEN \"g\" THEN 1 ELSE 0 END FROM \"a\"\"b\".\"c; DROP TABLE d\" \
             ORDER BY \"h\"\"i\" LIMIT 1"
        );
    }
}
