//! A table with what a transformation does to it.

use super::definition::{ColumnDefinition, Form, TableDefinition};
use super::list;
use crate::database::quote;

/// A column that a function computes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DerivedColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the database spells it.
    pub type_name: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// The old column whose name it takes at finalize.
    pub replaces: Option<String>,
}

/// A table that gets derived columns.
#[derive(Clone, Debug)]
pub struct TransformedTable {
    /// The index of the step, after which its capture is called.
    pub index: u64,
    /// Its name in quotes; on a server with its schema.
    pub name: String,
    /// Its name alone.
    pub(in crate::database) plain_name: String,
    /// On a server, its number.
    pub(in crate::database) number: Option<String>,
    /// On a server, whoever owns it, unless that is the host.
    pub(in crate::database) owner: Option<String>,
    /// What stands before the names of the capture's objects: the schema and a dot, on a server.
    schema: String,
    /// Whether its rows lie in several tables, so that their places do not tell them apart.
    pub has_parts: bool,
    /// The columns that tell a row and its version from all others, and their types; none where the values that were read do
    /// that.
    pub(in crate::database) version: &'static [(&'static str, &'static str)],
    /// The columns that name a row.
    pub key: Vec<ColumnDefinition>,
    /// The columns that the function is given.
    pub inputs: Vec<String>,
    /// The columns whose change makes the derived ones wrong.
    pub watched: Vec<String>,
    /// The derived columns.
    pub derived: Vec<DerivedColumn>,
    /// Those of them that are there.
    pub(in crate::database) present: Vec<ColumnDefinition>,
    /// Old columns that finalize drops.
    pub(super) dropped: Vec<String>,
    /// A condition for the rows that are concerned.
    pub filter: Option<String>,
}

/// What a transformation does to its table.
#[derive(Clone, Debug)]
pub struct Derivation<'d> {
    /// The columns that name a row.
    pub key: Vec<ColumnDefinition>,
    /// The columns that the function is given.
    pub inputs: &'d [String],
    /// The derived columns.
    pub derived: &'d [DerivedColumn],
    /// Old columns that finalize drops.
    pub dropped: &'d [String],
    /// A condition for the rows that are concerned.
    pub filter: Option<&'d str>,
}

impl TransformedTable {
    /// Lays the derivation of a step beside its table.
    pub fn new(index: u64, definition: TableDefinition, derivation: Derivation<'_>) -> Self {
        let Derivation {
            key,
            inputs,
            derived,
            dropped,
            filter,
        } = derivation;
        let watched = watched(&definition, &key, inputs, derived, filter);
        let present = derived
            .iter()
            .filter_map(|column| definition.column(&column.name));
        let present = present.cloned().collect();
        let schema = definition
            .schema
            .as_deref()
            .map_or_else(String::new, |schema| format!("{}.", quote(schema)));
        Self {
            index,
            name: format!("{schema}{}", quote(&definition.name)),
            plain_name: definition.name,
            number: definition.number,
            owner: definition.owner,
            schema,
            has_parts: definition.has_parts,
            version: definition.version,
            key,
            inputs: inputs.to_vec(),
            watched,
            derived: derived.to_vec(),
            present,
            dropped: dropped.to_vec(),
            filter: filter.map(str::to_owned),
        }
    }

