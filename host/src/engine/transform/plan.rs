//! A transformation laid beside its table: what it says of itself, checked against what the database has.

use super::query::step_rows;
use super::table::{Column, Table};
use crate::database::{ErrorKind, JOURNAL_PREFIX, Kind, Session, quote};
use crate::engine::failure::{Blame, Failure};
use crate::journal::TransformationRecord;
use crate::sandbox::{DerivedColumn, Transformation};

/// Whether the derived columns are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the set-up.
    New,
    /// Behind it.
    SetUp,
    /// Before it or behind another one, whose columns will go.
    Either,
}

/// A transformation whose table and columns are there.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    /// The index of its step, after which its capture is called.
    pub(super) index: u32,
    /// What the transformation says of itself.
    pub(super) description: Transformation,
    /// The table in quotes; on a server with its schema.
    pub(super) table: String,
    /// On a server, the table's number.
    pub(super) table_number: Option<String>,
    /// On a server, whoever owns the table, unless that is the host.
    pub(super) table_owner: Option<String>,
    /// What stands before the names of the capture's objects: the schema and a dot, on a server.
    pub(super) schema: String,
    /// Whether the table's rows lie in several tables, so that their places do not tell them apart.
    pub(super) has_parts: bool,
    /// The columns that name a row, with their types.
    pub(super) key: Vec<Column>,
    /// The columns whose change makes the derived ones wrong.
    pub(super) watched: Vec<String>,
    /// The derived columns that are there.
    pub(super) present: Vec<String>,
    /// The types of the derived columns, without their lengths, once they are there.
    pub(super) derived_types: Vec<String>,
    /// The types as which their values are stored, with lengths and scales.
    pub(super) stored_types: Vec<String>,
}

impl Plan {
    /// Lays a transformation beside its table.
    pub(super) async fn new(
        session: &mut dyn Session,
        index: u32,
        mut description: Transformation,
        stage: Stage,
    ) -> Result<Self, Failure> {
        let kind = session.server().kind;
        let name = &description.table;
        let refused = |why: String| Failure::new("incompatible", Blame::Step, why);
        let is_ours = |part: &str| part.to_ascii_lowercase().starts_with(JOURNAL_PREFIX);
        if name.split('.').any(is_ours) {
            return Err(refused(format!("`{name}` belongs to the host")));
        }
        let table = Table::read(session, name)
            .await
            .map_err(Failure::from_database)?
            .ok_or_else(|| refused(format!("there is no table `{name}`")))?;
        if table.has_heirs {
            return Err(refused(format!(
                "other tables inherit from `{name}`, and a trigger on it does not notice their changes: transform each by itself"
            )));
        }
        check_columns(&description, &table, stage).map_err(refused)?;
        if kind == Kind::Postgres {
            if stage == Stage::New {
                check_types(session, &description).await?;
            }
            if hides_rows(session, &table)
                .await
                .map_err(Failure::from_database)?
            {
                return Err(refused(format!(
                    "row-level security hides rows of `{name}` from the role that steps work in, so that they would be left out: \
                     let it bypass that"
                )));
            }
        }
        let key: Vec<Column> = match description.key.is_empty() {
            true => table.primary_key().cloned().collect(),
            false => description
                .key
                .iter()
                .filter_map(|column| table.column(column))
                .cloned()
                .collect(),
        };
        check_key(&description, &table, &key).map_err(refused)?;
        let derived = |column: &&Column| {
            description
                .derived
                .iter()
                .any(|derived| derived.name == column.name)
        };
        let is_input_generated = description
            .inputs
            .iter()
            .chain(&description.key)
            .filter_map(|name| table.column(name))
            .any(|column| column.is_generated);
        // A filter may look at any column, and so may a column that is computed from others.
        let watched = match description.filter.is_some() || is_input_generated {
            true => table
                .columns
                .iter()
                .filter(|column| !derived(column))
                .map(|column| column.name.clone())
                .collect(),
            false => key
                .iter()
                .map(|column| column.name.clone())
                .chain(description.inputs.iter().cloned())
                .collect(),
        };
        let present: Vec<&Column> = description
            .derived
            .iter()
            .filter_map(|column| table.column(&column.name))
            .collect();
        let derived_types = present.iter().map(|column| column.base_type.clone());
        let derived_types = derived_types.collect();
        let stored_types = present.iter().map(|column| column.type_name.clone());
        let stored_types = stored_types.collect();
        let present = present.iter().map(|column| column.name.clone()).collect();
        // The same table, whatever the search path is later.
        if let Some(schema) = table.schema.as_ref().filter(|schema| !schema.contains('.')) {
            description.table = format!("{schema}.{}", table.name);
        }
        let schema = table
            .schema
            .as_deref()
            .map_or_else(String::new, |schema| format!("{}.", quote(schema)));
        Ok(Self {
            kind,
            index,
            table: format!("{schema}{}", quote(&table.name)),
            table_number: table.number,
            table_owner: table.owner,
            schema,
            has_parts: table.has_parts,
            key,
            watched,
            present,
            derived_types,
            stored_types,
            description,
        })
    }

    /// The derived columns.
    pub(super) fn derived(&self) -> &[DerivedColumn] {
        &self.description.derived
    }

    /// Whether another transformation can go on where this one is: it computes the same columns of the same rows.
    pub(super) fn fits(&self, other: &Self) -> Result<(), String> {
        let (this, other) = (&self.description, &other.description);
        let columns = |description: &Transformation| -> Vec<(String, String)> {
            let column = |column: &DerivedColumn| (column.name.clone(), column.type_name.clone());
            description.derived.iter().map(column).collect()
        };
        let different = if this.table != other.table {
            "another table"
        } else if this.key != other.key {
            "another key"
        } else if columns(this) != columns(other) {
            "other derived columns"
        } else {
            return Ok(());
        };
        Err(format!(
            "it has {different} than the transformation in whose place it comes: start over with `--restart`"
        ))
    }

