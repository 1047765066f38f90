//! Live events: nobody who listens, or comes back to listen, misses any.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::client::{self, Request};
use super::process::Service;
use super::{READY, gated, held_in, note};
use crate::hostile::component::{Component, must};

/// One client that listens.
pub struct Listener(BufReader<TcpStream>);

#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    id: String,
    kind: String,
    pub data: Value,
}

impl Heard {
    /// What an event of a run is about; of anything else, what kind it is.
    pub fn name(&self) -> &str {
        match self.kind.as_str() {
            "run" => self.data["event"].as_str().unwrap(),
            other => other,
        }
    }

    fn number(&self) -> u64 {
        self.id.rsplit_once('-').unwrap().1.parse().unwrap()
    }
}

impl Listener {
    pub fn new(service: &Service) -> Self {
        Self::open(service, &Request::get("/api/v1/events"))
    }

    /// Comes back after it has heard the event with this number.
    fn back(service: &Service, last: &str) -> Self {
        Self::open(
            service,
            &Request::get("/api/v1/events").with("Last-Event-ID", last),
        )
    }

    fn open(service: &Service, request: &Request) -> Self {
        let mut connection = client::connect(service.address()).unwrap();
        // The older version has no chunks, so that what comes is the stream alone.
        let text = String::from_utf8(request.bytes()).unwrap();
        let text = text.replace("HTTP/1.1", "HTTP/1.0");
        connection.write_all(text.as_bytes()).unwrap();
        let mut listener = Self(BufReader::new(connection));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(listener.0.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.contains(" 200 OK"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        // Proxies are asked to pass events on at once.
        assert!(head.contains("x-accel-buffering: no\r\n"), "{head}");
        assert!(
            head.contains("cache-control: no-store, no-cache, no-transform\r\n"),
            "{head}"
        );
        listener
    }

    pub fn next(&mut self) -> Heard {
        let (mut id, mut kind, mut data) = (String::new(), String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("id", text)) => text.clone_into(&mut id),
                Some(("event", text)) => text.clone_into(&mut kind),
                Some(("data", text)) => text.clone_into(&mut data),
                _ if data.is_empty() => {}
                _ => break,
            }
        }
        let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
        Heard { id, kind, data }
    }

    /// All up to the end of a run, that included.
    fn until_run_ended(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.next());
            if heard.last().unwrap().name() == "run_ended" {
                return heard;
            }
        }
    }
}

/// A step that tells of lines and rows, with a checkpoint between them.
fn talkative() -> Component {
    let progress =
        |done: u32| format!("(call $progress (i64.const {done}) (i32.const 1) (i64.const 3))");
    let line = |text: &str| format!("(call $output (i32.const 1) {{{{{text}}}}})");
    Component::migrating(
        progress(1)
            + &line("one")
            + &line("two")
            + &must("$checkpoint")
            + &line("three")
            + &progress(3),
    )
}

#[test]
fn events_come_in_order_behind_an_overview() {
    let place = gated();
    place.write_step("0002_talkative.wasm", &talkative().build());
    let service = Service::start(&place);
    let mut listener = Listener::new(&service);
    let overview = listener.next();
    assert_eq!(overview.name(), "overview");
    assert_eq!(overview.data["state"], "migration_required");
    assert_eq!(overview.data["steps"].as_array().unwrap().len(), 2);
    service.does("finalize");
    let heard = listener.until_run_ended();
    let numbers: Vec<u64> = heard.iter().map(Heard::number).collect();
    let first = overview.number() + 1;
    assert_eq!(
        numbers,
        (first..first + heard.len() as u64).collect::<Vec<_>>()
    );
    let told: Vec<String> = heard
        .iter()
        .filter(|event| event.name() != "loading")
        .map(|event| match event.name() {
            "output" => event.data["line"].as_str().unwrap().to_owned(),
            "progress" => format!("{} of {}", event.data["done"], event.data["total"]),
            "step_started" | "step_ran" | "step_ended" => format!(
                "{} {} {}",
                event.name(),
                event.data["step"].as_str().unwrap(),
                event.data["phase"].as_str().unwrap()
            ),
            name => name.to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "run_started",
            "prepared",
            "step_started 0001_first migrate",
            "first is done",
            "step_ended 0001_first migrate",
            "step_started 0002_talkative migrate",
            "1 of 3",
            "one",
            "two",
            "checkpoint",
            "three",
            "3 of 3",
            "step_ended 0002_talkative migrate",
            "step_started 0001_first finalize",
            "step_ran 0001_first finalize",
            "step_started 0002_talkative finalize",
            "step_ran 0002_talkative finalize",
            "step_ended 0001_first finalize",
            "step_ended 0002_talkative finalize",
            "run_ended",
        ]
    );
    assert_eq!(heard.last().unwrap().data["state"], "finalized");
}

