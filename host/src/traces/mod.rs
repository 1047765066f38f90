//! Traces: each run as spans of OpenTelemetry, run → step → statement, sent by OTLP over HTTP.
//! <https://opentelemetry.io/docs/specs/otlp/>
//!
//! [`Traces`] hears every event of a run. Spans are collected and sent on a thread of the library's own; those that nobody
//! takes are dropped, and a run never waits. Beside the database, this is the only place that knows how long a statement took,
//! and nothing is measured unless it is there.

mod client;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{
    EnvResourceDetector, SdkProvidedResourceDetector, TelemetryResourceDetector,
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use crate::database::Kind;
use crate::engine::{Event, Observer, Statement};
use crate::journal::{self, Outcome};
use client::Client;

/// How many statements of one try at a step become spans. More are counted: a loop over a million rows must not flood a collector.
const MOST_STATEMENTS: u64 = 1_000;

/// How much of a statement is shown.
const STATEMENT_BYTES: usize = 8 << 10;

/// Sends the spans of runs.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    target: String,
    /// As OpenTelemetry calls the database.
    system: &'static str,
    open: Mutex<Option<OpenRun>>,
}

/// The spans that are open.
struct OpenRun {
    run: Span,
    prepare: Option<Span>,
    step: Option<OpenStep>,
    /// Those of steps that have run in the open transaction, with when that was.
    uncommitted: Vec<(String, Span, SystemTime)>,
}

struct OpenStep {
    span: Span,
    statements: u64,
}

impl Traces {
    /// Sends to `endpoint`, such as `http://127.0.0.1:4318/v1/traces`.
    pub fn start(endpoint: &str, target: &str, kind: Kind) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_endpoint(endpoint)
            .build()?;
        let host = journal::holder();
        let machine = host.split(':').next().unwrap_or_default().to_owned();
        // Those of the environment come last, and win.
        let named_elsewhere = EnvResourceDetector::new();
        let named = SdkProvidedResourceDetector;
        let is_named = std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
        let resource = Resource::builder_empty()
            .with_service_name("wasmigrate")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", host),
                KeyValue::new("host.name", machine),
            ])
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_detector(Box::new(named_elsewhere));
        let resource = match is_named {
            true => resource.with_detector(Box::new(named)),
            false => resource,
        };
        let resource = resource.build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("wasmigrate"),
            provider,
            target: target.to_owned(),
            system: kind.system_name(),
            open: Mutex::default(),
        })
    }

    /// Sends what is left, but takes no longer than `limit`.
    pub fn finish(&self, limit: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(limit) {
            tracing::warn!(%error, "traces were not delivered");
        }
    }

    fn begin(
        &self,
        name: String,
        kind: SpanKind,
        parent: Option<&Span>,
        began: SystemTime,
        attributes: Vec<KeyValue>,
    ) -> Span {
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.span_context().clone()),
            None => Context::new(),
        };
        SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(began)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &context)
    }

    fn lock(&self) -> MutexGuard<'_, Option<OpenRun>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStep {
    /// The span, about to end.
    fn closed(self) -> Span {
        let mut span = self.span;
        span.set_attribute(KeyValue::new(
            "wasmigrate.statements",
            integer(self.statements),
        ));
        span
    }
}

impl OpenRun {
    /// The work of the step is done, and its transaction is open.
    fn step_ran(&mut self, label: &str, at: SystemTime) {
        if let Some(step) = self.step.take() {
            self.uncommitted.push((label.to_owned(), step.closed(), at));
        }
    }

    fn step_ended(&mut self, label: &str, outcome: Outcome) {
        let is_it = |(step, ..): &(String, Span, SystemTime)| step == label;
        match self.uncommitted.iter().position(is_it) {
            Some(place) => {
                let (_, mut span, at) = self.uncommitted.remove(place);
                end_with(&mut span, outcome, None);
                span.end_with_timestamp(at);
            }
            None => self.end_step(Some(outcome), None),
        }
    }

    fn end_step(&mut self, outcome: Option<Outcome>, message: Option<&str>) {
        let Some(step) = self.step.take() else {
            return;
        };
        let mut span = step.closed();
        if let Some(outcome) = outcome {
            end_with(&mut span, outcome, message);
        } else {
            span.set_status(Status::error(message.unwrap_or_default().to_owned()));
        }
        span.end();
    }
}

