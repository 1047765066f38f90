//! Where a target with tenants stands: its files and tenants, and what the journal says was applied for whom.
//!
//! A target of which all is up to date is read by one grouped query. Only of a migration that some tenants have and
//! others lack are the tenants read one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::list;
use super::{RunError, SourceKind, TenancyOptions};
use crate::catalog::{Digests, SourceFile, step_label};
use crate::database::{Access, Session, Stop, TenantPlace};
use crate::engine::Engine;
use crate::journal::{
    self, AppliedRecord, LeaseRecord, Pause, RunRecord, SourceRecord, StepState, TenantTally,
};

/// One file, and what became of it.
pub(super) struct File {
    pub(super) source: SourceFile,
    /// Its SHA-256 now.
    pub(super) digest: String,
    /// Its place in the order, from 1.
    pub(super) index: u64,
    /// The number by which the journal knows it; none when it was never applied.
    pub(super) id: Option<i64>,
    /// Its SHA-256 when it was applied.
    pub(super) applied_digest: Option<String>,
    /// For how many it was migrated or finalized.
    pub(super) applied: u64,
    /// For how many it was finalized.
    pub(super) finalized: u64,
    /// For how many it was started outside a transaction, and not done.
    pub(super) started: u64,
    pub(super) migrated_at: Option<i64>,
    pub(super) finalized_at: Option<i64>,
}

impl File {
    pub(super) fn kind(&self) -> SourceKind {
        self.source.kind
    }

    /// Its place and its path, as it is shown.
    pub(super) fn label(&self) -> String {
        step_label(self.index, &self.source.key)
    }

    /// Whether the journal has it as applied, and with other contents.
    pub(super) fn has_changed(&self) -> bool {
        let is_other = |applied: &String| *applied != self.digest;
        !self.kind().is_script()
            && self.applied + self.started > 0
            && self.applied_digest.as_ref().is_some_and(is_other)
    }
}

/// For whom a file is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nobody.
    Nobody,
    /// All tenants, or the target itself.
    All,
    /// These tenants, by their numbers.
    Some(Vec<usize>),
}

/// Where a target with tenants stands.
pub(super) struct TenantSnapshot {
    pub(super) files: Vec<File>,
    /// The places of files by their numbers in the journal.
    places: HashMap<i64, usize>,
    /// The tenants' names, in order.
    pub(super) tenants: Vec<String>,
    /// For whom each migration is pending, by the file's place.
    pub(super) missing: Vec<Missing>,
    /// What was applied and not finalized, or started outside a transaction and not done.
    pub(super) unfinalized: Vec<AppliedRecord>,
    pub(super) last_run: Option<RunRecord>,
    /// The newest run that was not refused, when it failed and refused ones came after it.
    pub(super) failed_before: Option<RunRecord>,
    pub(super) pause: Option<Pause>,
    pub(super) lease: Option<LeaseRecord>,
    /// The number of what was applied last.
    pub(super) last_applied: i64,
    /// How far each tenant came, where each has a file of its own.
    pub(super) tallies: Vec<TenantTally>,
    /// The places of what the new tenant has already.
    pub(super) had_by_new: BTreeSet<usize>,
    /// Where the tenants are.
    pub(super) place: TenantPlace,
}

impl TenantSnapshot {
    /// Whether a migration is pending for somebody.
    pub(super) fn has_pending(&self) -> bool {
        self.missing
            .iter()
            .any(|missing| *missing != Missing::Nobody)
    }

    /// For how many the file is pending.
    pub(super) fn pending_of(&self, file: usize) -> u64 {
        match (self.missing.get(file), self.files.get(file)) {
            (Some(Missing::All), Some(file)) if file.kind().is_for_tenants() => {
                self.tenants.len() as u64
            }
            (Some(Missing::All), _) => 1,
            (Some(Missing::Some(tenants)), _) => tenants.len() as u64,
            _ => 0,
        }
    }

