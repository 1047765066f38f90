//! Which steps are tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scratch::ScratchServer;
use super::{Error, Rehearsal};
use crate::catalog::{Catalog, StepFile, running_order};
use crate::database::Kind;

/// The steps of a directory, and those of them that are tried.
pub(super) struct Selection {
    /// The steps for each kind of database.
    pub(super) catalogs: Vec<(Kind, Catalog)>,
    /// The index and the label of every step, in order.
    pub(super) labels: Vec<(u64, String)>,
    /// The indexes of those that are tried.
    pub(super) chosen: Vec<u64>,
}

impl Selection {
    /// What a rehearsal asks for.
    pub(super) fn of(rehearsal: &Rehearsal, servers: &[Arc<ScratchServer>]) -> Result<Self, Error> {
        let mut catalogs = Vec::new();
        let mut labels: BTreeMap<u64, String> = BTreeMap::new();
        for server in servers {
            let catalog = Catalog::scan(&rehearsal.migrations, server.kind(), &rehearsal.seeds())?;
            catalog.refuse_unbuilt(u64::MAX)?;
            for step in catalog.steps.values() {
                labels.insert(step.index, label(step));
            }
            catalogs.push((server.kind(), catalog));
        }
        let mut labels: Vec<(u64, String)> = labels.into_iter().collect();
        labels.sort_by(|(index, label), (other, its)| {
            running_order(*index, label).cmp(&running_order(*other, its))
        });
        let chosen: Vec<u64> = match &rehearsal.step {
            None => labels.iter().map(|(index, _)| *index).collect(),
            Some(name) => {
                let is_meant =
                    |(index, label): &&(u64, String)| label == name || name.parse() == Ok(*index);
                let (index, _) = labels.iter().find(is_meant).ok_or_else(|| {
                    match elsewhere(rehearsal, servers, name) {
                        Some(kind) => Error::Settings(format!(
                            "the step {name} in `{}` is for {} alone: say `--on {}`",
                            rehearsal.migrations.display(),
                            kind.display_name(),
                            kind.as_str()
                        )),
                        None => Error::NoStep {
                            name: name.clone(),
                            directory: rehearsal.migrations.clone(),
                        },
                    }
                })?;
                vec![*index]
            }
        };
        if chosen.is_empty()
            && let Some(kind) = rehearsal.only_kind()
        {
            return Err(Error::Settings(format!(
                "the steps in `{}` are for {} alone: say `--on {}`",
                rehearsal.migrations.display(),
                kind.display_name(),
                kind.as_str()
            )));
        }
        if chosen.is_empty() {
            return Err(Error::NoStep {
                name: "NNNN_name.sql, .wasm, .js, .ts or .py".to_owned(),
                directory: rehearsal.migrations.clone(),
            });
        }
        Ok(Self {
            catalogs,
            labels,
            chosen,
        })
    }
}

/// The kind of database that is not tried, and for which there is such a step.
fn elsewhere(rehearsal: &Rehearsal, servers: &[Arc<ScratchServer>], name: &str) -> Option<Kind> {
    let is_tried = |kind: &Kind| servers.iter().any(|server| server.kind() == *kind);
    let mut others = Kind::ALL.into_iter().filter(|kind| !is_tried(kind));
    others.find(|kind| {
        let catalog = Catalog::scan(&rehearsal.migrations, *kind, &rehearsal.seeds());
        catalog.is_ok_and(|catalog| {
            let is_meant = |step: &StepFile| step.label() == name || name.parse() == Ok(step.index);
            catalog.steps.values().any(is_meant)
        })
    })
}

/// `NNNN_name`.
pub(super) fn label(step: &StepFile) -> String {
    step.label()
}
