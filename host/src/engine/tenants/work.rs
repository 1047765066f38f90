//! What a run of tenants has to do: which files, for whom, and which of their phases.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{File, Missing, TenantSnapshot};
use crate::engine::state::Command;
use crate::journal::{AppliedRecord, Phase};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// `migrate` and `finalize` of each file at once.
    Apply,
    /// Writes the pending files down as applied.
    Sync,
    /// `migrate` of what is pending.
    Migrate,
    /// `migrate` of what is pending, then `finalize` of all that is not finalized.
    Finalize,
    /// `reset` of all that is not finalized.
    Reset,
}

impl Work {
    /// The command, as history shows it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Sync => "sync",
            Self::Migrate => "migrate",
            Self::Finalize => "finalize",
            Self::Reset => "reset",
        }
    }

    /// Whether it concerns what earlier runs have migrated.
    pub(super) fn finalizes_or_resets(self) -> bool {
        matches!(self, Self::Apply | Self::Finalize | Self::Reset)
    }

    /// The command that it is, of those that the state of the target may refuse.
    pub(super) fn command(self) -> Option<Command> {
        match self {
            Self::Migrate => Some(Command::Migrate),
            Self::Finalize => Some(Command::Finalize),
            Self::Reset => Some(Command::Reset),
            Self::Apply | Self::Sync => None,
        }
    }
}

/// Some phases of one file for one tenant.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The place of the file.
    pub(super) file: usize,
    /// The tenant's number; none for the target itself.
    pub(super) tenant: Option<usize>,
    pub(super) phases: &'static [Phase],
    /// What the journal knows of it already.
    pub(super) record: Option<AppliedRecord>,
}

/// What can be done before anything after it starts: one file for the target, or files for tenants.
pub(super) type Wave = Vec<Task>;

/// A file for the target itself that does not run, and with it whatever comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The file's place.
    pub(super) file: usize,
    /// The numbers of the tenants that have not done all before it.
    pub(super) tenants: BTreeSet<usize>,
}

/// The tasks of a run, by phase.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// What migrates, applies, writes down or resets.
    pub(super) first: Vec<Wave>,
    /// What is only finalized, after all of that: the cut-over.
    pub(super) finalize: Vec<Wave>,
    /// What was left out, because it waits for tenants that are not wanted.
    pub(super) waiting: Option<Waiting>,
}

impl Schedule {
    /// All waves, in order.
    pub(super) fn waves(&self) -> impl Iterator<Item = &Wave> {
        self.first.iter().chain(&self.finalize)
    }

    /// All tasks, in order.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.waves().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks().next().is_none()
    }

    /// Whether everything is migrated already.
    pub(super) fn only_finalizes(&self) -> bool {
        self.first.is_empty() && !self.finalize.is_empty()
    }

    /// Leaves out the tasks that are not wanted.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Task) -> bool) {
        for waves in [&mut self.first, &mut self.finalize] {
            for wave in waves.iter_mut() {
                wave.retain(&is_wanted);
            }
            waves.retain(|wave| !wave.is_empty());
        }
    }
}

/// The tasks of a run. With `only`, those of this tenant alone.
pub(super) fn schedule(snapshot: &TenantSnapshot, work: Work, only: Option<usize>) -> Schedule {
    let mut known: BTreeMap<(usize, Option<usize>), AppliedRecord> = BTreeMap::new();
    for record in &snapshot.unfinalized {
        if let Some((file, tenant)) = whose(snapshot, record) {
            known.insert((file, tenant), record.clone());
        }
    }
    let is_wanted = |task: &Task| match only {
        Some(only) => task.tenant == Some(only),
        None => true,
    };
    let mut tasks = Vec::new();
    if work == Work::Reset {
        let mut unfinalized: Vec<_> = known.into_iter().collect();
        unfinalized.sort_by_key(|(_, record)| std::cmp::Reverse(record.id));
        for ((file, tenant), record) in unfinalized {
            tasks.push(Task {
                file,
                tenant,
                phases: &[Phase::Reset],
                record: Some(record),
            });
        }
        tasks.retain(is_wanted);
        return Schedule {
            first: in_waves(tasks),
            ..Schedule::default()
        };
    }
    // Scripts run at every apply, and with each run that migrates something; else where one that migrated has left them.
    let runs_scripts = only.is_some() || work == Work::Apply || snapshot.has_to_migrate();
    let at_once: &[Phase] = &[Phase::Migrate, Phase::Finalize];
    let open_from = only.and_then(|only| open_from(snapshot, only));
    let is_open = |place: usize| open_from.is_some_and(|first| place >= first);
    let mut later = Vec::new();
    for (place, file) in snapshot.files.iter().enumerate() {
        // Nobody says that it was run before, and it bears being run again.
        if work == Work::Sync && file.kind().is_repeatable() {
            continue;
        }
        for tenant in whom(snapshot, place, file, runs_scripts, only) {
            let record = known.remove(&(place, tenant));
            let phases = match (work, file.kind().runs_once()) {
                (Work::Migrate | Work::Finalize, true) => &[Phase::Migrate],
                (Work::Apply, true) if is_open(place) => &[Phase::Migrate],
                _ => at_once,
            };
            tasks.push(Task {
                file: place,
                tenant,
                phases,
                record,
            });
            if work == Work::Finalize && file.kind().runs_once() {
                later.push((place, tenant, None));
            }
        }
        // What an earlier run has migrated.
        if work == Work::Apply && !is_open(place) {
            let migrated: Vec<_> = known.range((place, None)..(place + 1, None)).collect();
            for ((file, tenant), record) in migrated {
                tasks.push(Task {
                    file: *file,
                    tenant: *tenant,
                    phases: &[Phase::Finalize],
                    record: Some(record.clone()),
                });
            }
        }
    }
    let mut finalize = Vec::new();
    if work == Work::Finalize {
        let migrated = known
            .into_iter()
            .map(|((file, tenant), record)| (file, tenant, Some(record)));
        let mut all: Vec<_> = migrated.chain(later).collect();
        // Whenever a tenant came: what is for the target waits for the files before it, of all tenants.
        all.sort_by_key(|(file, tenant, _)| (*file, *tenant));
        for (file, tenant, record) in all {
            finalize.push(Task {
                file,
                tenant,
                phases: &[Phase::Finalize],
                record,
            });
        }
    }
    tasks.retain(is_wanted);
    finalize.retain(is_wanted);
    Schedule {
        first: in_waves(tasks),
        finalize: in_waves(finalize),
        waiting: None,
    }
}

