//! In which order tables can be filled.

use std::collections::{BTreeMap, BTreeSet};

use crate::database::Shape;

/// The tables, those that others refer to first. Of tables that refer to each other the order is that of their names.
pub(super) fn in_order(shapes: &BTreeMap<String, Shape>) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    let mut left: BTreeSet<&String> = shapes.keys().collect();
    while !left.is_empty() {
        let is_ready = |name: &String| {
            shapes.get(name).is_none_or(|shape| {
                shape
                    .foreign_keys
                    .iter()
                    .all(|key| key.target == *name || !left.contains(&key.target))
            })
        };
        let next = left
            .iter()
            .find(|name| is_ready(name))
            .or_else(|| left.iter().next());
        let Some(next) = next.copied() else {
            break;
        };
        left.remove(next);
        ordered.push(next.clone());
    }
    ordered
}
