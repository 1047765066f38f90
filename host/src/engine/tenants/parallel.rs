//! Tenants beside each other, each file in a transaction of its own.
//!
//! A few workers, each on a thread and a session of its own, take one tenant after the other. A tenant that fails is left
//! where it is, and the others continue. What is for the target itself runs alone, when all before it is done. The finalize of
//! one tenant's files, and their reset, are one transaction.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::FileFailure;
use super::context::TenancyContext;
use super::failed::{cancelled, outcome_of, outcome_of_refusal};
use super::phases::pass_the_gate;
use super::shared::{Shared, lock};
use super::waiting::{not_wanted, waits};
use super::work::{Schedule, Task, Waiting, Wave};
use super::worker::Worker;
use crate::database::Session;
use crate::engine::failure::{Blame, Failure};
use crate::engine::run_output::RunOutput;
use crate::engine::supervisor::on_this_thread;
use crate::journal::{Lease, Outcome, Phase};

/// How a run goes from tenant to tenant.
pub(super) struct ParallelOptions<'m> {
    pub(super) workers: usize,
    pub(super) canaries: &'m [String],
    pub(super) stop_after: Option<usize>,
}

/// Runs a schedule, and ends the run.
pub(super) async fn run(
    tenancy: &TenancyContext<'_>,
    session: Box<dyn Session>,
    options: &ParallelOptions<'_>,
    schedule: &Schedule,
    lease: &Lease,
    output: &Arc<RunOutput>,
) -> Result<(), (Outcome, FileFailure)> {
    let shared = Shared {
        tenancy,
        lease,
        schedule,
        committed: Mutex::default(),
        failed: Mutex::default(),
        unwritten: Mutex::default(),
        failures: AtomicUsize::new(0),
        stop_after: options.stop_after,
        parts: AtomicU32::new(1),
        over: Mutex::default(),
    };
    let mut target = Worker {
        shared: &shared,
        stop: tenancy.stop.clone(),
        output: Arc::clone(output),
        session: Some(session),
        lease: lease.clone(),
        part: None,
        is_certain: true,
        looked_for_pause_at: None,
        said_before: 0,
    };
    let mut why_over = waves(&shared, &mut target, options, &schedule.first).await;
    let mut not_finalized = None;
    let is_over = why_over.is_some() || tenancy.stop.is_cancelled();
    if !is_over && shared.has_anything_to_finalize() {
        match begin_finalize(&shared, &mut target).await {
            Ok(()) => why_over = waves(&shared, &mut target, options, &schedule.finalize).await,
            Err(failure) => not_finalized = Some(failure),
        }
    }
    if not_finalized.is_some() {
        why_over = why_over.or(Some("and nothing was finalized".to_owned()));
    }
    let failed = shared.summary(why_over.as_deref());
    let waiting = schedule.waiting.as_ref();
    let waiting = waiting.map(|waiting| not_wanted(&in_words(tenancy, waiting)));
    let (outcome, failure) = match (shared.why_over(), &failed, not_finalized) {
        (Some(why), _, _) => (Outcome::Failed, Some(why)),
        (None, Some((_, failure)), _) => (outcome_of(failure), Some(failure.clone())),
        (None, None, Some(failure)) if lock(&shared.committed).is_empty() => {
            (outcome_of_refusal(&failure), Some(failure))
        }
        (None, None, Some(failure)) => (outcome_of(&failure), Some(failure)),
        (None, None, None) if tenancy.stop.is_cancelled() => {
            (Outcome::Cancelled, Some(cancelled()))
        }
        (None, None, None) => match waiting {
            Some(why) => (
                Outcome::Failed,
                Some(Failure::new("failed", Blame::Operator, why)),
            ),
            None => (Outcome::Done, None),
        },
    };
    if outcome == Outcome::Failed && shared.failed_only_before_the_finalize() {
        // What failed is what counts: these tenants are to be migrated again.
        if let Err(failure) = target.enter_phase(Phase::Migrate).await {
            tracing::warn!(
                "the phase of run {} could not be written down: {failure}",
                lease.run
            );
        }
    }
    if outcome != Outcome::Done {
        tenancy.discard_made().await;
    }
    let (outcome, failure) = target.end_run(outcome, failure).await;
    match (failed, failure) {
        (_, None) => Ok(()),
        (Some((task, of_task)), Some(failure)) if of_task == failure => {
            Err((outcome, tenancy.file_failure(&task, failure)))
        }
        (_, Some(failure)) => Err((outcome, tenancy.unnamed(failure))),
    }
}

/// Asks the gate, and then says that the run finalizes.
async fn begin_finalize(shared: &Shared<'_>, target: &mut Worker<'_>) -> Result<(), Failure> {
    pass_the_gate(shared.tenancy, shared.schedule, shared.lease).await?;
    if shared.schedule.only_finalizes() {
        return Ok(());
    }
    target.enter_phase(Phase::Finalize).await
}