/// The place of the first file that waits for its finalize, for the target or for all other tenants than this new one that have
/// it. From there on nothing is finalized for it, either: it would come before what the others still have before them.
fn open_from(snapshot: &TenantSnapshot, new: usize) -> Option<usize> {
    let open = snapshot.unfinalized.iter().filter_map(|record| {
        let (place, tenant) = whose(snapshot, record)?;
        let file = snapshot.files.get(place)?;
        let waits = file.kind().runs_once() && file.finalized == 0;
        (tenant != Some(new) && waits).then_some(place)
    });
    open.min()
}

/// For whom a file is to be run.
fn whom(
    snapshot: &TenantSnapshot,
    place: usize,
    file: &File,
    runs_scripts: bool,
    only: Option<usize>,
) -> Vec<Option<usize>> {
    let is_for_tenants = file.kind().is_for_tenants();
    let everybody = || match (is_for_tenants, only) {
        (true, Some(only)) => vec![Some(only)],
        (true, None) => (0..snapshot.tenants.len()).map(Some).collect(),
        (false, _) => vec![None],
    };
    match snapshot.missing.get(place) {
        _ if file.kind().is_script() && runs_scripts => everybody(),
        // A new tenant lacks them all, but for what was left of it beside a target that did not hear of it.
        _ if only.is_some() => match is_for_tenants && !snapshot.had_by_new.contains(&place) {
            true => everybody(),
            false => Vec::new(),
        },
        Some(Missing::All) => everybody(),
        Some(Missing::Some(tenants)) => tenants.iter().copied().map(Some).collect(),
        Some(Missing::Nobody) | None => Vec::new(),
    }
}

fn whose(snapshot: &TenantSnapshot, record: &AppliedRecord) -> Option<(usize, Option<usize>)> {
    let file = snapshot.place_of(record.source)?;
    let tenant = match &*record.tenant {
        "" => None,
        // A new one stands after the others.
        name if snapshot.tenants.last().is_some_and(|last| last == name) => {
            Some(snapshot.tenants.len() - 1)
        }
        name => Some(
            snapshot
                .tenants
                .binary_search_by(|tenant| tenant.as_str().cmp(name))
                .ok()?,
        ),
    };
    Some((file, tenant))
}

/// Cuts where a file is for the target itself: whatever comes after it may need it.
fn in_waves(tasks: Vec<Task>) -> Vec<Wave> {
    let mut waves: Vec<Wave> = Vec::new();
    for task in tasks {
        match waves.last_mut() {
            Some(wave)
                if wave
                    .first()
                    .is_some_and(|first| first.tenant.is_some() == task.tenant.is_some()) =>
            {
                wave.push(task);
            }
            _ => waves.push(vec![task]),
        }
    }
    waves
}