    pub(super) fn changed(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_changed())
    }

    /// The place of the file that the journal knows by this number.
    pub(super) fn place_of(&self, source: i64) -> Option<usize> {
        self.places.get(&source).copied()
    }
}

/// Where the target and its tenants stand now.
pub(super) async fn current(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<TenantSnapshot, RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let digests = engine.remembered_digests();
    let snapshot = read(engine, options, &digests, &mut *session).await;
    session.rollback().await?;
    snapshot
}

/// Reads where a target with tenants stands, in a transaction that the session has open.
pub(super) async fn read(
    engine: &Engine,
    options: &TenancyOptions,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<TenantSnapshot, RunError> {
    let kind = engine.target_kind();
    let found = options.sources.scan(kind).map_err(RunError::files)?;
    let remembered = journal::read(session).await?;
    let has_tenants = journal::has_tenants(session).await?;
    let sources = match has_tenants {
        true => journal::read_sources(session).await?,
        false => Vec::new(),
    };
    let files = files(found, digests, &sources)?;
    let tenants = list::list(options, session, has_tenants).await?;
    let mut snapshot = TenantSnapshot {
        missing: files
            .iter()
            .map(|file| match file.kind().is_script() {
                true => Missing::Nobody,
                false => Missing::All,
            })
            .collect(),
        places: files
            .iter()
            .enumerate()
            .filter_map(|(place, file)| Some((file.id?, place)))
            .collect(),
        files,
        tenants,
        unfinalized: Vec::new(),
        last_run: remembered.last_run,
        failed_before: remembered.failed_before,
        pause: remembered.pause,
        lease: remembered.lease,
        last_applied: 0,
        tallies: Vec::new(),
        had_by_new: BTreeSet::new(),
        place: engine.database.capabilities().tenants,
    };
    if has_tenants {
        match snapshot.place {
            TenantPlace::Schema => read_target(&mut snapshot, options, session).await?,
            TenantPlace::Database => read_files(&mut snapshot, engine, session).await?,
        }
    }
    for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
        if file.kind().is_for_tenants() && snapshot.tenants.is_empty() {
            *missing = Missing::Nobody;
        }
    }
    Ok(snapshot)
}

fn files(
    found: Vec<SourceFile>,
    digests: &Digests,
    sources: &[SourceRecord],
) -> Result<Vec<File>, RunError> {
    let mut known: BTreeMap<&str, Vec<&SourceRecord>> = BTreeMap::new();
    for record in sources {
        known.entry(&record.key).or_default().push(record);
    }
    let mut files = Vec::with_capacity(found.len());
    for (index, source) in (1..).zip(found) {
        let step = source.as_step(index);
        let mut digest = digests.of(&step).map_err(RunError::files)?;
        let is_same = |record: &&&SourceRecord| digests.is_same(&step, &record.digest);
        let mut records = known.get(&*source.key).into_iter().flatten();
        let record = match source.kind.is_script() {
            true => records.find(|record| is_same(record).unwrap_or(false)),
            false => records.find(|record| {
                SourceKind::from_journal(&record.kind).is_some_and(|kind| !kind.is_script())
            }),
        };
        // Other line ends make no other file.
        if let Some(record) = record.filter(|record| is_same(record).unwrap_or(false)) {
            digest.clone_from(&record.digest);
        }
        files.push(File {
            id: record.map(|record| record.id),
            applied_digest: record.map(|record| record.digest.clone()),
            source,
            digest,
            index,
            applied: 0,
            finalized: 0,
            started: 0,
            migrated_at: None,
            finalized_at: None,
        });
    }
    digests.save();
    Ok(files)
}

