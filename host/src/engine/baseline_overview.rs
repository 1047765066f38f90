//! The baseline with which new databases begin, as it is shown.

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;

/// The baseline that there is, and what it stands for.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BaselineOverview {
    /// The step that it is, as `NNNN_name.baseline`.
    pub label: String,
    /// Whether it names the steps that it stands for; else these are all up to its place.
    pub names_steps: bool,
    /// The steps that it stands for, as far as they are known.
    pub includes: Vec<IncludedStep>,
}

/// A step that a baseline stands for.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IncludedStep {
    /// Its index.
    pub index: u64,
    /// Its name.
    pub name: String,
}

impl BaselineOverview {
    pub(super) fn of(catalog: &Catalog) -> Option<Self> {
        let baseline = catalog.baseline()?;
        let includes = catalog.passed_over().into_iter();
        Some(Self {
            label: baseline.file.label(),
            names_steps: !baseline.squashed.is_empty(),
            includes: includes
                .map(|(index, name)| IncludedStep {
                    index,
                    name: name.to_owned(),
                })
                .collect(),
        })
    }

    /// The steps that it stands for.
    pub(super) fn names(&self) -> impl Iterator<Item = (u64, &str)> {
        self.includes.iter().map(|step| (step.index, &*step.name))
    }
}
