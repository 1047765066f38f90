//! Where the target stands, beyond its state and its steps: what holds it up, what is wrong with it, and how its tenants are.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::gauges::{Labels, gauge, seconds, seconds_gauge};
use crate::engine::{Overview, Running, Unit};
use crate::journal::now;

/// Registers it.
pub(super) fn register(registry: &mut Registry, overview: &Overview) {
    let info = Family::<Labels, Gauge>::default();
    let name = database_of(&overview.target);
    info.get_or_create(&vec![("target", name.to_owned())])
        .set(1);
    registry.register("target_info", "The database that is migrated", info);
    let pause = overview.pause.as_ref();
    let is_paused = pause.is_some_and(|pause| pause.requested_by.is_some());
    registry.register(
        "paused",
        "Whether an operator has paused the run",
        gauge(i64::from(is_paused)),
    );
    let waits =
        pause.is_some_and(|pause| pause.requested_by.is_none() && pause.waits_for.is_some());
    registry.register(
        "waiting",
        "Whether the run waits for something else, such as a replica",
        gauge(i64::from(waits)),
    );
    let bad_rows = overview.steps.iter().map(|step| step.bad_rows);
    registry.register(
        "bad_rows",
        "Rows that transformations have set aside and that wait for somebody",
        gauge(bad_rows.sum()),
    );
    let count = |length: usize| gauge(i64::try_from(length).unwrap_or(i64::MAX));
    registry.register(
        "problems",
        "What does not fit between the files and the journal: every command is refused while there is any",
        count(overview.problems.len()),
    );
    registry.register(
        "files_ignored",
        "Files among the steps that are none",
        count(overview.ignored.len()),
    );
    if let Some(tenants) = overview.tenants {
        let family = Family::<Labels, Gauge>::default();
        for (state, count) in [
            ("up_to_date", tenants.up_to_date),
            ("behind", tenants.behind),
            ("failed", tenants.failed),
        ] {
            family
                .get_or_create(&vec![("state", state.to_owned())])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register(
            "tenants",
            "Tenants; those that failed in the newest run are behind, too",
            family,
        );
    }
    if overview.state.is_running()
        && let Some(run) = &overview.last_run
    {
        registry.register(
            "run_seconds",
            "How long the run has been going on",
            seconds_gauge(now() - run.started_at),
        );
    }
    register_rows(registry, overview);
}

/// The rows of the steps of a run that goes on, whether these were counted before or not.
fn register_rows(registry: &mut Registry, overview: &Overview) {
    if !overview.state.is_running() {
        return;
    }
    let committed = overview.steps.iter().filter_map(|step| step.rows_done);
    let running = overview.running.as_ref();
    let done = match (running, overview.rows) {
        (Some(running), _) => running.rows,
        (None, Some(rows)) => rows.done,
        (None, None) => u64::try_from(committed.sum::<i64>()).unwrap_or(0),
    };
    registry.register(
        "rows_done",
        "Rows that the run is done with",
        gauge(i64::try_from(done).unwrap_or(i64::MAX)),
    );
    if let Some(running) = running {
        register_step(registry, running);
    }
}

/// The step that runs in this process.
fn register_step(registry: &mut Registry, running: &Running) {
    let Some(step) = &running.step else { return };
    let labels = vec![
        ("step", step.step.clone()),
        ("phase", step.phase.as_str().to_owned()),
    ];
    let family = Family::<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    family
        .get_or_create(&labels)
        .set(seconds(now() - step.started_at));
    registry.register(
        "step_running_seconds",
        "How long the step that runs has been running",
        family,
    );
    if let Some(done) = step.done {
        let unit = match step.unit {
            Unit::Rows => "rows",
            Unit::Bytes => "bytes",
        };
        let labels = [labels, vec![("unit", unit.to_owned())]].concat();
        let family = Family::<Labels, Gauge>::default();
        family
            .get_or_create(&labels)
            .set(i64::try_from(done).unwrap_or(i64::MAX));
        registry.register(
            "step_done",
            "How far the step that runs says it is, in rows or bytes",
            family,
        );
    }
}

/// The name of a target without its server, its user and its directory: anybody may read it here.
fn database_of(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    path.rsplit(['/', ':']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_named_without_its_place() {
        for (target, name) in [
            ("postgres://app@db.example:5433/shop", "shop"),
            ("postgres://app@db.example/shop?sslmode=require", "shop"),
            ("sqlite:/srv/data/app.db", "app.db"),
            ("sqlite:app.db", "app.db"),
        ] {
            assert_eq!(database_of(target), name);
        }
    }
}
