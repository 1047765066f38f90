//! For whom a repeatable file is pending: for whoever did not get the content last that it has now, and after a reset for
//! everybody.

use std::collections::{HashMap, HashSet};

use super::snapshot::{File, Missing, TenantSnapshot, some};
use crate::database::Session;
use crate::journal::{self, SourceRecord};

/// What the target's own tables say of all tenants; of these alone, when they are named.
pub(super) async fn read_target(
    snapshot: &mut TenantSnapshot,
    among: Option<&[String]>,
    session: &mut dyn Session,
) -> crate::database::Result<()> {
    if !snapshot.has_repeatable() && !snapshot.has_gone_repeatable() {
        return Ok(());
    }
    let last_reset = snapshot.last_reset;
    for tally in journal::count_repeated(session, among, last_reset).await? {
        snapshot.note_of_others(tally.source, tally.state, tally.tenants, tally.migrated_at);
        if let Some(file) = snapshot.file_of(tally.source) {
            (file.applied, file.finalized) = (tally.tenants, tally.tenants);
            (file.migrated_at, file.finalized_at) = (tally.migrated_at, tally.finalized_at);
        }
    }
    let mut partial = Vec::new();
    for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
        let all = match file.kind().is_for_tenants() {
            true => snapshot.tenants.len() as u64,
            false => 1,
        };
        match (file.kind().is_repeatable(), file.applied) {
            (false, _) | (true, 0) => {}
            (true, applied) if applied == all => *missing = Missing::Nobody,
            (true, _) => partial.extend(file.id),
        }
    }
    if partial.is_empty() {
        return Ok(());
    }
    let rows = journal::read_repeated(session, Some(&partial), last_reset).await?;
    let had: HashSet<(i64, &str)> = rows
        .iter()
        .map(|row| (row.source, row.tenant.as_str()))
        .collect();
    for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
        let Some(id) = file.id.filter(|id| partial.contains(id)) else {
            continue;
        };
        let tenants = snapshot.tenants.iter().enumerate();
        let lacking = tenants.filter(|(_, tenant)| !had.contains(&(id, tenant.as_str())));
        *missing = some(lacking.map(|(number, _)| number).collect());
    }
    Ok(())
}

/// The places of repeatable files by the numbers of the contents that they had and have no more.
pub(super) fn other_contents(files: &[File], sources: &[SourceRecord]) -> HashMap<i64, usize> {
    let places: HashMap<&str, usize> = files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.kind().is_repeatable())
        .map(|(place, file)| (&*file.source.key, place))
        .collect();
    let others = sources.iter().filter_map(|source| {
        let place = *places.get(&*source.key)?;
        (files.get(place)?.id != Some(source.id)).then_some((source.id, place))
    });
    others.collect()
}

impl TenantSnapshot {
    fn has_gone_repeatable(&self) -> bool {
        self.gone.values().any(|gone| gone.kind.is_repeatable())
    }

    /// Whether any of the files is repeatable.
    pub(super) fn has_repeatable(&self) -> bool {
        self.files.iter().any(|file| file.kind().is_repeatable())
    }

    /// How many of some files each tenant lacks, by its number.
    pub(super) fn lacking(&self, is_counted: impl Fn(&File) -> bool) -> Vec<u64> {
        let mut lacking = vec![0; self.tenants.len()];
        let files = self.files.iter().zip(&self.missing);
        for (file, missing) in files.filter(|(file, _)| is_counted(file)) {
            match missing {
                Missing::All if file.kind().is_for_tenants() => {
                    lacking.iter_mut().for_each(|files| *files += 1);
                }
                Missing::Some(tenants) => {
                    for tenant in tenants {
                        if let Some(files) = lacking.get_mut(*tenant) {
                            *files += 1;
                        }
                    }
                }
                Missing::All | Missing::Nobody => {}
            }
        }
        lacking
    }
}
