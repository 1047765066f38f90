//! Where tenants stand, as those see it who ask about any target: each file is a step, whose number is its place in the
//! order.

use std::collections::BTreeMap;

use super::gone;
use super::look;
use super::snapshot::{File, GoneFile, TenantSnapshot};
use super::{RunError, SourceKind, TenancyOptions, TenantOverview, standing};
use crate::catalog::{self, Catalog, Digests, StepFile};
use crate::database::{Access, Session, Stop, TenantPlace};
use crate::engine::Engine;
use crate::engine::failure::Failure;
use crate::engine::glance::Look;
use crate::engine::open_run;
use crate::engine::overview::{
    Overview, Progress, Repeatable, StepOverview, StepTenants, TenantsSummary,
};
use crate::engine::state::{self, Command, State, Verdict};
use crate::journal::{self, LeaseRecord, TenantTally};

/// Where the target stands.
pub(in crate::engine) async fn overview(
    engine: &Engine,
    options: &TenancyOptions,
    look: Look,
) -> Result<Overview, RunError> {
    let snapshot = look::current(engine, options).await?;
    let is_at_work = |lease: &LeaseRecord| engine.seems_at_work(lease);
    let state = state_of(&snapshot, is_at_work);
    let lease = snapshot.lease.clone().filter(is_at_work);
    let mut problems: Vec<String> = problems(engine, &snapshot)
        .iter()
        .map(ToString::to_string)
        .collect();
    if look == Look::All {
        let new = snapshot.files.iter().filter(|file| file.applied == 0);
        let new: Vec<StepFile> = new.map(|file| file.source.as_step(file.index)).collect();
        problems.extend(engine.unfit(new.iter()));
    }
    let failure = failure_of(&snapshot);
    let commands = [Command::Migrate, Command::Finalize, Command::Reset]
        .into_iter()
        .filter(|command| is_possible(&snapshot, state, *command) && problems.is_empty())
        .collect();
    let failed = read(engine, async |session| {
        standing::failures(session, &snapshot).await
    });
    let failed = failed.await?;
    let lacking = snapshot.lacking(|_| true);
    let behind = lacking.iter().filter(|files| **files > 0).count() as u64;
    let is_up_to_date =
        |(name, files): &(&String, &u64)| **files == 0 && !failed.contains_key(*name);
    let up_to_date = snapshot
        .tenants
        .iter()
        .zip(&lacking)
        .filter(is_up_to_date)
        .count() as u64;
    let migrations = || snapshot.files.iter().filter(|file| file.kind().runs_once());
    let mut steps: Vec<StepOverview> = (0..)
        .zip(&snapshot.files)
        .map(|(place, file)| step(&snapshot, place, file))
        .collect();
    steps.extend(gone_repeatable(&snapshot));
    Ok(Overview {
        target: engine.target_name().to_owned(),
        source: None,
        source_warning: None,
        state,
        current_index: migrations()
            .zip(&steps)
            .filter(|(_, step)| step.progress == Progress::Finalized)
            .map(|(file, _)| file.index)
            .max()
            .unwrap_or(0),
        target_index: migrations().map(|file| file.index).max().unwrap_or(0),
        steps,
        baseline: None,
        ignored: Vec::new(),
        problems,
        rows: None,
        failure,
        standing_failure: snapshot
            .failed_before
            .as_ref()
            .filter(|_| state.is_failed())
            .and_then(|run| run.error.as_ref())
            .and_then(Failure::from_json),
        // A run whose host is gone waits for nothing.
        pause: snapshot.pause.clone().filter(|_| lease.is_some()),
        last_run: snapshot
            .last_run
            .clone()
            .map(|run| open_run::seen(run, lease.as_ref())),
        lease,
        commands,
        running: None,
        tenants: Some(TenantsSummary {
            tenants: snapshot.tenants.len() as u64,
            up_to_date,
            behind,
            failed: failed.len() as u64,
        }),
        repairs: Vec::new(),
    })
}

