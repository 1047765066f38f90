//! What of the differences is to be repaired.

use super::{Difference, Differs, RepairOrder};
use crate::catalog::Version;
use crate::engine::RunError;

/// The differences that an order names, in their order, and why they are repaired.
pub(super) struct Chosen {
    differences: Vec<Difference>,
    reason: Option<String>,
}

impl Chosen {
    /// Refused when the order names what does not differ so, or cannot be repaired now.
    pub(super) fn of(order: &RepairOrder, all: &[Difference]) -> Result<Self, RunError> {
        let mut chosen = Vec::new();
        for name in &order.accept {
            chosen.push(find(all, name, Differs::Changed)?.clone());
        }
        for name in &order.remove {
            chosen.push(find(all, name, Differs::Missing)?.clone());
        }
        if order.normalise {
            let of_line_ends = |difference: &&Difference| {
                difference.what == Differs::LineEnds && difference.obstacle.is_none()
            };
            chosen.extend(all.iter().filter(of_line_ends).cloned());
        }
        refuse_both(&chosen)?;
        chosen.sort_by_key(|difference| difference.index);
        chosen.dedup_by_key(|difference| difference.index);
        Ok(Self {
            differences: chosen,
            reason: order.reason.clone(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter()
    }

    pub(super) fn into_differences(self) -> Vec<Difference> {
        self.differences
    }

    /// What the history says of one of them.
    pub(super) fn line(&self, difference: &Difference) -> String {
        let Difference {
            name, applied, now, ..
        } = difference;
        let now = now.as_deref().unwrap_or("none");
        let what = match difference.what {
            Differs::Changed => {
                format!(
                    "{name}: the changed file is accepted; its SHA-256 was {applied} and is {now}"
                )
            }
            Differs::Renamed => format!(
                "{name}: the new name is accepted; it was {}",
                difference.before.as_deref().unwrap_or_default()
            ),
            Differs::Missing => format!(
                "{name}: removed, because its file is gone for good; its SHA-256 was {applied}"
            ),
            Differs::LineEnds => format!(
                "{name}: its SHA-256 is written down with lines that end in LF; it was {applied} and is {now}"
            ),
        };
        match &self.reason {
            Some(reason) => format!("{what}; reason: {reason}"),
            None => what,
        }
    }
}

/// The difference that is meant by a name.
fn find<'d>(all: &'d [Difference], name: &str, what: Differs) -> Result<&'d Difference, RunError> {
    let meant = all.iter().filter(|difference| is_meant(difference, name));
    let Some(found) = meant.min_by_key(|difference| difference.is_elsewhere) else {
        let is_named =
            |difference: &&Difference| is_wanted(difference.what, what) && !difference.is_elsewhere;
        let wanted = all.iter().filter(is_named);
        let names: Vec<&str> = wanted.map(|difference| &*difference.name).collect();
        let (is, are) = match what {
            Differs::Missing => ("whose file is gone", "gone are the files of"),
            _ => ("whose file has changed", "changed have"),
        };
        let others = match names.as_slice() {
            [] => format!("there is no applied step {is}"),
            names => format!("{are} {}", names.join(", ")),
        };
        return Err(RunError::Refused(format!(
            "`{name}` is no applied step {is}: {others}"
        )));
    };
    let why = match (found.what, what) {
        _ if found.is_elsewhere => Some(
            "it is a seed of another environment, and would run again there: name that environment with `--env`",
        ),
        (is, wanted) if is_wanted(is, wanted) => found.obstacle.as_deref(),
        (Differs::Missing, _) => {
            Some("its file is gone: put it back, or say `--remove` when it is gone for good")
        }
        (Differs::Renamed, _) => Some(
            "its file is there under a new name, which `--accept` writes down; to remove the old one, name that",
        ),
        (Differs::Changed, _) => Some(
            "its file is there and has changed: restore it, or say `--accept` when the change is right",
        ),
        (Differs::LineEnds, _) => Some(
            "it differs in line ends or a byte order mark alone, which stops nothing: `--normalise` writes it down anew",
        ),
    };
    match why {
        Some(why) => Err(RunError::Refused(format!("{}: {why}", found.name))),
        None => Ok(found),
    }
}

/// Whether a difference is of those that an order names so: a new name is accepted as a change is.
fn is_wanted(is: Differs, wanted: Differs) -> bool {
    is == wanted || (is, wanted) == (Differs::Renamed, Differs::Changed)
}

/// Refuses to write down of one file both that it has a new name and that it is gone.
fn refuse_both(chosen: &[Difference]) -> Result<(), RunError> {
    let is_removed = |name: &String| {
        let mut all = chosen.iter();
        all.any(|difference| difference.what == Differs::Missing && difference.name == *name)
    };
    let mut old = chosen
        .iter()
        .filter_map(|difference| difference.before.as_ref());
    match old.find(|name| is_removed(name)) {
        None => Ok(()),
        Some(name) => Err(RunError::Refused(format!(
            "`{name}` either has a new name, which `--accept` writes down, or is gone for good, which `--remove` does: say one"
        ))),
    }
}

fn is_meant(difference: &Difference, name: &str) -> bool {
    let has_version = || {
        let version = Version::parse(name.strip_prefix('V').unwrap_or(name));
        version.is_some_and(|version| version.index() == Some(difference.index))
    };
    difference.name == name
        || difference.file_name == name
        || name.parse() == Ok(difference.index)
        || has_version()
}
