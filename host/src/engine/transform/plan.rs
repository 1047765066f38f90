//! A transformation laid beside its table: what it says of itself, checked against what the database has.

use crate::database::{
    ColumnDefinition, Derivation, JOURNAL_PREFIX, Session, TableDefinition, TransformedTable,
};
use crate::engine::failure::{Blame, Failure};
use crate::sandbox::Transformation;

/// Whether the derived columns are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the set-up.
    New,
    /// After it.
    SetUp,
    /// Before it or after another one, whose columns will go.
    Either,
}

/// A transformation whose table and columns are there.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What the transformation says of itself.
    pub(super) description: Transformation,
    /// The table with what is done to it.
    pub(super) table: TransformedTable,
}

impl Plan {
    /// Lays a transformation beside its table.
    pub(super) async fn new(
        session: &mut dyn Session,
        index: u64,
        mut description: Transformation,
        stage: Stage,
    ) -> Result<Self, Failure> {
        let transforming = session.server().transforming;
        let name = &description.table;
        let refused = |why: String| Failure::new("incompatible", Blame::Step, why);
        let is_ours = |part: &str| part.to_ascii_lowercase().starts_with(JOURNAL_PREFIX);
        if name.split('.').any(is_ours) {
            return Err(refused(format!("`{name}` belongs to the host")));
        }
        let definition = transforming.definition(session, name).await;
        let definition = definition
            .map_err(Failure::from_database)?
            .ok_or_else(|| refused(format!("there is no table `{name}`")))?;
        if definition.has_heirs {
            return Err(refused(format!(
                "other tables inherit from `{name}`, and a trigger on it does not notice their changes: transform each by itself"
            )));
        }
        check_columns(&description, &definition, stage).map_err(refused)?;
        if stage == Stage::New {
            check_types(session, &description).await?;
        }
        let hides_rows = transforming.hides_rows(session, &definition).await;
        if hides_rows.map_err(Failure::from_database)? {
            return Err(refused(format!(
                "row-level security hides rows of `{name}` from the role that steps work in, so that they would be left out: let \
                 it bypass that"
            )));
        }
        let key: Vec<ColumnDefinition> = match description.key.is_empty() {
            true => definition.primary_key().cloned().collect(),
            false => description
                .key
                .iter()
                .filter_map(|column| definition.column(column))
                .cloned()
                .collect(),
        };
        check_key(&description, &definition, &key).map_err(refused)?;
        // The same table, whatever the search path is later.
        let schema = definition.schema.as_ref();
        if let Some(schema) = schema.filter(|schema| !schema.contains('.')) {
            description.table = format!("{schema}.{}", definition.name);
        }
        let derivation = Derivation {
            key,
            inputs: &description.inputs,
            derived: &description.derived,
            dropped: &description.dropped,
            filter: description.filter.as_deref(),
        };
        let table = TransformedTable::new(index, definition, derivation);
        Ok(Self { description, table })
    }

    /// Whether another transformation can continue where this one is: it computes the same columns of the same rows.
    pub(super) fn fits(&self, other: &Self) -> Result<(), String> {
        let (this, other) = (&self.description, &other.description);
        let columns = |description: &Transformation| -> Vec<(String, String)> {
            let derived = description.derived.iter();
            derived
                .map(|column| (column.name.clone(), column.type_name.clone()))
                .collect()
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
}

/// Whether the columns are there that must be, and no others.
fn check_columns(
    description: &Transformation,
    table: &TableDefinition,
    stage: Stage,
) -> Result<(), String> {
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
fn check_key(
    description: &Transformation,
    table: &TableDefinition,
    key: &[ColumnDefinition],
) -> Result<(), String> {
    let name = &description.table;
    if key.is_empty() {
        return Err(format!(
            "the table `{name}` has no primary key: add one, or let the transformation name columns that are unique and never \
             null"
        ));
    }
    let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
    if table.is_unique_at_commit(&names) {
        return Err(format!(
            "the columns {} of the table `{name}` are unique by a constraint that is DEFERRABLE, so that rows may have the same \
             values for a while: add a unique index on them, or name others as the key",
            names.join(", ")
        ));
    }
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

/// The words with which a column's constraints begin, after its type.
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

/// Asks the database whether a text is a type and no more: it goes into a statement as it is.
async fn check_types(
    session: &mut dyn Session,
    description: &Transformation,
) -> Result<(), Failure> {
    let transforming = session.server().transforming;
    for column in &description.derived {
        let type_name = column.type_name.as_str();
        let has_type = transforming.has_type(session, type_name).await;
        if !has_type.map_err(Failure::from_database)? {
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