/// The places of the files that these tasks run, in order.
pub(super) fn concerned<'t>(tasks: impl Iterator<Item = &'t Task>) -> Vec<usize> {
    let mut places: Vec<usize> = tasks.map(|task| task.file).collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::super::SourceKind::{SingleMigration, TenantMigration, TenantScript};
    use super::super::remaining::tests::record;
    use super::*;
    use crate::journal::StepState;

    /// Two migrations for tenants, with one for the target between them, and a script for tenants.
    fn snapshot() -> TenantSnapshot {
        TenantSnapshot::of(
            &[
                ("one", TenantMigration),
                ("shared", SingleMigration),
                ("two", TenantMigration),
                ("view", TenantScript),
            ],
            &["acme", "beta"],
        )
    }

    fn migrated(id: i64, source: i64, tenant: &str) -> AppliedRecord {
        AppliedRecord {
            source,
            tenant: tenant.to_owned(),
            ..record(id, StepState::Migrated)
        }
    }

    /// Each wave as a line: the files' numbers, the tenants' first letters, and the phases' first letters.
    fn lines(snapshot: &TenantSnapshot, waves: &[Wave]) -> Vec<String> {
        let task = |task: &Task| {
            let tenant = task
                .tenant
                .map_or("-", |number| &snapshot.tenants[number][..1]);
            let phases: String = task
                .phases
                .iter()
                .map(|phase| &phase.as_str()[..1])
                .collect();
            format!("{}{tenant}{phases}", task.file + 1)
        };
        let line = |wave: &Wave| wave.iter().map(task).collect::<Vec<_>>().join(" ");
        waves.iter().map(line).collect()
    }

    fn scheduled(snapshot: &TenantSnapshot, work: Work) -> [Vec<String>; 2] {
        let schedule = schedule(snapshot, work, None);
        [&schedule.first, &schedule.finalize].map(|waves| lines(snapshot, waves))
    }

    #[test]
    fn a_file_for_the_target_waits_for_all_before_it_and_all_after_it_wait_for_it() {
        let mut snapshot = snapshot();
        for place in 0..3 {
            snapshot.missing[place] = Missing::All;
        }
        let [first, finalize] = scheduled(&snapshot, Work::Finalize);
        assert_eq!(first, ["1am 1bm", "2-m", "3am 3bm 4amf 4bmf"]);
        assert_eq!(finalize, ["1af 1bf", "2-f", "3af 3bf"]);
        let [first, finalize] = scheduled(&snapshot, Work::Apply);
        assert_eq!(first, ["1amf 1bmf", "2-mf", "3amf 3bmf 4amf 4bmf"]);
        assert!(finalize.is_empty());
    }

    #[test]
    fn only_who_lacks_a_file_gets_it_and_what_is_migrated_is_finalized_in_its_order() {
        let mut snapshot = snapshot();
        snapshot.missing[2] = Missing::Some(vec![1]);
        snapshot.unfinalized = vec![migrated(5, 3, "acme"), migrated(4, 1, "beta")];
        let [first, finalize] = scheduled(&snapshot, Work::Finalize);
        assert_eq!(first, ["3bm 4amf 4bmf"]);
        assert_eq!(finalize, ["1bf 3af 3bf"]);
        assert_eq!(scheduled(&snapshot, Work::Migrate)[0], first);
        assert_eq!(scheduled(&snapshot, Work::Reset)[0], ["3ar 1br"]);
    }

    #[test]
    fn a_new_tenant_is_finalized_as_far_as_all_before_it_are() {
        let mut snapshot = snapshot();
        snapshot.unfinalized = vec![migrated(4, 2, "")];
        let applied = |snapshot: &TenantSnapshot| {
            let schedule = schedule(snapshot, Work::Apply, Some(1));
            assert!(schedule.finalize.is_empty());
            lines(snapshot, &schedule.first)
        };
        assert_eq!(applied(&snapshot), ["1bmf 3bm 4bmf"]);
        snapshot.unfinalized = vec![migrated(3, 1, "acme"), migrated(4, 1, "beta")];
        snapshot.had_by_new.insert(0);
        assert_eq!(applied(&snapshot), ["3bm 4bmf"]);
        snapshot.unfinalized = vec![migrated(4, 1, "beta")];
        assert_eq!(applied(&snapshot), ["1bf 3bmf 4bmf"]);
    }

    #[test]
    fn what_a_tenant_got_late_is_finalized_before_the_file_for_the_target_after_it() {
        let mut snapshot = snapshot();
        snapshot.unfinalized = vec![
            migrated(1, 1, "acme"),
            migrated(2, 2, ""),
            migrated(3, 3, "acme"),
            migrated(4, 1, "beta"),
        ];
        let [_, finalize] = scheduled(&snapshot, Work::Finalize);
        assert_eq!(finalize, ["1af 1bf", "2-f", "3af"]);
    }

    #[test]
    fn what_is_migrated_is_only_finalized_and_no_script_runs() {
        let mut snapshot = snapshot();
        snapshot.unfinalized = vec![migrated(1, 1, "acme")];
        let schedule = schedule(&snapshot, Work::Finalize, None);
        assert!(schedule.only_finalizes());
        assert_eq!(lines(&snapshot, &schedule.finalize), ["1af"]);
    }

    #[test]
    fn tenants_that_are_not_wanted_leave_no_empty_waves() {
        let mut snapshot = snapshot();
        snapshot.missing[0] = Missing::All;
        let mut schedule = schedule(&snapshot, Work::Finalize, None);
        schedule.retain(|task| task.tenant == Some(1));
        assert_eq!(lines(&snapshot, &schedule.first), ["1bm 4bmf"]);
        assert_eq!(lines(&snapshot, &schedule.finalize), ["1bf"]);
        schedule.retain(|task| task.tenant.is_none());
        assert!(schedule.is_empty() && !schedule.only_finalizes());
    }
}
