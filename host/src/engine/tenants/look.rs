//! The look at a target with tenants: what the journal says was applied for whom.
//!
//! A target of which all is up to date is read by one grouped query. Only of a migration that some tenants have and
//! others lack are the tenants read one by one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::snapshot::{Comeback, File, Missing, TenantSnapshot, some};
use super::tenant_database::open_tenant;
use super::{RunError, SourceKind, TenancyOptions, due, gone, known, list, repeatable};
use crate::catalog::{Digests, SourceFile};
use crate::database::{Access, Session, Stop, TenantPlace};
use crate::engine::Engine;
use crate::journal::{self, AppliedRecord, SourceRecord, StepState, TenantTally};

/// Where the target and its tenants stand now.
pub(super) async fn current(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<TenantSnapshot, RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let digests = engine.remembered_digests();
    let snapshot = read(engine, options, digests, &mut *session).await;
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
        other_contents: repeatable::other_contents(&files, &sources),
        gone: gone::gone(&files, &sources, digests)?,
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
        last_reset: 0,
        known: BTreeSet::new(),
        unknown: Vec::new(),
        migrating_runs: BTreeSet::new(),
        tallies: Vec::new(),
        resets: BTreeMap::new(),
        had_by_new: BTreeSet::new(),
        comeback: Comeback::None,
        place: engine.database.capabilities().tenants,
    };
    if has_tenants {
        snapshot.last_reset = journal::last_reset(session).await?;
        match snapshot.place {
            TenantPlace::Schema => read_target(&mut snapshot, options, session).await?,
            TenantPlace::Database => {
                snapshot.known = known::read(session, &sources).await?;
                read_files(&mut snapshot, engine, session).await?;
            }
        }
        due::read(&mut snapshot, engine, &sources, session).await?;
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
        let record = match source.kind.runs_once() {
            false => records.find(|record| is_same(record).unwrap_or(false)),
            true => records.find(|record| {
                SourceKind::from_journal(&record.kind).is_some_and(SourceKind::runs_once)
            }),
        };
        let id = record.map(|record| record.id);
        // Other line ends make no other file.
        if let Some(record) = record.filter(|record| is_same(record).unwrap_or(false)) {
            digest.clone_from(&record.digest);
        }
        files.push(File {
            id,
            had_other_content: false,
            applied_digest: record.map(|record| record.digest.clone()),
            source,
            digest,
            index,
            applied: 0,
            finalized: 0,
            started: 0,
            had_by_removed: false,
            done_by_removed: false,
            begun_by_removed: false,
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
    let among = options.tenant_select.as_ref();
    let among = among.map(|_| snapshot.tenants.clone());
    let tallies = journal::count_by_source(session, among.as_deref()).await?;
    for tally in tallies {
        if let Some(file) = snapshot.file_of(tally.source) {
            note(
                file,
                tally.state,
                tally.tenants,
                tally.migrated_at,
                tally.finalized_at,
            );
        } else {
            snapshot.note_of_others(tally.source, tally.state, tally.tenants, tally.migrated_at);
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
    repeatable::read_target(snapshot, among.as_deref(), session).await?;
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
        // What is left of a tenant that is none any more, or of a file that is gone, waits for nothing.
        let tenants = &snapshot.tenants;
        let is_served = |name: &String| name.is_empty() || tenants.binary_search(name).is_ok();
        let is_here = |record: &AppliedRecord| {
            is_served(&record.tenant) && snapshot.place_of(record.source).is_some()
        };
        let unfinalized = journal::read_unfinalized(session).await?.into_iter();
        let unfinalized = unfinalized.filter(is_here).collect();
        snapshot.unfinalized = unfinalized;
    }
    note_of_removed(snapshot, session).await?;
    snapshot.last_applied = journal::last_applied(session).await?;
    Ok(())
}

/// Takes note of the files that have changed since they were applied for tenants that are none any more: what the journal says
/// they held is still true of these.
async fn note_of_removed(
    snapshot: &mut TenantSnapshot,
    session: &mut dyn Session,
) -> crate::database::Result<()> {
    let is_other = |file: &&File| {
        let has_changed = file.applied_digest.as_ref() != Some(&file.digest);
        file.kind().runs_once() && has_changed && file.applied == 0
    };
    let others: Vec<i64> = snapshot
        .files
        .iter()
        .filter(is_other)
        .filter_map(|file| file.id)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    for record in journal::read_applied_of(session, &others).await? {
        let is_served = snapshot.tenants.binary_search(&record.tenant).is_ok();
        if is_served || record.tenant.is_empty() {
            continue;
        }
        if let Some(file) = snapshot.file_of(record.source) {
            file.had_by_removed = true;
            match record.state {
                StepState::Started => file.begun_by_removed = true,
                StepState::Migrated | StepState::Finalized => file.done_by_removed = true,
            }
        }
    }
    Ok(())
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
    let own = read_own(session, snapshot.last_reset).await?;
    let had = add(snapshot, (own.rows, own.last), false);
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
        let is_known = snapshot.known.contains(&tenant);
        if is_known {
            known::refuse_gone(engine, &tenant)?;
        }
        let own = read_tenant(engine, &tenant, snapshot.last_reset).await?;
        if is_known && own.rows.is_empty() {
            known::refuse_another(engine, &tenant).await?;
        }
        if own.last > 0 && !is_known {
            snapshot.unknown.push(tenant.clone());
        }
        let migrated_by = own
            .rows
            .iter()
            .filter(|record| record.migrated_at.is_some());
        snapshot
            .migrating_runs
            .extend(migrated_by.map(|record| record.run));
        let migrated = |record: &&AppliedRecord| {
            record.state == StepState::Migrated && snapshot.is_known(record.source)
        };
        let when = |record: &AppliedRecord| record.finalized_at.or(record.migrated_at);
        let (unfinalized, applied_at) = (
            own.rows.iter().filter(migrated).count() as u64,
            own.rows.iter().filter_map(when).max(),
        );
        snapshot.resets.extend(own.resets);
        let had = add(snapshot, (own.rows, own.last), true);
        snapshot.tallies.push(TenantTally {
            tenant,
            unfinalized,
            applied_at,
        });
        for (place, (file, lacking)) in snapshot.files.iter().zip(&mut lacking).enumerate() {
            let is_wanted = file.kind().is_for_tenants() && !file.kind().is_script();
            if is_wanted && !had.contains(&place) {
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
        if file.kind().is_for_tenants() && !file.kind().is_script() {
            *missing = some(lacking);
        }
    }
    Ok(())
}

/// What one file's own tables say; nothing when it has none.
#[derive(Default)]
pub(super) struct OwnJournal {
    pub(super) rows: Vec<AppliedRecord>,
    /// The last number in them.
    pub(super) last: i64,
    /// The last run that has reset something, by tenant.
    pub(super) resets: BTreeMap<String, i64>,
}

pub(super) async fn read_tenant(
    engine: &Engine,
    tenant: &str,
    last_reset: i64,
) -> Result<OwnJournal, RunError> {
    let Some(mut session) = open_tenant(engine, tenant).await? else {
        return Ok(OwnJournal::default());
    };
    let own = read_own(&mut *session, last_reset).await?;
    session.rollback().await?;
    Ok(own)
}

async fn read_own(
    session: &mut dyn Session,
    last_reset: i64,
) -> crate::database::Result<OwnJournal> {
    if !journal::has_tenants(session).await? {
        return Ok(OwnJournal::default());
    }
    let mut rows = journal::read_applied(session).await?;
    rows.extend(journal::read_repeated(session, None, last_reset).await?);
    Ok(OwnJournal {
        rows,
        last: journal::last_applied(session).await?,
        resets: journal::last_resets(session).await?,
    })
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
            snapshot.note_of_others(record.source, record.state, 1, record.migrated_at);
            continue;
        };
        let Some(file) = snapshot.files.get_mut(place) else {
            continue;
        };
        let is_script = record.is_script && !file.kind().is_repeatable();
        if is_script || file.kind().is_for_tenants() != is_tenant {
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