/// What the target's own tables say of all tenants.
async fn read_target(
    snapshot: &mut TenantSnapshot,
    options: &TenancyOptions,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    // Our own table forgets no tenant; another list may.
    let among = options.tenant_select.as_ref().map(|_| &*snapshot.tenants);
    let tallies = journal::count_by_source(session, among).await?;
    for tally in tallies {
        if let Some(place) = snapshot.place_of(tally.source)
            && let Some(file) = snapshot.files.get_mut(place)
        {
            note(
                file,
                tally.state,
                tally.tenants,
                tally.migrated_at,
                tally.finalized_at,
            );
        }
    }
    let mut partial = Vec::new();
    for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
        let all = match file.kind().is_for_tenants() {
            true => snapshot.tenants.len() as u64,
            false => 1,
        };
        match (file.kind().is_script(), file.applied + file.started) {
            (true, _) | (false, 0) => {}
            (false, _) if file.applied == all => *missing = Missing::Nobody,
            (false, _) => partial.extend(file.id),
        }
    }
    if !partial.is_empty() {
        let applied = journal::read_applied_of(session, &partial).await?;
        let is_done = |record: &&AppliedRecord| record.state != StepState::Started;
        let had: HashSet<(i64, &str)> = applied
            .iter()
            .filter(is_done)
            .map(|record| (record.source, &*record.tenant))
            .collect();
        for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
            let Some(id) = file.id.filter(|id| partial.contains(id)) else {
                continue;
            };
            if !file.kind().is_for_tenants() {
                continue;
            }
            let tenants = snapshot.tenants.iter().enumerate();
            let lacking = tenants.filter(|(_, tenant)| !had.contains(&(id, &***tenant)));
            *missing = some(lacking.map(|(number, _)| number).collect());
        }
    }
    if snapshot
        .files
        .iter()
        .any(|file| file.finalized < file.applied || file.started > 0)
    {
        snapshot.unfinalized = journal::read_unfinalized(session).await?;
    }
    snapshot.last_applied = journal::last_applied(session).await?;
    Ok(())
}

fn some(tenants: Vec<usize>) -> Missing {
    match tenants.is_empty() {
        true => Missing::Nobody,
        false => Missing::Some(tenants),
    }
}

fn note(
    file: &mut File,
    state: StepState,
    tenants: u64,
    migrated_at: Option<i64>,
    finalized_at: Option<i64>,
) {
    match state {
        StepState::Started => file.started += tenants,
        StepState::Migrated => file.applied += tenants,
        StepState::Finalized => {
            file.applied += tenants;
            file.finalized += tenants;
        }
    }
    file.migrated_at = file.migrated_at.max(migrated_at);
    file.finalized_at = file.finalized_at.max(finalized_at);
}

/// What the target's file and each tenant's own say.
async fn read_files(
    snapshot: &mut TenantSnapshot,
    engine: &Engine,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    let mut lacking: Vec<Vec<usize>> = vec![Vec::new(); snapshot.files.len()];
    let own = read_own(session).await?;
    let had = add(snapshot, own, false);
    for (place, file) in snapshot.files.iter().enumerate() {
        let is_missing = !file.kind().is_script() && !had.contains(&place);
        if !file.kind().is_for_tenants()
            && !is_missing
            && let Some(missing) = snapshot.missing.get_mut(place)
        {
            *missing = Missing::Nobody;
        }
    }
    for (number, tenant) in snapshot.tenants.clone().into_iter().enumerate() {
        let own = read_tenant(engine, &tenant).await?;
        let migrated = |record: &&AppliedRecord| record.state == StepState::Migrated;
        let when = |record: &AppliedRecord| record.finalized_at.or(record.migrated_at);
        let (unfinalized, applied_at) = (
            own.0.iter().filter(migrated).count() as u64,
            own.0.iter().filter_map(when).max(),
        );
        let had = add(snapshot, own, true);
        snapshot.tallies.push(TenantTally {
            tenant,
            applied: had.len() as u64,
            unfinalized,
            applied_at,
        });
        for (place, (file, lacking)) in snapshot.files.iter().zip(&mut lacking).enumerate() {
            if file.kind() == SourceKind::TenantMigration && !had.contains(&place) {
                lacking.push(number);
            }
        }
    }
    for ((file, missing), lacking) in snapshot
        .files
        .iter()
        .zip(&mut snapshot.missing)
        .zip(lacking)
    {
        if file.kind() == SourceKind::TenantMigration {
            *missing = some(lacking);
        }
    }
    Ok(())
}