/// Runs some waves; returns why no further one may begin, when that is so.
async fn waves(
    shared: &Shared<'_>,
    target: &mut Worker<'_>,
    options: &ParallelOptions<'_>,
    waves: &[Wave],
) -> Option<String> {
    for (number, wave) in waves.iter().enumerate() {
        let failed = shared.failed_tenants();
        if let Some(waiting) = waits(waves, number, |task| failed.contains(&task.tenant)) {
            return Some(in_words(shared.tenancy, &waiting));
        }
        let is_for_tenants = wave.first().is_some_and(|task| task.tenant.is_some());
        let why_over = match is_for_tenants {
            true => tenants(shared, target, options, wave).await,
            false => target.tenant(wave).await.err().map(|failed| {
                shared.fail(failed);
                "a file for the target itself failed"
            }),
        };
        let why_over = why_over.map(str::to_owned);
        if why_over.is_some() || shared.tenancy.stop.is_cancelled() {
            return why_over;
        }
        // Later waves need what this one has committed.
        if let Err(failure) = target.make_certain().await {
            shared.end(failure);
        }
        if shared.why_over().is_some() {
            return Some("the database was lost".to_owned());
        }
    }
    None
}

/// For whom a file for the target itself waits.
fn in_words(tenancy: &TenancyContext<'_>, waiting: &Waiting) -> String {
    let file = tenancy.files.get(waiting.file);
    let key = file.map_or("", |file| &*file.source.key);
    waiting.in_words(key, |tenant| {
        let tenant = tenancy.tenants.get(tenant);
        tenant.map(|tenant| &*tenant.name)
    })
}

/// Runs the files of many tenants; returns why no further tenant may begin, when that is so.
async fn tenants(
    shared: &Shared<'_>,
    target: &mut Worker<'_>,
    options: &ParallelOptions<'_>,
    wave: &Wave,
) -> Option<&'static str> {
    let tenancy = shared.tenancy;
    let failed = shared.failed_tenants();
    let mut tasks: BTreeMap<Option<usize>, Vec<Task>> = BTreeMap::new();
    for task in wave.iter().filter(|task| !failed.contains(&task.tenant)) {
        tasks.entry(task.tenant).or_default().push(task.clone());
    }
    let is_canary = |tasks: &Vec<Task>| {
        let tenant = tasks.first().and_then(|task| tenancy.tenant(task));
        tenant.is_some_and(|tenant| options.canaries.contains(&tenant.name))
    };
    let (canaries, others): (Vec<_>, Vec<_>) = tasks.into_values().partition(is_canary);
    for (queue, are_canaries) in [(canaries, true), (others, false)] {
        if queue.is_empty() {
            continue;
        }
        let workers = options.workers.clamp(1, queue.len());
        let queue = Mutex::new(VecDeque::from(queue));
        let outputs = target.outputs_of(workers).await;
        std::thread::scope(|scope| {
            for output in &outputs {
                scope.spawn(|| work(shared, &queue, Arc::clone(output), are_canaries));
            }
        });
        target.keep_output(&outputs).await;
        if are_canaries && shared.failures.load(Ordering::Relaxed) > 0 {
            return Some("a canary failed, so that no other tenant was started");
        }
        if shared.is_enough() {
            return Some("so many failed that the run stopped there");
        }
        if tenancy.stop.is_cancelled() {
            return None;
        }
        if shared.why_over().is_none() && !lock(&queue).is_empty() {
            let message = "no worker could start for some tenants";
            shared.end(Failure::new("host", Blame::Host, message));
        }
    }
    None
}

/// The life of one worker's thread.
fn work(
    shared: &Shared<'_>,
    queue: &Mutex<VecDeque<Vec<Task>>>,
    output: Arc<RunOutput>,
    are_canaries: bool,
) {
    let ended = on_this_thread(async {
        let mut worker = Worker {
            shared,
            stop: shared.tenancy.stop.child(),
            output,
            session: None,
            lease: shared.lease.clone(),
            part: Some(shared.parts.fetch_add(1, Ordering::Relaxed)),
            is_certain: true,
            looked_for_pause_at: None,
            said_before: 0,
        };
        loop {
            let is_over = shared.tenancy.stop.is_cancelled()
                || shared.why_over().is_some()
                || (!are_canaries && shared.is_enough());
            let next = lock(queue).pop_front();
            let Some(tasks) = next.filter(|_| !is_over) else {
                break;
            };
            if let Err(failed) = worker.tenant(&tasks).await {
                shared.fail(failed);
            }
            if !worker.writes_to_target() {
                worker.session = None;
                worker.is_certain = true;
            }
        }
        // What others have committed may be lost, too. Where nobody can look, the target's own session finds out.
        if let Err(failure) = worker.make_certain().await {
            tracing::warn!("what was committed is not known: {failure}");
        }
    });
    if let Err(error) = ended {
        tracing::warn!("a worker could not start: {error}");
    }
}
