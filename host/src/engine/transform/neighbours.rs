//! What transformations of one table, none of which is final, have to do with each other.

use std::collections::BTreeMap;

use super::record::recorded;
use crate::catalog::step_label;
use crate::engine::failure::{Blame, Failure};
use crate::journal::{Snapshot, TransformationRecord};
use crate::sandbox::Transformation;

/// The transformations that read what one of these derives, and what they derive in turn: its values go with it when it starts
/// over, and so these start over, too.
pub(in crate::engine) fn dependents(
    of: &[u64],
    begun: &BTreeMap<u64, TransformationRecord>,
) -> Vec<u64> {
    let described: BTreeMap<u64, Transformation> = begun
        .iter()
        .filter_map(|(index, record)| Some((*index, recorded(record).ok()?)))
        .collect();
    let mut known = of.to_vec();
    let mut place = 0;
    while let Some(index) = known.get(place).copied() {
        place += 1;
        let Some(one) = described.get(&index) else {
            continue;
        };
        let derived = || one.derived.iter().map(|column| column.name.as_str());
        let depends = described.iter().filter(|(other, description)| {
            !known.contains(other)
                && are_of_one_table(one, description)
                && reads(description, derived()).is_some()
        });
        let found: Vec<u64> = depends.map(|(other, _)| *other).collect();
        known.extend(found);
    }
    known.split_off(of.len())
}

/// Refuses a transformation that cannot be finalized together with one that was begun: the later of the two reads a column that
/// the earlier one takes away.
pub(super) fn refuse_conflicts(
    index: u64,
    description: &Transformation,
    snapshot: &Snapshot,
) -> Result<(), Failure> {
    for (other, record) in &snapshot.transformations {
        let neighbour = recorded(record)?;
        if *other == index || !are_of_one_table(description, &neighbour) {
            continue;
        }
        let name = snapshot.steps.get(other).map_or("", |step| &step.name);
        let label = step_label(*other, name);
        let why = match *other < index {
            true => reads(description, vanishing(&neighbour)).map(|column| {
                format!(
                    "it reads the column {column}, which {label} takes away when it is finalized"
                )
            }),
            false => reads(&neighbour, vanishing(description)).map(|column| {
                format!(
                    "it takes the column {column} away when it is finalized, which {label} reads"
                )
            }),
        };
        if let Some(why) = why {
            let renamed = match *other < index {
                true => renamed(&neighbour, description),
                false => None,
            };
            let renamed = renamed.map(|(now, later)| {
                format!(", and let this one read {later}, as {now} is called from then on")
            });
            let message = format!(
                "{why}: both are finalized together, and the application writes to the column until then. Let the last step that reads \
                 the column drop it, or finalize the earlier step before this one is there{}",
                renamed.unwrap_or_default()
            );
            return Err(Failure::new("incompatible", Blame::Step, message));
        }
    }
    Ok(())
}

/// The transformations of the same table that are finalized before this one.
pub(super) fn earlier(
    index: u64,
    description: &Transformation,
    begun: &BTreeMap<u64, TransformationRecord>,
) -> Vec<u64> {
    let of_table =
        |record| recorded(record).is_ok_and(|other| are_of_one_table(description, &other));
    let before = begun.range(..index);
    before
        .filter(|(_, record)| of_table(record))
        .map(|(other, _)| *other)
        .collect()
}

/// The columns that are not there any more after the cut-over, or are others: those that are dropped, and those that take the
/// place of others with what they replace.
fn vanishing(description: &Transformation) -> impl Iterator<Item = &str> {
    let replacing = description.derived.iter().filter_map(|column| {
        let replaced = column.replaces.as_deref()?;
        Some([column.name.as_str(), replaced])
    });
    let dropped = description.dropped.iter().map(String::as_str);
    dropped.chain(replacing.flatten())
}

/// The column of one transformation that another reads, and what it is called after the cut-over, where that is another name.
fn renamed<'t>(of: &'t Transformation, reader: &Transformation) -> Option<(&'t str, &'t str)> {
    let mut replacing = of.derived.iter().filter_map(|column| {
        let later = column.replaces.as_deref()?;
        Some((column.name.as_str(), later))
    });
    replacing.find(|(now, _)| reads(reader, [*now]).is_some())
}

/// The first of these columns that a function reads, or its rows are named by.
fn reads<'c>(
    description: &Transformation,
    columns: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let mut read = columns.into_iter().filter(|column| {
        let mut used = description.key.iter().chain(&description.inputs);
        used.any(|name| name.eq_ignore_ascii_case(column))
    });
    read.next()
}

/// Whether both are of the same table. A name without a schema may be that of one with it.
fn are_of_one_table(one: &Transformation, other: &Transformation) -> bool {
    let parts = |table: &str| match table.split_once('.') {
        Some((schema, name)) => (Some(schema.to_ascii_lowercase()), name.to_ascii_lowercase()),
        None => (None, table.to_ascii_lowercase()),
    };
    let ((schema, name), (other_schema, other_name)) = (parts(&one.table), parts(&other.table));
    name == other_name && (schema.is_none() || other_schema.is_none() || schema == other_schema)
}