fn step(snapshot: &TenantSnapshot, place: usize, file: &File) -> StepOverview {
    let pending = snapshot.pending_of(place);
    let progress = match file.kind().is_script() {
        // It is never done: it runs again with whatever else does.
        true if (file.id.is_some()
            || file.kind().is_for_tenants() && snapshot.tenants.is_empty())
            && pending == 0
            && !snapshot.has_to_migrate() =>
        {
            Progress::Finalized
        }
        true => Progress::Pending,
        false if pending > 0 && file.started > 0 => Progress::Started,
        false if pending > 0 => Progress::Pending,
        false if file.finalized < file.applied => Progress::Migrated,
        false => Progress::Finalized,
    };
    StepOverview {
        index: file.index,
        name: file.source.key.clone(),
        kind: Some(file.source.form),
        progress,
        migrated_at: file.migrated_at,
        finalized_at: file.finalized_at,
        out_of_order: false,
        rows_done: None,
        bad_rows: 0,
        repeatable: file.kind().is_repeatable().then_some(match pending {
            0 => Repeatable::Applied,
            _ if file.had_other_content => Repeatable::Changed,
            _ => Repeatable::New,
        }),
        tenants: Some(StepTenants {
            kind: file.kind(),
            applied: file.applied,
            finalized: file.finalized,
            pending,
        }),
    }
}

/// The repeatable files that have run and are not there any more, each once whatever contents it had.
fn gone_repeatable(snapshot: &TenantSnapshot) -> impl Iterator<Item = StepOverview> {
    let mut gone: BTreeMap<&str, (SourceKind, u64, Option<i64>)> = BTreeMap::new();
    let repeatable = |file: &&GoneFile| file.kind.is_repeatable() && file.applied > 0;
    for file in snapshot.gone.values().filter(repeatable) {
        let noted = gone.entry(&*file.key).or_insert((file.kind, 0, None));
        noted.1 += file.applied;
        noted.2 = noted.2.max(file.applied_at);
    }
    let first = snapshot.files.len() as u64 + 1;
    (first..)
        .zip(gone)
        .map(|(index, (key, (kind, applied, at)))| StepOverview {
            index,
            name: key.to_owned(),
            kind: None,
            progress: Progress::Finalized,
            migrated_at: at,
            finalized_at: at,
            out_of_order: false,
            rows_done: None,
            bad_rows: 0,
            repeatable: Some(Repeatable::Gone),
            tenants: Some(StepTenants {
                kind,
                applied,
                finalized: applied,
                pending: 0,
            }),
        })
}

/// The state of the target.
pub(super) fn state_of(
    snapshot: &TenantSnapshot,
    is_at_work: impl Fn(&LeaseRecord) -> bool,
) -> State {
    let live = snapshot.lease.as_ref().is_some_and(is_at_work);
    let pending = snapshot.has_pending();
    let unfinalized = !snapshot.unfinalized.is_empty();
    let (last, failed) = (&snapshot.last_run, &snapshot.failed_before);
    let deciding = journal::deciding(last.as_ref(), failed.as_ref(), live);
    state::of_run(deciding, live, pending, unfinalized)
}

/// Whether a command would start a run. What failed left nothing that would have to be reset first.
fn is_possible(snapshot: &TenantSnapshot, state: State, command: Command) -> bool {
    match command {
        Command::Reset if snapshot.unfinalized.is_empty() => false,
        _ => matches!(
            state::command(state, command, snapshot.has_pending()),
            Verdict::Start(_)
        ),
    }
}

fn failure_of(snapshot: &TenantSnapshot) -> Option<Failure> {
    let error = snapshot.last_run.as_ref()?.error.as_ref()?;
    Failure::from_json(error)
}

/// What does not fit between the files and the journal.
pub(in crate::engine) fn problems(
    engine: &Engine,
    snapshot: &TenantSnapshot,
) -> Vec<catalog::Error> {
    let order = order_problem(engine, snapshot)
        .into_iter()
        .chain(gone::problems(engine, snapshot));
    if engine.options.allowances.changed {
        return order.collect();
    }
    changed(snapshot).chain(order).collect()
}