#[test]
fn whoever_comes_back_hears_what_was_missed_and_nothing_else() {
    let place = gated();
    place.write_step("0002_talkative.wasm", &talkative().build());
    let service = Service::start(&place);
    let mut listener = Listener::new(&service);
    let overview = listener.next();
    service.does("migrate");
    let heard = listener.until_run_ended();
    for (position, last) in heard.iter().enumerate().step_by(3) {
        let mut back = Listener::back(&service, &last.id);
        for event in &heard[position + 1..] {
            assert_eq!(back.next(), *event);
        }
    }
    assert_eq!(
        Listener::back(&service, &overview.id).until_run_ended(),
        heard
    );
    // Nothing was missed; what happens next comes, too.
    let mut back = Listener::back(&service, &heard.last().unwrap().id);
    service.does("reset");
    assert_eq!(back.next().name(), "run_started");
    assert_eq!(back.until_run_ended().last().unwrap().data["run"], 2);
}

#[test]
fn whoever_comes_back_in_the_middle_of_a_run_hears_each_event_once() {
    let place = held_in("migrate");
    let service = Service::start(&place);
    let mut listener = Listener::new(&service);
    let mut last = listener.next().id;
    let run = service.run("migrate");
    let mut lines = Vec::new();
    // Hangs up after each event.
    while lines.last().is_none_or(|line| line != "ready") {
        let event = Listener::back(&service, &last).next();
        assert_eq!(event.kind, "run");
        if event.name() == "output" {
            lines.push(event.data["line"].as_str().unwrap().to_owned());
        }
        last = event.id;
    }
    assert_eq!(lines, ["first is done", "ready"]);
    let mut back = Listener::back(&service, &last);
    service.post(&format!("/api/v1/runs/{run}/cancel"), &Value::Null);
    let names: Vec<String> = back
        .until_run_ended()
        .iter()
        .map(|event| event.name().to_owned())
        .collect();
    assert_eq!(names, ["step_ended", "run_ended"]);
}

#[test]
fn an_unknown_number_is_answered_with_an_overview() {
    let place = gated();
    let service = Service::start(&place);
    let earlier = Listener::new(&service).next().id;
    service.kill();
    let service = Service::start(&place);
    let mut listener = Listener::new(&service);
    service.does("migrate");
    listener.until_run_ended();
    let known = Listener::new(&service).next().id;
    let (boot, number) = known.rsplit_once('-').unwrap();
    let future = format!("{boot}-{}", number.parse::<u64>().unwrap() + 1_000);
    for last in [
        earlier.as_str(),
        &future,
        "7",
        "",
        "-",
        "nonsense",
        &format!("{boot}-x"),
    ] {
        let mut back = Listener::back(&service, last);
        let overview = back.next();
        assert_eq!(overview.name(), "overview", "{last}");
        assert_eq!(overview.data["state"], "finalization_required", "{last}");
        // From here on, nothing is missed by whoever hangs up.
        assert_eq!(overview.id, known, "{last}");
    }
}

#[test]
fn whoever_was_away_for_too_long_gets_an_overview() {
    let place = gated();
    let lines = "(local.set $i (i32.const 2500)) (loop $again
         (call $output (i32.const 1) {{a line}})
         (local.set $i (i32.sub (local.get $i) (i32.const 1)))
         (br_if $again (local.get $i)))";
    let body = lines.to_owned() + &note("told") + READY;
    place.write_step("0002_wordy.wasm", &Component::migrating(body).build());
    let service = Service::start(&place);
    let first = Listener::new(&service).next().id;
    let run = service.does("migrate");
    let mut back = Listener::back(&service, &first);
    assert_eq!(back.next().name(), "overview");
    // What was not kept as an event is in the journal.
    let path = format!("/api/v1/runs/{run}/output?after=1000");
    let page = service.get(&path).json();
    assert_eq!(page["lines"].as_array().unwrap().len(), 1_000);
}
