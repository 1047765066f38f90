//! Which tenants have failed: a tenant's failure stands until the file that failed has got further for it, whatever runs there
//! were since.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{Missing, TenantSnapshot};
use crate::database::{Result, Session};
use crate::engine::failure::Failure;
use crate::journal::{self, LastFailure, Phase, StepState};

/// The tenants that have failed, each with the last of its failures that stand.
pub(super) async fn failures(
    session: &mut dyn Session,
    snapshot: &TenantSnapshot,
) -> Result<BTreeMap<String, LastFailure>> {
    let is_all_done = !snapshot.has_pending() && snapshot.unfinalized.is_empty();
    if is_all_done || !journal::has_tenants(session).await? {
        return Ok(BTreeMap::new());
    }
    let all = journal::last_failures(session).await?;
    let whole = journal::last_whole_reset(session).await?;
    let mut resets = snapshot.resets.clone();
    resets.extend(journal::last_resets(session).await?);
    let last_reset = |tenant: &str| resets.get(tenant).map_or(whole, |run| whole.max(*run));
    Ok(among(all, snapshot, last_reset))
}

/// Why each of them has failed.
pub(super) async fn reasons(
    session: &mut dyn Session,
    snapshot: &TenantSnapshot,
) -> Result<BTreeMap<String, Failure>> {
    let failures = failures(session, snapshot).await?;
    let runs: BTreeSet<i64> = failures.values().map(|failure| failure.run).collect();
    let mut reasons = BTreeMap::new();
    for run in runs {
        for attempt in journal::read_failures(session, run).await? {
            let of = attempt.tenant.as_ref().and_then(|name| failures.get(name));
            let is_it = |failure: &&LastFailure| {
                let key = (failure.run, &failure.key, failure.phase);
                key == (run, &attempt.name, attempt.phase)
            };
            if let Some(failure) = of.filter(is_it)
                && let Some(reason) = attempt.error.as_ref().and_then(Failure::from_json)
            {
                reasons.insert(failure.tenant.clone(), reason);
            }
        }
    }
    Ok(reasons)
}

/// Those of the failures that stand, after the last reset of each tenant.
fn among(
    failures: impl IntoIterator<Item = LastFailure>,
    snapshot: &TenantSnapshot,
    last_reset: impl Fn(&str) -> i64,
) -> BTreeMap<String, LastFailure> {
    let files = snapshot.files.iter().enumerate();
    let places: BTreeMap<&str, usize> = files
        .map(|(place, file)| (&*file.source.key, place))
        .collect();
    let is_migrated = |row: &&journal::AppliedRecord| row.state == StepState::Migrated;
    let migrated: BTreeMap<(usize, &str), i64> = snapshot
        .unfinalized
        .iter()
        .filter(is_migrated)
        .filter_map(|row| Some(((snapshot.place_of(row.source)?, &*row.tenant), row.run)))
        .collect();
    let stands = |failure: &LastFailure| {
        let name = &*failure.tenant;
        let is_it = |tenant: &String| tenant.as_str().cmp(name);
        let Ok(number) = snapshot.tenants.binary_search_by(is_it) else {
            return false;
        };
        let Some(place) = places.get(&*failure.key) else {
            return false;
        };
        let lacks = match snapshot.missing.get(*place) {
            Some(Missing::All) => true,
            Some(Missing::Some(tenants)) => tenants.contains(&number),
            Some(Missing::Nobody) | None => false,
        };
        match (lacks, migrated.get(&(*place, name))) {
            // A reset has begun anew.
            (true, _) => failure.run > last_reset(name),
            (false, Some(run)) => {
                failure.run >= *run && matches!(failure.phase, Phase::Finalize | Phase::Reset)
            }
            (false, None) => false,
        }
    };
    let mut standing: BTreeMap<String, LastFailure> = BTreeMap::new();
    for failure in failures.into_iter().filter(stands) {
        match standing.get(&failure.tenant) {
            Some(other) if other.run > failure.run => {}
            _ => {
                standing.insert(failure.tenant.clone(), failure);
            }
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::super::SourceKind::TenantMigration;
    use super::super::remaining::tests::record;
    use super::*;
    use crate::journal::AppliedRecord;

    /// Whether a failure of `acme` in this phase, in run 5, stands, when its file was migrated in such a run, or is missing.
    fn stands(phase: Phase, migrated_in: Option<i64>, last_reset: i64) -> bool {
        let mut snapshot = TenantSnapshot::of(&[("one", TenantMigration)], &["acme", "beta"]);
        match migrated_in {
            None => snapshot.missing = vec![Missing::Some(vec![0])],
            Some(run) => snapshot.unfinalized.push(AppliedRecord {
                run,
                ..record(1, StepState::Migrated)
            }),
        }
        let failure = LastFailure {
            tenant: "acme".to_owned(),
            key: "one".to_owned(),
            phase,
            run: 5,
        };
        among([failure], &snapshot, |_| last_reset).contains_key("acme")
    }

    #[test]
    fn a_failure_stands_until_its_file_has_got_further_or_was_reset() {
        assert!(stands(Phase::Migrate, None, 0));
        assert!(!stands(Phase::Migrate, None, 6));
        assert!(!stands(Phase::Migrate, Some(5), 0));
        assert!(!stands(Phase::Migrate, Some(6), 0));
        assert!(stands(Phase::Finalize, Some(5), 0));
        assert!(stands(Phase::Finalize, Some(3), 0));
        assert!(!stands(Phase::Finalize, Some(6), 0));
        assert!(stands(Phase::Finalize, None, 0));
        assert!(stands(Phase::Reset, Some(3), 5));
    }
}
