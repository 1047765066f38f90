//! Traces: what a collector sees of a run.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use super::receiver::{Answers, Receiver};
use crate::hostile::component::{Component, sql};
use crate::place::Place;
use crate::service::process::Service;

fn traced(place: Place, collector: &Receiver) -> Place {
    let endpoint = collector.url().replace("/hook", "");
    place.with_variable("WASMIGRATE_TRACES_ENDPOINT", &endpoint)
}

/// All spans that came, the first begun first.
fn spans(collector: &Receiver) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in collector.received() {
        assert_eq!(request.path, "/v1/traces");
        assert_eq!(
            request.header("content-type"),
            Some("application/x-protobuf")
        );
        let export = ExportTraceServiceRequest::decode(&request.body[..]).unwrap();
        for resource in export.resource_spans {
            let of = resource.resource.unwrap().attributes;
            assert!(
                of.iter().any(|attribute| attribute.key == "service.name"),
                "{of:?}"
            );
            spans.extend(
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans),
            );
        }
    }
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

/// An attribute as text.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => text.clone(),
        AnyValue::IntValue(number) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    })
}

#[track_caller]
fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no span `{name}` in {spans:#?}"));
    assert!(found.next().is_none(), "two spans `{name}`");
    span
}

/// Demands that a span lies in another, in the tree and in time.
#[track_caller]
fn lies_in(inner: &Span, outer: &Span) {
    assert_eq!(inner.trace_id, outer.trace_id, "{}", inner.name);
    assert_eq!(
        inner.parent_span_id, outer.span_id,
        "{} in {}",
        inner.name, outer.name
    );
    let times = [
        outer.start_time_unix_nano,
        inner.start_time_unix_nano,
        inner.end_time_unix_nano,
        outer.end_time_unix_nano,
    ];
    assert!(
        times.is_sorted(),
        "{} in {}: {times:?}",
        inner.name,
        outer.name
    );
}

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error)
}

#[test]
fn a_run_is_a_tree_of_steps_and_statements() {
    let collector = Receiver::new();
    let place = traced(Place::new(), &collector).with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\n-- The table.\nCREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\n-- wasmigrate:finalize\nDELETE FROM a;",
    );
    let step = Component::migrating(sql("INSERT INTO a VALUES (2)") + &sql("UPDATE a SET id = 3"));
    place.write_step("0002_b.wasm", &step.build());
    place.run(&["finalize"]).ends_with(0);
    let spans = spans(&collector);
    let run = named(&spans, "finalize");
    assert!(run.parent_span_id.is_empty());
    assert_eq!((run.trace_id.len(), run.span_id.len()), (16, 8));
    for (key, value) in [
        ("wasmigrate.run", "1"),
        ("wasmigrate.command", "finalize"),
        ("wasmigrate.outcome", "done"),
        ("wasmigrate.state", "finalized"),
    ] {
        assert_eq!(attribute(run, key).as_deref(), Some(value));
    }
    lies_in(named(&spans, "prepare"), run);
    for (step, statements) in [
        ("migrate 0001_a", &["CREATE", "INSERT"][..]),
        ("migrate 0002_b", &["INSERT", "UPDATE"]),
        ("finalize 0001_a", &["DELETE"]),
        ("finalize 0002_b", &[]),
    ] {
        let step = named(&spans, step);
        lies_in(step, run);
        let inside = spans
            .iter()
            .filter(|span| span.parent_span_id == step.span_id);
        let names: Vec<&str> = inside.clone().map(|span| span.name.as_str()).collect();
        assert_eq!(names, statements, "{}", step.name);
        inside.for_each(|statement| lies_in(statement, step));
        let count = statements.len().to_string();
        assert_eq!(attribute(step, "wasmigrate.statements"), Some(count));
    }
    let update = named(&spans, "UPDATE");
    assert_eq!(
        attribute(update, "db.query.text").as_deref(),
        Some("UPDATE a SET id = 3")
    );
    let system = Place::in_sql_of("sqlite", "postgresql");
    assert_eq!(attribute(update, "db.system.name").as_deref(), Some(system));
    assert!(!spans.iter().any(is_error), "{spans:#?}");
}

#[test]
fn what_failed_is_marked_in_each_try() {
    let collector = Receiver::new();
    let place = traced(Place::new(), &collector)
        .with_sql(
            "0001_a.sql",
            "CREATE TABLE a (id INTEGER);\nINSERT INTO nowhere VALUES (1);",
        )
        .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "2")
        .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "1");
    let mut service = Service::start(&place);
    let run = service.run("migrate");
    assert_eq!(service.outcome(run), "failed");
    // What is left to send is sent at the end.
    service.terminate();
    assert_eq!(
        service.ends_within(std::time::Duration::from_secs(20)),
        Some(0)
    );
    let spans = spans(&collector);
    let run = named(&spans, "migrate");
    assert!(is_error(run));
    assert!(
        run.status.as_ref().unwrap().message.contains("nowhere"),
        "{run:?}"
    );
    let tries: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name == "migrate 0001_a")
        .collect();
    assert_eq!(tries.len(), 2);
    for (attempt, tried) in (1..).zip(tries) {
        lies_in(tried, run);
        assert!(is_error(tried));
        assert_eq!(
            attribute(tried, "wasmigrate.attempt"),
            Some(attempt.to_string())
        );
        let failed = spans
            .iter()
            .filter(|span| span.parent_span_id == tried.span_id && is_error(span));
        assert_eq!(
            failed.map(|span| span.name.as_str()).collect::<Vec<_>>(),
            ["INSERT"]
        );
    }
}

#[test]
fn a_flood_of_statements_is_counted_and_not_sent() {
    let collector = Receiver::new();
    let statements =
        "CREATE TABLE a (id INTEGER);\n".to_owned() + &"INSERT INTO a VALUES (1);\n".repeat(1_499);
    let place = traced(Place::new(), &collector).with_sql("0001_a.sql", &statements);
    place.run(&["migrate"]).ends_with(0);
    let spans = spans(&collector);
    let step = named(&spans, "migrate 0001_a");
    assert_eq!(
        attribute(step, "wasmigrate.statements").as_deref(),
        Some("1500")
    );
    let sent = spans
        .iter()
        .filter(|span| span.parent_span_id == step.span_id)
        .count();
    assert_eq!(sent, 1_000);
}

#[test]
fn a_collector_that_does_not_answer_delays_no_run() {
    let collector = Receiver::answering(|_| Answers::Never);
    let place =
        traced(Place::new(), &collector).with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER);");
    let service = Service::start(&place);
    service.does("migrate");
    collector.until_received(1);
    // It has the spans of the first run in its hands.
    service.does("finalize");
    assert_eq!(collector.received().len(), 1);
}