    /// The derived columns that must not be null.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let required = self.derived.iter().filter(|column| !column.nullable);
        required.map(|column| column.name.as_str())
    }

    /// The table into which triggers write the keys of rows that change.
    pub(in crate::database) fn capture_name(&self) -> String {
        format!("{}capture_of_step_{}", self.schema, self.index)
    }

    /// What the capture calls the columns of the key.
    pub(in crate::database) fn captured_keys(&self) -> Vec<String> {
        (0..self.key.len())
            .map(|number| format!("key_{number}"))
            .collect()
    }

    /// The key's columns in quotes, with commas between.
    pub(in crate::database) fn key_columns(&self) -> String {
        list(self.key.iter().map(|column| column.name.as_str()))
    }

    /// Whether a row's key is above parameters, of which the first has this number.
    pub(in crate::database) fn key_is_above(&self, first: usize) -> String {
        match self.operator_of_keys(">") {
            Some(above) => self.compare_keys(&above, first),
            None => self.compare_each_key(">", first, None),
        }
    }

    /// Whether it is at most these.
    pub(in crate::database) fn key_is_at_most(&self, first: usize) -> String {
        match self.operator_of_keys("<=") {
            Some(at_most) => self.compare_keys(&at_most, first),
            None => self.compare_each_key("<", first, Some(self.key_is(first))),
        }
    }

    /// Whether it is these.
    pub(in crate::database) fn key_is(&self, first: usize) -> String {
        let same: Vec<String> = (first..)
            .zip(&self.key)
            .map(|(number, column)| {
                let (name, same) = (quote(&column.name), column.operator("="));
                format!("{name} {same} {}", column.parameter(number))
            })
            .collect();
        same.join(" AND ")
    }

    /// An operator for all columns of the key together, which lets the database use an index; none where they have different
    /// ones.
    fn operator_of_keys(&self, symbol: &str) -> Option<String> {
        let mut operators = self.key.iter().map(|column| column.operator(symbol));
        let first = operators.next()?;
        operators.all(|other| other == first).then_some(first)
    }

    fn compare_keys(&self, operator: &str, first: usize) -> String {
        let (keys, values) = (self.key_columns(), self.key_as_parameters(first));
        format!("({keys}) {operator} ({values})")
    }

    /// A key whose values are parameters, of which the first has this number.
    fn key_as_parameters(&self, first: usize) -> String {
        let values = (first..).zip(&self.key);
        let values: Vec<String> = values
            .map(|(number, column)| column.parameter(number))
            .collect();
        values.join(", ")
    }

    /// The same column by column: the first that is not the same decides.
    fn compare_each_key(&self, symbol: &str, first: usize, otherwise: Option<String>) -> String {
        let mut conditions = Vec::new();
        let mut same = String::new();
        for (number, column) in (first..).zip(&self.key) {
            let (name, value) = (quote(&column.name), column.parameter(number));
            conditions.push(format!("{same}{name} {} {value}", column.operator(symbol)));
            same.push_str(&format!("{name} {} {value} AND ", column.operator("=")));
        }
        conditions.extend(otherwise);
        format!("({})", conditions.join(" OR "))
    }

    /// So many keys, all of whose values are parameters.
    pub(in crate::database) fn keys_as_parameters(&self, count: usize) -> String {
        let width = self.key.len();
        let keys: Vec<String> = (0..count)
            .map(|key| format!("({})", self.key_as_parameters(key * width + 1)))
            .collect();
        keys.join(", ")
    }

    /// The condition for the rows that are concerned, as a part of a `WHERE`.
    pub(in crate::database) fn condition(&self) -> String {
        match &self.filter {
            Some(filter) => format!(" AND ({filter})"),
            None => String::new(),
        }
    }

    /// The columns that the cut-over drops, each with the derived column that takes its name.
    pub(in crate::database) fn going(
        &self,
    ) -> impl Iterator<Item = (&str, Option<&DerivedColumn>)> {
        let dropped = self.dropped.iter().map(|name| (name.as_str(), None));
        let replaced = self.derived.iter().filter_map(|column| {
            let replaced = column.replaces.as_deref()?;
            Some((replaced, Some(column)))
        });
        dropped.chain(replaced)
    }

    /// That a derived column has a value, of each.
    pub(super) fn each_present(&self) -> Vec<String> {
        let derived = self.derived.iter();
        derived
            .map(|column| match self.has_fields(&column.name) {
                false => format!("{} IS NOT NULL", quote(&column.name)),
                true => format!("{} IS DISTINCT FROM NULL", quote(&column.name)),
            })
            .collect()
    }

    /// That a derived column has no value, of each.
    pub(super) fn each_absent(&self) -> Vec<String> {
        let derived = self.derived.iter();
        derived.map(|column| self.is_absent(&column.name)).collect()
    }

    /// That a required column has no value, of each.
    pub(super) fn each_missing(&self) -> Vec<String> {
        self.required().map(|name| self.is_absent(name)).collect()
    }

    fn is_absent(&self, name: &str) -> String {
        match self.has_fields(name) {
            false => format!("{} IS NULL", quote(name)),
            true => format!("{} IS NOT DISTINCT FROM NULL", quote(name)),
        }
    }

    /// Whether a derived column's values have fields, all of which may be null without the value being none.
    pub(in crate::database) fn has_fields(&self, name: &str) -> bool {
        let mut present = self.present.iter();
        present.any(|column| column.name == name && column.form == Form::Fields)
    }
}

/// The columns whose change makes the derived ones wrong.
fn watched(
    definition: &TableDefinition,
    key: &[ColumnDefinition],
    inputs: &[String],
    derived: &[DerivedColumn],
    filter: Option<&str>,
) -> Vec<String> {
    let is_generated = |name: &String| {
        let column = definition.column(name);
        column.is_some_and(|column| column.is_generated)
    };
    let is_input_generated =
        inputs.iter().any(is_generated) || key.iter().any(|column| column.is_generated);
    let is_derived = |column: &ColumnDefinition| {
        let mut derived = derived.iter();
        derived.any(|derived| derived.name == column.name)
    };
    // A filter may look at any column, and so may a column that is computed from others.
    match filter.is_some() || is_input_generated {
        true => definition
            .columns
            .iter()
            .filter(|column| !is_derived(column))
            .map(|column| column.name.clone())
            .collect(),
        false => key
            .iter()
            .map(|column| column.name.clone())
            .chain(inputs.iter().cloned())
            .collect(),
    }
}
