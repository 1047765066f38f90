//! The output of tenants that are run in parallel: every reader sees every line exactly once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Tenants as _, counting};
use crate::application::{self, Kind};
use crate::hostile::component::Component;
use crate::hosts::host::until;
use crate::place::Place;
use crate::route::steps::says;
use crate::service::events::Listener;
use crate::service::process::Service;

/// How many lines each tenant's step writes.
const LINES: usize = 50;

/// Two tenants whose step writes lines: that of `acme` never comes to an end then, that of `beta` does at once.
fn one_slow_one_quick() -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step(
        "tenants/002_tables.sql",
        b"CREATE TABLE {schema}.endless (value INTEGER); CREATE TABLE {schema}.passed (value INTEGER NOT NULL);",
    );
    place.run(&["finalize"]).ends_with(0);
    place
        .of_tenant("acme")
        .run("INSERT INTO endless VALUES (1)");
    // A null, which `passed` does not take, where the step is endless.
    let passes =
        "INSERT INTO passed SELECT CASE WHEN EXISTS (SELECT 1 FROM endless) THEN NULL ELSE 1 END";
    let lines: String = (1..=LINES)
        .map(|number| says(&number.to_string()))
        .collect();
    let body =
        lines + &format!("(if (call $sql {{{{{passes}}}}}) (then (loop $again (br $again))))");
    place.write_step(
        "tenants/003_speaks.wasm",
        &Component::migrating(body).build(),
    );
    place.with_variable("WASMIGRATE_TENANTS_PARALLEL", "2")
}

/// One who reads the output of a run page by page, each from where the last ended.
struct Reader<'s> {
    service: &'s Service,
    run: i64,
    after: i64,
    read: Vec<(String, String)>,
}

impl<'s> Reader<'s> {
    fn new(service: &'s Service, run: i64) -> Self {
        Self {
            service,
            run,
            after: 0,
            read: Vec::new(),
        }
    }

    /// Reads all that is new, in small pages.
    fn read(&mut self) {
        loop {
            let path = format!(
                "/api/v1/runs/{}/output?most=7&after={}",
                self.run, self.after
            );
            let page = self.service.get(&path).json();
            self.after = page["next"].as_i64().unwrap();
            let lines = page["lines"].as_array().unwrap();
            if lines.is_empty() {
                return;
            }
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let lines = lines.iter();
            self.read
                .extend(lines.map(|line| (text(&line["tenant"]), text(&line["line"]))));
        }
    }

    /// Demands that each tenant's lines were read once and in their order.
    #[track_caller]
    fn has_read_all(&self) {
        let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tenant, line) in &self.read {
            of.entry(tenant).or_default().push(line);
        }
        let all: Vec<String> = (1..=LINES).map(|number| number.to_string()).collect();
        assert_eq!(of["acme"], all);
        assert_eq!(of["beta"], all);
    }
}

#[test]
fn whoever_reads_page_by_page_sees_each_line_of_parallel_workers_once() {
    let place = one_slow_one_quick();
    let (service, elsewhere) = (Service::start(&place), Service::start(&place));
    let mut events = Listener::new(&service);
    let run = service.run("migrate");
    let last = json!(LINES.to_string());
    loop {
        let event = events.next();
        if event.name() == "output" && event.data["tenant"] == "acme" && event.data["line"] == last
        {
            break;
        }
    }
    let mut beta = place.of_tenant("beta");
    until("the quick tenant's step is committed", || {
        super::first(&mut beta, "SELECT count(*) FROM passed") == "1"
    });
    let (mut here, mut there) = (Reader::new(&service, run), Reader::new(&elsewhere, run));
    here.read();
    there.read();
    if application::kind() == Kind::Postgres {
        // What is committed is seen from everywhere.
        assert_eq!(there.read.len(), LINES);
    }
    let cancel = service.post(&format!("/api/v1/runs/{run}/cancel"), &json!({}));
    assert_eq!(cancel.status, 202, "{cancel:?}");
    assert_eq!(service.outcome(run), "cancelled");
    for reader in [&mut here, &mut there] {
        reader.read();
        reader.has_read_all();
    }
    let journal = place.texts("SELECT tenant || ' ' || line FROM wasmigrate_output WHERE run = (SELECT max(run) FROM wasmigrate_output) ORDER BY sequence");
    for reader in [&here, &there] {
        let read: Vec<String> = reader
            .read
            .iter()
            .map(|(tenant, line)| format!("{tenant} {line}"))
            .collect();
        assert_eq!(read, journal);
    }
}
