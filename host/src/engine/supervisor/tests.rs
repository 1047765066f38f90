//! Runs whose threads break down.

use std::path::Path;

use super::*;
use crate::catalog::Allowances;
use crate::database::{SessionLimits, Sqlite};
use crate::engine::{Command, Options, Replacement, Retries, State, TransformOptions};
use crate::sandbox::Limits;

/// Breaks down when a step starts, the first time.
#[derive(Default)]
struct Fragile(AtomicBool);

impl Observer for Fragile {
    fn notify(&self, event: &Event) {
        if matches!(event, Event::StepStarted { .. }) && !self.0.swap(true, Ordering::SeqCst) {
            panic!("too much for me");
        }
    }
}

fn engine(directory: &Path) -> Engine {
    let limits = SessionLimits {
        value_bytes: 1 << 20,
        lock_wait: Duration::from_secs(5),
        deadline: Duration::from_secs(60),
    };
    let options = Options {
        migrations: directory.join("migrations"),
        baselines: Some(u64::MAX),
        seeds: Default::default(),
        cache: directory.join("cache"),
        limits: Limits::default(),
        settings: Arc::default(),
        placeholders: false,
        retries: Retries::brief(1),
        lease: Duration::from_secs(15),
        allowances: Allowances::default(),
        wait: false,
        strict: false,
        last: None,
        transform: TransformOptions {
            workers: Some(1),
            chunk: Duration::from_millis(200),
            max_rows_per_second: None,
            max_replica_lag: None,
            on_bad_row: Default::default(),
            max_bad_rows: 0,
            native: None,
        },
        replacement: Replacement::default(),
        gate: None,
        tenancy: None,
        release: None,
        commander: crate::journal::Commander::of_this_process(),
        request: None,
        hears_cancels: false,
    };
    Engine::new(
        Arc::new(Sqlite::new(directory.join("target.db"), limits)),
        options,
    )
}

#[tokio::test]
async fn a_run_that_breaks_down_has_failed_and_the_next_may_begin() {
    let directory = tempfile::tempdir().unwrap();
    let migrations = directory.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    std::fs::write(
        migrations.join("0001_table.sql"),
        "-- wasmigrate:migrate\nCREATE TABLE made (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE made;\n",
    )
    .unwrap();
    let supervisor = Supervisor::new(engine(directory.path()), None, Arc::new(Fragile::default()));
    let (_, mut events) = supervisor.subscribe(0);
    let order = Order::new;
    let permit = |_: &Overview| Ok::<(), RunError>(());
    let started = supervisor.start(order(Command::Migrate), permit).await;
    let Ok(Started::Run(live)) = started else {
        panic!("{started:?}");
    };
    tokio::time::timeout(Duration::from_secs(60), live.ended())
        .await
        .unwrap();
    assert!(supervisor.live().is_none());
    let overview = supervisor.overview().await.unwrap();
    assert_eq!(overview.state, State::MigrationFailed);
    assert!(overview.lease.is_none());
    let failure = overview.failure.unwrap();
    assert_eq!(failure.blame, Blame::Host);
    assert!(failure.message.contains("too much for me"), "{failure}");
    let mut last = None;
    while let Ok(event) = events.try_recv() {
        last = Some(event);
    }
    assert!(matches!(
        *last.unwrap().event,
        Event::RunEnded {
            outcome: Outcome::Failed,
            ..
        }
    ));
    for command in [Command::Reset, Command::Migrate] {
        let started = supervisor.start(order(command), permit).await;
        if let Started::Run(live) = started.unwrap() {
            live.ended().await;
        }
    }
    let overview = supervisor.overview().await.unwrap();
    assert_eq!(overview.state, State::FinalizationRequired);
}
