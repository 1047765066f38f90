//! A table as the database knows it.

use std::collections::BTreeMap;

use crate::database::Value;

/// A table and its columns.
#[derive(Clone, Debug)]
pub struct TableDefinition {
    /// On a server, its number.
    pub number: Option<String>,
    /// On a server, whoever owns it, unless that is the host.
    pub owner: Option<String>,
    /// On a server, its schema.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether its rows lie in several tables, because it is partitioned.
    pub has_parts: bool,
    /// Whether others inherit from it.
    pub has_heirs: bool,
    /// The columns that tell a row and its version from all others, and their types; none where the values that were read do
    /// that.
    pub(in crate::database) version: &'static [(&'static str, &'static str)],
    /// Its columns.
    pub columns: Vec<ColumnDefinition>,
    /// The columns of each unique index.
    pub(in crate::database) unique: Vec<Vec<String>>,
    /// Those of constraints that may be checked as late as at the commit: until then, rows may have the same values.
    pub(in crate::database) deferrable: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type, as the database spells it.
    pub type_name: String,
    /// The same without a length or the like.
    pub base_type: String,
    /// Its place in the primary key, from 1; 0 when it is not in it.
    pub(in crate::database) place: i64,
    /// Whether the database lets it be null.
    pub is_nullable: bool,
    /// On SQLite, whether it is computed from others, whose change a trigger on this one does not notice.
    pub is_generated: bool,
    /// On a server, whether its values are compared by a collation.
    pub(in crate::database) is_collatable: bool,
    /// On a server, the schema of the operators in whose order its values are, in quotes.
    pub(in crate::database) operators: Option<String>,
    /// What its values are made of.
    pub(in crate::database) form: Form,
}

/// What the values of a type, or of the one that a domain is of, are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::database) enum Form {
    /// Of nothing else: they are elements of an array as they are.
    #[default]
    Plain,
    /// Of elements, or of what an array would take apart: they are elements of an array as their texts.
    Elements,
    /// Of fields. The same holds for them, and `IS NULL` looks at the fields.
    Fields,
}

impl ColumnDefinition {
    /// A parameter for a value of it.
    pub(in crate::database) fn parameter(&self, number: usize) -> String {
        match self.form {
            Form::Plain => format!("${number}"),
            Form::Elements | Form::Fields => format!("${number}::{}", self.base_type),
        }
    }

    /// How values of it are compared, whatever the search path is: `=`, `<` and their like.
    pub(in crate::database) fn operator(&self, symbol: &str) -> String {
        match &self.operators {
            Some(schema) => format!("OPERATOR({schema}.{symbol})"),
            None => symbol.to_owned(),
        }
    }
}

impl TableDefinition {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of the primary key, in its order.
    pub fn primary_key(&self) -> impl Iterator<Item = &ColumnDefinition> {
        let mut key: Vec<&ColumnDefinition> = self
            .columns
            .iter()
            .filter(|column| column.place > 0)
            .collect();
        key.sort_unstable_by_key(|column| column.place);
        key.into_iter()
    }

    /// Whether no two rows have the same values in these columns.
    pub fn is_unique(&self, columns: &[&str]) -> bool {
        let primary: Vec<&str> = self
            .primary_key()
            .map(|column| column.name.as_str())
            .collect();
        let is_within =
            |names: &[&str]| !names.is_empty() && names.iter().all(|name| columns.contains(name));
        is_within(&primary) || Self::has_index_within(&self.unique, columns)
    }

    /// Whether only a deferrable constraint says that no two rows have the same values in these columns.
    pub fn is_unique_at_commit(&self, columns: &[&str]) -> bool {
        !self.is_unique(columns) && Self::has_index_within(&self.deferrable, columns)
    }

    fn has_index_within(indexes: &[Vec<String>], columns: &[&str]) -> bool {
        indexes.iter().any(|index| {
            let is_within = |name: &String| columns.contains(&name.as_str());
            !index.is_empty() && index.iter().all(is_within)
        })
    }
}

/// The columns of each index, of rows with the index's name and a column's. An index on an expression is none.
pub(in crate::database) fn unique_columns(rows: Vec<Vec<Value>>) -> Vec<Vec<String>> {
    let mut indexes: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for row in rows {
        let columns = indexes
            .entry(text_of(row.first()))
            .or_insert_with(|| Some(Vec::new()));
        match (row.get(1).and_then(Value::as_text), columns.as_mut()) {
            (Some(column), Some(columns)) => columns.push(column.to_owned()),
            _ => *columns = None,
        }
    }
    indexes.into_values().flatten().collect()
}

/// The text of a cell; the empty one where there is none.
pub(in crate::database) fn text_of(value: Option<&Value>) -> String {
    value
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}

/// The number of a cell; 0 where there is none.
pub(in crate::database) fn integer_of(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_integer).unwrap_or_default()
}
