//! `/metrics`, for Prometheus: <https://prometheus.io/docs/specs/om/open_metrics_spec/>

mod drift;
mod gauges;
mod standing;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Service;
use crate::catalog::step_label;
use crate::engine::{HistoryEntry, Overview, Pace, Progress, State as TargetState};
use drift::Drift;
use gauges::{Labels, gauge, seconds, seconds_gauge};

/// The bounds of the buckets of the time that answers take, in seconds.
const BUCKETS: [f64; 10] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0,
];

/// All states, so that each has its line, one of which is 1.
const STATES: [TargetState; 8] = [
    TargetState::MigrationRequired,
    TargetState::MigrationPreparing,
    TargetState::MigrationRunning,
    TargetState::MigrationFailed,
    TargetState::FinalizationRequired,
    TargetState::FinalizationRunning,
    TargetState::FinalizationFailed,
    TargetState::Finalized,
];

/// What is counted while the service runs.
pub(super) struct Metrics {
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    drift: Drift,
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            requests: Family::default(),
            seconds: Histogram::new(BUCKETS),
            drift: Drift::default(),
        }
    }

    pub(super) fn request(&self, status: StatusCode, took: Duration) {
        let labels = vec![("status", status.as_u16().to_string())];
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/metrics", get(metrics))
}

#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, content_type = "application/openmetrics-text", description = "Metrics for Prometheus")))]
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let mut registry = Registry::with_prefix("wasmigrate");
    let metrics = &service.metrics;
    registry.register(
        "http_requests",
        "Requests answered",
        metrics.requests.clone(),
    );
    registry.register(
        "http_request_seconds",
        "Time until the answer began",
        metrics.seconds.clone(),
    );
    registry.register(
        "notices",
        "Notices, by receiver and by what became of them",
        service.settings.notifications.clone(),
    );
    let build = Family::<Labels, Gauge>::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    build.get_or_create(&vec![("version", version)]).set(1);
    registry.register("build_info", "The version of this host", build);
    let up = Gauge::<i64>::default();
    registry.register("target_up", "Whether the target can be read", up.clone());
    let known = async {
        let overview = service.supervisor.glance().await?;
        let last = service
            .supervisor
            .ask(async |engine| engine.history(i64::MAX, 1, false).await)
            .await?;
        Ok::<_, crate::engine::RunError>((overview, last))
    };
    if let Ok((overview, last)) = known.await {
        up.set(1);
        register_target(&mut registry, &overview);
        standing::register(&mut registry, &overview);
        register_run(&mut registry, &overview, last.first());
        let run = last.first().map(|entry| entry.run.id);
        let is_running = overview.state.is_running();
        metrics
            .drift
            .register(&mut registry, &service.supervisor, run, is_running);
        if let Some(pace) = service.supervisor.live().and_then(|live| live.pace()) {
            register_pace(&mut registry, &pace);
        }
    }
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn register_target(registry: &mut Registry, overview: &Overview) {
    let state = Family::<Labels, Gauge>::default();
    for candidate in STATES {
        let labels = vec![("state", candidate.as_str().to_owned())];
        state
            .get_or_create(&labels)
            .set(i64::from(candidate == overview.state));
    }
    registry.register("state", "1 for the state of the target", state);
    let steps = Family::<Labels, Gauge>::default();
    for progress in [
        Progress::Pending,
        Progress::Started,
        Progress::Migrated,
        Progress::Finalized,
    ] {
        let count = overview
            .steps
            .iter()
            .filter(|step| step.progress == progress)
            .count();
        let labels = vec![("progress", progress.as_str().to_owned())];
        steps
            .get_or_create(&labels)
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("steps", "Steps, by how far they are", steps);
    let held = Gauge::<i64>::default();
    held.set(i64::from(overview.lease.is_some()));
    registry.register("lease_held", "Whether a host works on the target", held);
    if let Some(lease) = &overview.lease {
        // In one long transaction on a SQLite file a host cannot renew it.
        let is_hidden = overview.target.starts_with("sqlite") && lease.is_known_alive();
        let age = match is_hidden {
            true => 0,
            false => crate::journal::now() - lease.renewed_at,
        };
        registry.register(
            "lease_age_seconds",
            "Time since the lease was renewed",
            seconds_gauge(age),
        );
    }
}

fn register_run(registry: &mut Registry, overview: &Overview, run: Option<&HistoryEntry>) {
    if let Some(rows) = overview.rows {
        registry.register(
            "rows_expected",
            "Rows that the run announced",
            gauge(i64::try_from(rows.expected).unwrap_or(i64::MAX)),
        );
    }
    let Some(HistoryEntry { run, attempts, .. }) = run else {
        return;
    };
    let ended_at = run.ended_at.unwrap_or_else(crate::journal::now);
    let elapsed = seconds(ended_at - run.started_at);
    if let Some(rows) = overview.rows.filter(|_| elapsed > 0.0) {
        let rate = Gauge::<f64, AtomicU64>::default();
        // Rates need no more than 53 bits.
        #[allow(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
        rate.set(rows.done as f64 / elapsed);
        registry.register("rows_per_second", "Rows a second since the run began", rate);
    }
    let steps = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for attempt in attempts {
        let labels = vec![
            ("step", step_label(attempt.index, &attempt.name)),
            ("phase", attempt.phase.as_str().to_owned()),
            ("outcome", attempt.outcome.as_str().to_owned()),
        ];
        steps
            .get_or_create(&labels)
            .set(seconds(attempt.ended_at - attempt.started_at));
    }
    registry.register(
        "step_seconds",
        "How long each step of the newest run took",
        steps,
    );
}

/// How fast the transformation goes that runs in this process.
fn register_pace(registry: &mut Registry, pace: &Pace) {
    for (name, help, value) in [
        (
            "transform_chunk_rows",
            "Rows in a chunk of the transformation that runs",
            pace.chunk_rows,
        ),
        (
            "transform_captured_rows",
            "Changes of the application that wait to be transformed anew",
            pace.captured_rows,
        ),
    ] {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        registry.register(name, help, gauge(value));
    }
    let rate = Gauge::<f64, AtomicU64>::default();
    rate.set(pace.rows_per_second);
    registry.register(
        "transform_rows_per_second",
        "Rows of the transformation that runs, in its last second",
        rate,
    );
    if let Some(lag) = pace.replica_lag_seconds {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(lag);
        registry.register(
            "transform_replica_lag_seconds",
            "How far the slowest replica is behind",
            gauge,
        );
    }
    if let Some((best, worst)) = pace.seconds_left {
        let left = Family::<Labels, Gauge>::default();
        for (bound, seconds) in [("best", best), ("worst", worst)] {
            left.get_or_create(&vec![("bound", bound.to_owned())])
                .set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        registry.register(
            "transform_seconds_left",
            "How long the transformation will take yet, as its rates have it",
            left,
        );
    }
}
