//! What differs between two releases, for those who review the newer one. What a component may do is read from its own bytes, and not
//! from what is said of it in the registry.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::index::PackedStep;
use super::interface::Interface;
use super::pull::{ReleaseOptions, ResolvedRelease};
use super::reference::ReleaseReference;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepChange {
    /// It is new.
    Added,
    /// It has another content, or another file that undoes it.
    Changed,
    /// It is gone.
    Removed,
}

/// A step that is not the same in both.
#[derive(Clone, Debug, Serialize)]
pub struct StepDifference {
    /// Its file.
    pub file: String,
    /// What became of it.
    pub change: StepChange,
    /// The digest that it had.
    pub before: Option<ContentDigest>,
    /// The digest that it has.
    pub after: Option<ContentDigest>,
    /// Whether the file that undoes it is another one, has come or has gone.
    pub undo_changed: bool,
    /// The files that a script imports, or that say how SQL runs, which are others, have come or have gone.
    pub beside_changed: Vec<String>,
    /// What a component asks for that it did not ask for before.
    pub imports_added: Vec<String>,
    /// What it does not ask for any more.
    pub imports_removed: Vec<String>,
    /// What it offers that it did not offer before.
    pub exports_added: Vec<String>,
    /// What it does not offer any more.
    pub exports_removed: Vec<String>,
}

/// What differs between two releases.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseDifference {
    /// The older one.
    pub from: String,
    /// The newer one.
    pub to: String,
    /// The applications that they are for, where these are two.
    pub lineages: Option<(String, String)>,
    /// The steps that are not the same, in order.
    pub steps: Vec<StepDifference>,
    /// How many are.
    pub unchanged: usize,
}

/// Compares two releases.
pub fn diff(
    from: &ReleaseReference,
    to: &ReleaseReference,
    options: &ReleaseOptions,
) -> Result<ReleaseDifference, ReleaseError> {
    let (from, to) = (
        ResolvedRelease::checked(from, options)?,
        ResolvedRelease::checked(to, options)?,
    );
    let (old, new) = (from.steps(options)?, to.steps(options)?);
    let named = |release: &'_ ResolvedRelease| {
        let steps = release.index.steps.iter();
        steps
            .map(|step| (step.file.file.clone(), step.clone()))
            .collect::<BTreeMap<String, PackedStep>>()
    };
    let (before, after) = (named(&from), named(&to));
    let files: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut steps = Vec::new();
    for file in &files {
        let (one, other) = (before.get(*file), after.get(*file));
        let content = |step: Option<&PackedStep>| step.map(|step| step.file.digest.clone());
        let undo = |step: Option<&PackedStep>| {
            step.and_then(|step| step.undo.as_ref())
                .map(|undo| (undo.file.clone(), undo.digest.clone()))
        };
        let beside = |step: Option<&PackedStep>| {
            let files = step.into_iter().flat_map(|step| &step.beside);
            files
                .map(|file| (file.file.clone(), file.digest.clone()))
                .collect::<BTreeSet<_>>()
        };
        let (was_beside, is_beside) = (beside(one), beside(other));
        let differing = was_beside.symmetric_difference(&is_beside).cloned();
        let differing: BTreeSet<String> = differing.map(|(file, _)| file).collect();
        let change = match (one, other) {
            (None, _) => StepChange::Added,
            (_, None) => StepChange::Removed,
            _ if content(one) == content(other)
                && undo(one) == undo(other)
                && was_beside == is_beside =>
            {
                continue;
            }
            _ => StepChange::Changed,
        };
        let was = one.map_or_else(|| Ok(Interface::default()), |_| Interface::of(&old, file))?;
        let is = other.map_or_else(|| Ok(Interface::default()), |_| Interface::of(&new, file))?;
        let without = |all: &BTreeSet<String>, others: &BTreeSet<String>| {
            all.difference(others).cloned().collect()
        };
        steps.push(StepDifference {
            file: (*file).clone(),
            change,
            before: content(one),
            after: content(other),
            undo_changed: undo(one) != undo(other),
            beside_changed: differing.into_iter().collect(),
            imports_added: without(&is.imports, &was.imports),
            imports_removed: without(&was.imports, &is.imports),
            exports_added: without(&is.exports, &was.exports),
            exports_removed: without(&was.exports, &is.exports),
        });
    }
    let lineages = (from.index.identity.lineage, to.index.identity.lineage);
    Ok(ReleaseDifference {
        from: from.reference.to_string(),
        to: to.reference.to_string(),
        lineages: Some(lineages).filter(|(one, other)| one != other),
        unchanged: files.len() - steps.len(),
        steps,
    })
}