/// What is said of the files that have changed since they were applied or begun.
pub(super) fn changed(snapshot: &TenantSnapshot) -> impl Iterator<Item = catalog::Error> {
    snapshot.changed().map(|file| {
        let step = file.source.key.clone();
        let (before, now) = (
            file.applied_digest.clone().unwrap_or_default(),
            file.digest.clone(),
        );
        match file.is_half_done() {
            true => catalog::Error::ChangedBegun {
                step,
                begun: before,
                now,
            },
            false => catalog::Error::Changed {
                step,
                applied: before,
                now,
            },
        }
    })
}

/// What is not applied, and has another place for the tool that it is written for.
pub(super) fn order_problem(engine: &Engine, snapshot: &TenantSnapshot) -> Option<catalog::Error> {
    let sources = &engine.options.tenancy.as_ref()?.sources;
    let files = snapshot.files.iter();
    let files: Vec<_> = files.map(|file| (&file.source, file.applied > 0)).collect();
    sources.order_problem(&files)
}

/// How many migrations have the files that they were applied from, all of which are read, what does not fit, and the tenants.
pub(in crate::engine) async fn verify(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<(usize, Vec<catalog::Error>, Vec<String>), RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let snapshot = look::read(engine, options, &Digests::forgetful(), &mut *session).await?;
    session.rollback().await?;
    let applied = |file: &&File| file.kind().runs_once() && file.applied > 0;
    let verified = snapshot.files.iter().filter(applied).count();
    let problems = problems(engine, &snapshot);
    Ok((verified, problems, snapshot.tenants))
}

/// Where each tenant stands.
pub(in crate::engine) async fn tenants(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<Vec<TenantOverview>, RunError> {
    let snapshot = look::current(engine, options).await?;
    let for_tenants = |file: &&File| file.kind().is_for_tenants() && !file.kind().is_script();
    let files: Vec<&File> = snapshot.files.iter().filter(for_tenants).collect();
    let tallies: Vec<TenantTally> = match snapshot.place {
        TenantPlace::Database => snapshot.tallies.clone(),
        TenantPlace::Schema => {
            let ids: Vec<i64> = files.iter().filter_map(|file| file.id).collect();
            read(engine, async |session| {
                match journal::has_tenants(session).await? {
                    true => journal::count_by_tenant(session, &ids).await,
                    false => Ok(Vec::new()),
                }
            })
            .await?
        }
    };
    let tallies: BTreeMap<&str, &TenantTally> = tallies
        .iter()
        .map(|tally| (&*tally.tenant, tally))
        .collect();
    let failures = read(engine, async |session| {
        standing::reasons(session, &snapshot).await
    });
    let failures = failures.await?;
    let lacking = snapshot.lacking(|file| !file.kind().is_script());
    let lacking = lacking.into_iter().zip(snapshot.lacking(|_| true));
    let tenants = snapshot.tenants.iter().zip(lacking);
    let tenants = tenants.map(|(name, (lacking, pending))| {
        let tally = tallies.get(&**name);
        let applied = (files.len() as u64).saturating_sub(lacking);
        let unfinalized = tally.map_or(0, |tally| tally.unfinalized);
        TenantOverview {
            name: name.clone(),
            applied,
            pending,
            unfinalized,
            failure: failures.get(name).cloned(),
            applied_at: tally.and_then(|tally| tally.applied_at),
        }
    });
    Ok(tenants.collect())
}

async fn read<T>(
    engine: &Engine,
    question: impl AsyncFnOnce(&mut dyn Session) -> crate::database::Result<T>,
) -> Result<T, RunError> {
    let mut session = engine.database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let answer = question(&mut *session).await?;
    session.rollback().await?;
    Ok(answer)
}

/// The files as a catalog.
pub(in crate::engine) fn catalog(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<Catalog, RunError> {
    let files = options
        .sources
        .scan(engine.target_kind())
        .map_err(RunError::files)?;
    let steps = (1..)
        .zip(&files)
        .map(|(index, file)| (index, file.as_step(index)));
    Ok(Catalog {
        steps: steps.collect(),
        ..Catalog::default()
    })
}