/// What the file of a tenant says that the target has not heard of yet: a host was cut off between their two commits.
pub(super) async fn read_new(
    snapshot: &mut TenantSnapshot,
    engine: &Engine,
    tenant: &str,
) -> Result<(), RunError> {
    let (rows, last) = read_tenant(engine, tenant).await?;
    snapshot.last_applied = snapshot.last_applied.max(last);
    let had = rows
        .iter()
        .filter_map(|record| snapshot.place_of(record.source));
    snapshot.had_by_new = had.collect();
    Ok(())
}

async fn read_tenant(engine: &Engine, tenant: &str) -> Result<(Vec<AppliedRecord>, i64), RunError> {
    let Some(database) = engine.database.tenant(tenant) else {
        return Ok((Vec::new(), 0));
    };
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let own = read_own(&mut *session).await?;
    session.rollback().await?;
    Ok(own)
}

/// What one file's own tables say, and the last number in them; nothing when it has none.
async fn read_own(session: &mut dyn Session) -> crate::database::Result<(Vec<AppliedRecord>, i64)> {
    if !journal::has_tenants(session).await? {
        return Ok((Vec::new(), 0));
    }
    let rows = journal::read_applied(session).await?;
    Ok((rows, journal::last_applied(session).await?))
}

/// Adds what one file's tables say; returns the places of what needs no further run there.
fn add(
    snapshot: &mut TenantSnapshot,
    (rows, last): (Vec<AppliedRecord>, i64),
    is_tenant: bool,
) -> BTreeSet<usize> {
    snapshot.last_applied = snapshot.last_applied.max(last);
    let mut had = BTreeSet::new();
    for record in rows {
        let Some(place) = snapshot.place_of(record.source) else {
            continue;
        };
        let Some(file) = snapshot.files.get_mut(place) else {
            continue;
        };
        if record.is_script || file.kind().is_for_tenants() != is_tenant {
            continue;
        }
        note(
            file,
            record.state,
            1,
            record.migrated_at,
            record.finalized_at,
        );
        if record.state != StepState::Started {
            had.insert(place);
        }
        if record.state != StepState::Finalized {
            snapshot.unfinalized.push(record);
        }
    }
    had
}

#[cfg(test)]
impl TenantSnapshot {
    /// These files, numbered from 1, and these tenants, of whom nothing is known yet.
    pub(super) fn of(files: &[(&str, SourceKind)], tenants: &[&str]) -> Self {
        let file = |(index, (key, kind)): (u64, &(&str, SourceKind))| File {
            source: SourceFile {
                key: (*key).to_owned(),
                directory: String::new(),
                file_name: (*key).to_owned(),
                kind: *kind,
                form: crate::catalog::StepKind::Sql,
                path: Default::default(),
                undo: None,
                metadata: None,
                version: None,
            },
            digest: String::new(),
            index,
            id: i64::try_from(index).ok(),
            applied_digest: None,
            applied: 0,
            finalized: 0,
            started: 0,
            migrated_at: None,
            finalized_at: None,
        };
        Self {
            files: (1..).zip(files).map(file).collect(),
            places: (1..).zip(0..files.len()).collect(),
            tenants: tenants.iter().map(|name| (*name).to_owned()).collect(),
            missing: vec![Missing::Nobody; files.len()],
            unfinalized: Vec::new(),
            last_run: None,
            failed_before: None,
            pause: None,
            lease: None,
            last_applied: 0,
            tallies: Vec::new(),
            had_by_new: BTreeSet::new(),
            place: TenantPlace::Schema,
        }
    }
}
