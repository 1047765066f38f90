//! What the author of a step declares beside it, in `NNNN_name.test.toml`: for components and SQL alike.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::snapshot::Difference;
use crate::catalog::read_text_inside;

/// What is known to differ, and is no mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Declarations {
    /// Whether there is a reset at all.
    reversible: bool,
    /// What reset does not bring back: a table, a column (`users.email`), or another object's name.
    lossy: BTreeSet<String>,
    /// What differs from run to run by its nature, such as the column of a time.
    volatile: BTreeSet<String>,
    /// What the step takes along without a statement that names it: a table, a column, or another object's name.
    collateral: BTreeSet<String>,
}

impl Default for Declarations {
    fn default() -> Self {
        Self {
            reversible: true,
            lossy: BTreeSet::new(),
            volatile: BTreeSet::new(),
            collateral: BTreeSet::new(),
        }
    }
}

impl Declarations {
    /// Reads the file for a step; without one, nothing is declared.
    pub(super) fn read(migrations: &Path, label: &str) -> Result<Self, Error> {
        let path = migrations.join(format!("{label}.test.toml"));
        let failed =
            |why: &dyn std::fmt::Display| Error::Setup(format!("`{}`: {why}", path.display()));
        match read_text_inside(migrations, &path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|error| failed(&error.to_string().trim_end()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(super) fn is_reversible(&self) -> bool {
        self.reversible
    }

    pub(super) fn volatile(&self) -> &BTreeSet<String> {
        &self.volatile
    }

    pub(super) fn collateral(&self) -> &BTreeSet<String> {
        &self.collateral
    }

    pub(super) fn lossy(&self) -> &BTreeSet<String> {
        &self.lossy
    }
}

/// Takes out the differences in what is excepted, and returns which exceptions were needed.
pub(super) fn except(
    differences: &mut Vec<Difference>,
    exceptions: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    differences.retain(|difference| {
        let named = [&difference.subject, &difference.table]
            .into_iter()
            .find(|name| exceptions.contains(*name));
        needed.extend(named.cloned());
        named.is_none()
    });
    needed
}
