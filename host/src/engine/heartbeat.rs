//! Keeps the lease alive while a run is busy elsewhere.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::database::{Access, Database, Durability, ErrorKind, Stop};
use crate::journal::{self, Fenced, Lease};

/// How often a run looks whether it was told to end, and how long a look may take.
const LOOK: Duration = Duration::from_secs(1);

/// A thread that renews the lease three times in its life. While a step's transaction holds a SQLite file's write lock
/// it cannot, and need not: nobody else can take the lease then either.
pub(super) struct Heartbeat {
    ended: Arc<(Mutex<bool>, Condvar)>,
    /// Ends a renewal that is under way.
    giving_up: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts renewing. When the lease turns out to be lost, `stop` ends the run: it could not commit anything any more.
    /// Where it `hears_cancels`, a word in the journal ends the run, too.
    pub(super) fn start(
        database: Arc<dyn Database>,
        lease: Lease,
        stop: Stop,
        hears_cancels: bool,
    ) -> Self {
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let ended_in_thread = Arc::clone(&ended);
        let giving_up = Stop::default();
        // A renewal that does not come through is made up for by the next one, and no news to anybody.
        giving_up.on_wait(Arc::new(|_| {}));
        let given_up = giving_up.clone();
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                let look = hears_cancels.then_some(LOOK);
                beat(&ended_in_thread, &*database, &lease, &stop, &given_up, look);
            })
            // Without the thread the lease is renewed by each commit alone.
            .ok();
        Self {
            ended,
            giving_up,
            thread,
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        *self.ended.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.1.notify_all();
        // The run has released the lease, or cannot.
        self.giving_up.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in there has nothing left to break.
            let _ = thread.join();
        }
    }
}

fn beat(
    ended: &(Mutex<bool>, Condvar),
    database: &dyn Database,
    lease: &Lease,
    stop: &Stop,
    given_up: &Stop,
    look: Option<Duration>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    let interval = lease.lasts / 3;
    let pause = look.map_or(interval, |look| look.min(interval));
    let mut renewed = Instant::now();
    while !wait(ended, pause) {
        // What cannot be looked at now is looked at with the next beat.
        let looked = look.map(|_| runtime.block_on(is_cancelled(database, lease, given_up)));
        if let Some(Ok(true)) = looked {
            stop.cancel();
        }
        if renewed.elapsed() < interval {
            continue;
        }
        renewed = Instant::now();
        match runtime.block_on(renew(database, lease, given_up)) {
            Err(error) if error.kind == ErrorKind::LeaseLost => {
                stop.cancel();
                return;
            }
            // Busy, most of the time: the next commit renews it, or the next beat.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Waits for the end of the run; false when the time was over first.
fn wait(ended: &(Mutex<bool>, Condvar), time: Duration) -> bool {
    let guard = ended.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (guard, _) = ended
        .1
        .wait_timeout_while(guard, time, |ended| !*ended)
        .unwrap_or_else(PoisonError::into_inner);
    *guard
}

/// Whether somebody has told the run to end, on whichever host.
async fn is_cancelled(
    database: &dyn Database,
    lease: &Lease,
    given_up: &Stop,
) -> crate::database::Result<bool> {
    let stop = given_up.child();
    stop.set_deadline(Some(LOOK));
    let mut session = database.open(Access::Read, &stop).await?;
    session.begin_read().await?;
    let is_cancelled = journal::is_cancel_requested(&mut *session, lease.run).await?;
    session.rollback().await?;
    Ok(is_cancelled)
}

async fn renew(
    database: &dyn Database,
    lease: &Lease,
    given_up: &Stop,
) -> crate::database::Result<()> {
    let stop = given_up.child();
    stop.set_deadline(Some(lease.lasts / 3));
    let mut session = database.open(Access::Write, &stop).await?;
    let fenced = Fenced::begin(&mut *session, lease, Durability::Deferred).await?;
    fenced.commit().await
}