    /// The condition for the rows that are concerned, as a part of a `WHERE`.
    pub(super) fn condition(&self) -> String {
        match &self.description.filter {
            Some(filter) => format!(" AND ({filter})"),
            None => String::new(),
        }
    }
}

/// What a transformation said of itself when it was begun.
pub(super) fn recorded(record: &TransformationRecord) -> Result<Transformation, Failure> {
    serde_json::from_str(&record.description).map_err(|error| {
        let message = format!("the journal's description of the transformation: {error}");
        Failure::new("host", Blame::Host, message)
    })
}

/// Whether the columns are there that must be, and no others.
fn check_columns(description: &Transformation, table: &Table, stage: Stage) -> Result<(), String> {
    let name = &description.table;
    let replaced = description
        .derived
        .iter()
        .filter_map(|column| column.replaces.as_ref());
    let old = description
        .key
        .iter()
        .chain(&description.inputs)
        .chain(&description.dropped)
        .chain(replaced.clone());
    for column in old {
        if table.column(column).is_none() {
            return Err(format!("the table `{name}` has no column `{column}`"));
        }
    }
    if description.derived.is_empty() {
        return Err("it derives no column".to_owned());
    }
    if description.inputs.is_empty() {
        return Err("it names no column that it is given".to_owned());
    }
    for (number, column) in description.derived.iter().enumerate() {
        let derived = &column.name;
        if !is_type(&column.type_name) {
            return Err(format!("`{}` is no type", column.type_name));
        }
        let before = description.derived.iter().take(number);
        if before.into_iter().any(|before| before.name == *derived) {
            return Err(format!("it derives `{derived}` twice"));
        }
        match (table.column(derived).is_some(), stage) {
            (true, Stage::New) => {
                return Err(format!(
                    "the table `{name}` has a column `{derived}` already"
                ));
            }
            (false, Stage::SetUp) => {
                return Err(format!(
                    "the column `{derived}` of the table `{name}` is gone, which the host had added: `wasmigrate reset` removes \
                     the rest"
                ));
            }
            _ => {}
        }
    }
    let mut going: Vec<&String> = description.dropped.iter().chain(replaced).collect();
    going.sort_unstable();
    if let Some([twice, _]) = going.array_windows().find(|[one, other]| one == other) {
        return Err(format!("it drops or replaces `{twice}` twice"));
    }
    Ok(())
}

/// Whether the key names each row, and stays.
fn check_key(description: &Transformation, table: &Table, key: &[Column]) -> Result<(), String> {
    let name = &description.table;
    if key.is_empty() {
        return Err(format!(
            "the table `{name}` has no primary key: add one, or let the transformation name columns that are unique and never \
             null"
        ));
    }
    let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
    if !table.is_unique(&names) {
        return Err(format!(
            "the columns {} of the table `{name}` need not be unique: add a unique index on them, or name others as the key",
            names.join(", ")
        ));
    }
    let replaced = description
        .derived
        .iter()
        .filter_map(|column| column.replaces.as_ref());
    match description
        .dropped
        .iter()
        .chain(replaced)
        .find(|column| names.contains(&column.as_str()))
    {
        Some(column) => Err(format!(
            "it drops or replaces `{column}`, which is in the key by which rows are named"
        )),
        None => Ok(()),
    }
}

/// Whether whoever works in the name of steps sees some rows of a table only.
async fn hides_rows(session: &mut dyn Session, table: &Table) -> crate::database::Result<bool> {
    let Some(number) = &table.number else {
        return Ok(false);
    };
    let query = format!("SELECT 1 WHERE pg_catalog.row_security_active({number}::pg_catalog.oid)");
    Ok(!step_rows(session, &query, &[]).await?.is_empty())
}

/// The words with which a column's constraints begin, behind its type.
const CONSTRAINTS: [&str; 11] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
];

/// Asks the server whether a text is a type and no more: it goes into a statement as it is.
async fn check_types(
    session: &mut dyn Session,
    description: &Transformation,
) -> Result<(), Failure> {
    for column in &description.derived {
        let type_name = column.type_name.as_str();
        let query = "SELECT 1 WHERE pg_catalog.to_regtype($1) IS NOT NULL";
        let found = session.rows(query, &[type_name.into()]).await;
        let is_type = match found {
            Ok(rows) => !rows.is_empty(),
            Err(error) if error.kind == ErrorKind::Syntax => false,
            Err(error) => return Err(Failure::from_database(error)),
        };
        if !is_type {
            return Err(Failure::new(
                "incompatible",
                Blame::Step,
                format!("`{type_name}` is no type of this database"),
            ));
        }
    }
    Ok(())
}

/// Whether a text can be nothing but a type: it goes into a statement as it is.
fn is_type(text: &str) -> bool {
    let mut words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    let is_constraint = |word: &str| {
        CONSTRAINTS
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
    };
    let mut depth = 0_i32;
    let is_one = text.chars().all(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        // A comma elsewhere would begin something else.
        depth >= 0 && (depth > 0 || character != ',')
    });
    !text.trim().is_empty()
        && is_one
        && depth == 0
        && !words.any(is_constraint)
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || " _(),[].\"".contains(character))
        && text.matches('"').count().is_multiple_of(2)
}

/// Names in quotes, with commas between.
pub(super) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(quote).collect();
    names.join(", ")
}

impl Plan {
    /// The key's columns in quotes, with commas between.
    pub(super) fn key_columns(&self) -> String {
        list(self.key.iter().map(|column| column.name.as_str()))
    }
}
