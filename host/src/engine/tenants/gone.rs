//! Files that the journal knows and that are not there any more.
//!
//! What a repeatable file made stays when it is gone. One that runs once is missed: it was removed by mistake, or it has
//! another name now and would run again under that.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::snapshot::{File, GoneFile, TenantSnapshot};
use super::{RunError, SourceKind};
use crate::catalog::{Digests, Error};
use crate::database::Session;
use crate::engine::Engine;
use crate::journal::{self, SourceRecord};

/// What the kind of a file is called before which it says that the file was removed for good.
const REMOVED: &str = "removed-";

/// The files that the journal knows and that are not there any more, by their numbers there.
pub(super) fn gone(
    files: &[File],
    sources: &[SourceRecord],
    digests: &Digests,
) -> Result<BTreeMap<i64, GoneFile>, RunError> {
    let there: HashSet<&str> = files.iter().map(|file| &*file.source.key).collect();
    let mut gone = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for source in sources {
        let kind = SourceKind::from_journal(&source.kind).filter(|kind| !kind.is_script());
        let Some(kind) = kind.filter(|_| !there.contains(&*source.key)) else {
            continue;
        };
        let mut renamed = None;
        for (place, file) in files.iter().enumerate() {
            let may_be = kind.runs_once() && file.kind() == kind && file.id.is_none();
            if may_be && !taken.contains(&place) {
                let step = file.source.as_step(file.index);
                let is_same = digests.is_same(&step, &source.digest);
                if is_same.map_err(RunError::files)? {
                    taken.insert(place);
                    renamed = Some(place);
                    break;
                }
            }
        }
        let file = GoneFile {
            key: source.key.clone(),
            kind,
            digest: source.digest.clone(),
            applied: 0,
            unfinalized: 0,
            started: 0,
            applied_at: None,
            renamed,
        };
        gone.insert(source.id, file);
    }
    Ok(gone)
}

impl TenantSnapshot {
    /// The files that were applied, run once and are gone, by their numbers in the journal.
    pub(super) fn missed(&self) -> impl Iterator<Item = (i64, &GoneFile)> {
        let gone = self.gone.iter().filter(|(_, file)| file.is_missed());
        gone.map(|(id, file)| (*id, file))
    }

    /// The file that a gone one is called now.
    pub(super) fn new_name_of(&self, gone: &GoneFile) -> Option<&File> {
        self.files.get(gone.renamed?)
    }
}

/// What is said of those files before anything runs.
pub(super) fn problems(engine: &Engine, snapshot: &TenantSnapshot) -> Vec<Error> {
    let problem = |(_, gone): (i64, &GoneFile)| match snapshot.new_name_of(gone) {
        Some(now) => Some(Error::Renamed {
            before: gone.key.clone(),
            now: now.source.key.clone(),
        }),
        None if gone.started > 0 => Some(Error::MissingBegun {
            label: gone.key.clone(),
        }),
        None if engine.options.allowances.missing => None,
        None => Some(Error::Missing {
            label: gone.key.clone(),
        }),
    };
    snapshot.missed().filter_map(problem).collect()
}

/// Refuses to finalize or reset files that are gone: nobody knows what that would do.
pub(super) fn refuse_unfinalized(snapshot: &TenantSnapshot) -> Result<(), RunError> {
    let Some((_, gone)) = snapshot.missed().find(|(_, gone)| gone.unfinalized > 0) else {
        return Ok(());
    };
    let key = &gone.key;
    Err(RunError::Refused(format!(
        "`{key}` is not finalized, and its file is gone: put it back; when it is gone for good, `wasmigrate repair --remove {key} \
         --reason …` writes that down, and what it has done stays"
    )))
}

/// Writes down that a file is gone for good: from now on the journal knows it for the history alone, and one of its name is
/// a new one.
pub(super) async fn remove(
    session: &mut dyn Session,
    id: i64,
    kind: SourceKind,
) -> crate::database::Result<()> {
    journal::set_source_kind(session, id, &format!("{REMOVED}{}", kind.as_str())).await
}

/// The kind that a file has, or had before it was removed for good.
pub(super) fn kind_in_history(kind: &str) -> Option<SourceKind> {
    SourceKind::from_journal(kind.strip_prefix(REMOVED).unwrap_or(kind))
}
