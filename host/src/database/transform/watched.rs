//! What tells whether the capture has noticed every change since it was set up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The triggers of a capture, and what they look at, as the database knew them at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The database, which is another one after a restore.
    pub database: String,
    /// The triggers of the table itself, the columns that they look at and those that were derived, by name.
    pub table: BTreeMap<String, String>,
    /// The triggers of its parts, by the part's number and their name, with a space between.
    pub parts: BTreeMap<String, String>,
    /// Whether the triggers are there and act whatever a session has set.
    pub is_complete: bool,
}

impl Watched {
    /// Whether nothing was out of watch from then to `now`. A trigger that was dropped or disabled and put back is another
    /// version of it; so is one of a part that was detached and attached again. Other parts may come and go: the rows of those
    /// that came, wherever they are from, are all computed anew.
    pub fn is_unbroken_until(&self, now: &Self) -> bool {
        if self.database != now.database {
            return now.is_complete;
        }
        let same = |(part, trigger)| now.parts.get(part).is_none_or(|now| now == trigger);
        let mut table = self.table.iter();
        let is_table_same = table.all(|(name, version)| now.table.get(name) == Some(version));
        now.is_complete && is_table_same && self.parts.iter().all(same)
    }

    /// The numbers of the parts that are there `now` and were not then. Nobody watched their rows before they came, and these
    /// may have brought values with them.
    pub fn new_parts(&self, now: &Self) -> BTreeSet<String> {
        if self.database != now.database {
            return BTreeSet::new();
        }
        let new = now
            .parts
            .keys()
            .filter(|part| !self.parts.contains_key(*part));
        new.filter_map(|part| Some(part.split_once(' ')?.0.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(table: &str, parts: &[(&str, &str)]) -> Watched {
        let owned = |(part, trigger): &(&str, &str)| ((*part).to_owned(), (*trigger).to_owned());
        Watched {
            database: "1".to_owned(),
            table: BTreeMap::from([("insert".to_owned(), table.to_owned())]),
            parts: parts.iter().map(owned).collect(),
            is_complete: true,
        }
    }

    #[test]
    fn parts_come_and_go_but_none_is_back() {
        let before = watched("7:100:A", &[("a", "8:100:A"), ("b", "9:100:A")]);
        for (now, is_unbroken) in [
            (before.clone(), true),
            (watched("7:100:A", &[("a", "8:100:A")]), true),
            (
                watched(
                    "7:100:A",
                    &[("a", "8:100:A"), ("b", "9:100:A"), ("c", "1:1:O")],
                ),
                true,
            ),
            (
                watched("7:100:A", &[("a", "8:100:A"), ("c", "1:1:O")]),
                true,
            ),
            (
                watched("7:100:A", &[("a", "8:100:A"), ("b", "9:200:A")]),
                false,
            ),
            (
                watched("7:200:A", &[("a", "8:100:A"), ("b", "9:100:A")]),
                false,
            ),
        ] {
            assert_eq!(before.is_unbroken_until(&now), is_unbroken, "{now:?}");
        }
    }
}