impl Observer for Traces {
    fn notify(&self, event: &Event) {
        let mut guard = self.lock();
        let now = SystemTime::now();
        if let Event::RunStarted { run, command, .. } = event {
            let attributes = vec![
                KeyValue::new("wasmigrate.run", *run),
                KeyValue::new("wasmigrate.command", command.clone()),
                KeyValue::new("wasmigrate.target", self.target.clone()),
            ];
            let span = self.begin(command.clone(), SpanKind::Internal, None, now, attributes);
            let prepare = self.begin(
                "prepare".to_owned(),
                SpanKind::Internal,
                Some(&span),
                now,
                Vec::new(),
            );
            *guard = Some(OpenRun {
                run: span,
                prepare: Some(prepare),
                step: None,
                uncommitted: Vec::new(),
            });
            return;
        }
        let Some(open) = guard.as_mut() else { return };
        match event {
            Event::Prepared { .. } => drop(open.prepare.take()),
            Event::StepStarted {
                step,
                phase,
                attempt,
                ..
            } => {
                // Of a finalize, nothing is prepared when its steps were before.
                drop(open.prepare.take());
                open.end_step(None, None);
                let attributes = vec![
                    KeyValue::new("wasmigrate.step", step.clone()),
                    KeyValue::new("wasmigrate.phase", phase.as_str()),
                    KeyValue::new("wasmigrate.attempt", i64::from(*attempt)),
                ];
                let name = format!("{} {step}", phase.as_str());
                open.step = Some(OpenStep {
                    span: self.begin(name, SpanKind::Internal, Some(&open.run), now, attributes),
                    statements: 0,
                });
            }
            Event::StepRan { step, .. } => open.step_ran(step, now),
            Event::StepEnded { step, outcome, .. } => open.step_ended(step, *outcome),
            Event::Retrying { message, .. } => open.end_step(None, Some(message)),
            Event::RunEnded {
                outcome,
                state,
                failure,
                ..
            } => {
                let message = failure.as_ref().map(|failure| failure.message.clone());
                drop(open.prepare.take());
                open.end_step(None, message.as_deref());
                if let Some(state) = state {
                    let state = KeyValue::new("wasmigrate.state", state.as_str());
                    open.run.set_attribute(state);
                }
                end_with(&mut open.run, *outcome, message.as_deref());
                open.run.end();
                *guard = None;
            }
            _ => {}
        }
    }

    fn hears_statements(&self) -> bool {
        true
    }

    fn statement(&self, statement: &Statement<'_>) {
        let mut guard = self.lock();
        let Some(open) = guard.as_mut() else { return };
        let parent = match (&mut open.step, &open.prepare) {
            (Some(step), _) => {
                step.statements += 1;
                if step.statements > MOST_STATEMENTS {
                    return;
                }
                &step.span
            }
            (None, Some(prepare)) => prepare,
            (None, None) => &open.run,
        };
        let operation = operation(statement.text);
        let end = statement.text.floor_char_boundary(STATEMENT_BYTES);
        let text = statement.text.get(..end).unwrap_or_default();
        let attributes = vec![
            KeyValue::new("db.system.name", self.system),
            KeyValue::new("db.operation.name", operation.clone()),
            KeyValue::new("db.query.text", text.to_owned()),
        ];
        let mut span = self.begin(
            operation,
            SpanKind::Client,
            Some(parent),
            statement.began,
            attributes,
        );
        if statement.is_failed {
            span.set_status(Status::error("the database did not accept it"));
        }
        span.end();
    }
}

fn end_with(span: &mut Span, outcome: Outcome, message: Option<&str>) {
    span.set_attribute(KeyValue::new("wasmigrate.outcome", outcome.as_str()));
    if outcome != Outcome::Done {
        let message = message.unwrap_or(outcome.as_str());
        span.set_status(Status::error(message.to_owned()));
    }
}

/// The first word of a statement after its comments, in capitals.
fn operation(statement: &str) -> String {
    statement
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("--"))
        .flat_map(str::split_whitespace)
        .next()
        .unwrap_or("statement")
        .trim_end_matches(';')
        .to_ascii_uppercase()
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
