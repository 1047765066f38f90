//! Gauges of one answer, and the units of what they show.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;

/// What tells the lines of a metric apart.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A gauge that shows a number.
pub(super) fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

/// Milliseconds as a gauge of seconds.
pub(super) fn seconds_gauge(milliseconds: i64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::default();
    gauge.set(seconds(milliseconds));
    gauge
}

/// Milliseconds as seconds.
#[allow(
    clippy::cast_precision_loss,
    reason = "times of this century in milliseconds have 41 bits"
)]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}
