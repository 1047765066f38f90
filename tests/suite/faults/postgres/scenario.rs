//! A command that meets faults, and what must be true afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wasmigrate_test_server::{Cluster, Fault, Kind, Proxy};

use super::act::{self, End, Host};
use super::history::{self, History};
use super::point::{Point, Victim};
use crate::place::Place;

/// Who runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The command line, which does not try again when a connection is lost.
    Command,
    /// A service that tries again.
    Service,
}

/// A command, the place before it, what an undisturbed run leaves, and what was found.
pub struct Scenario {
    name: &'static str,
    before: Place,
    act: Vec<&'static str>,
    proxy: Proxy,
    /// On a server of its own, that server, so that it can be killed.
    cluster: Option<Arc<Mutex<Cluster>>>,
    content: String,
    history: History,
    injected: BTreeMap<String, usize>,
    made_up_for: usize,
    findings: Vec<String>,
}

impl Scenario {
    /// Runs the `preparation` in a place of these steps, then `act` in a copy of it.
    pub fn new(
        name: &'static str,
        steps: impl FnOnce(Place) -> Place,
        preparation: &[&[&str]],
        act: &[&'static str],
    ) -> Self {
        Self::prepared(name, steps(Place::new()), preparation, act, None)
    }

    /// The same on a server of its own.
    pub fn on(
        cluster: Cluster,
        name: &'static str,
        steps: impl FnOnce(Place) -> Place,
        preparation: &[&[&str]],
        act: &[&'static str],
    ) -> Self {
        let before = steps(Place::on(&cluster));
        Self::prepared(name, before, preparation, act, Some(cluster))
    }

    fn prepared(
        name: &'static str,
        before: Place,
        preparation: &[&[&str]],
        act: &[&'static str],
        cluster: Option<Cluster>,
    ) -> Self {
        for arguments in preparation {
            before.run(arguments).ends_with(0);
        }
        let undisturbed = before.copy();
        undisturbed.run(act).ends_with(0);
        let mut application = undisturbed.connect();
        let wrong = history::wrong(&mut application);
        assert!(wrong.is_empty(), "{wrong:?}");
        let port = url::Url::parse(&before.url()).unwrap().port().unwrap();
        Self {
            name,
            act: act.to_vec(),
            proxy: Proxy::start(port).unwrap(),
            cluster: cluster.map(|cluster| Arc::new(Mutex::new(cluster))),
            content: application.content(),
            history: History::of(&mut application),
            before,
            injected: BTreeMap::new(),
            made_up_for: 0,
            findings: Vec::new(),
        }
    }

    /// What each exchange of an undisturbed run is about.
    pub fn rehearse(&self, manner: Manner) -> Vec<String> {
        let place = self.before.copy();
        let host = Host::default();
        let end = self.run(&place, manner, &host, Vec::new());
        assert!(end.as_ref().is_ok_and(|end| end.is_done), "{end:#?}");
        let exchanges = self.proxy.account().exchanges;
        if std::env::var_os("WASMIGRATE_FAULT").is_some() {
            println!("{} by {manner:?}: {exchanges:#?}", self.name);
        }
        exchanges
    }

    fn run(
        &self,
        place: &Place,
        manner: Manner,
        host: &Host,
        faults: Vec<Fault>,
    ) -> Result<End, String> {
        match manner {
            Manner::Command => {
                self.proxy.expect(faults);
                act::command(place, &self.proxy, &self.act, host)
            }
            Manner::Service => act::service(place, &self.proxy, self.act[0], || {
                self.proxy.expect(faults)
            }),
        }
    }

    /// Injects each of the faults into a run of its own.
    pub fn meets(&mut self, mut points: Vec<Point>, manner: Manner) {
        if let Ok(wanted) = std::env::var("WASMIGRATE_FAULT") {
            points.retain(|point| point.to_string() == wanted);
        }
        for point in points {
            let place = self.before.copy();
            let (count, wrong) = self.meets_one(&place, &point, manner);
            *self.injected.entry(point.name()).or_default() += count;
            if let Err(wrong) = wrong {
                let case = format!("{} by {manner:?}, {point} ({})", self.name, point.about);
                self.findings.push(format!("{case}: {wrong}"));
            }
            if let Some(cluster) = &self.cluster {
                // It goes with its server otherwise, and until then fills the memory.
                let drop = format!("DROP DATABASE {} WITH (FORCE)", place.server_database());
                cluster.lock().unwrap().run_sql("postgres", &drop).unwrap();
            }
        }
    }

    fn meets_one(
        &mut self,
        place: &Place,
        point: &Point,
        manner: Manner,
    ) -> (usize, Result<(), String>) {
        let host = Host::default();
        let deed: Option<Box<dyn FnOnce() + Send>> = match point.victim {
            None => None,
            Some(Victim::Host) => {
                let host = Arc::clone(&host);
                Some(Box::new(move || act::kill(&host)))
            }
            Some(Victim::Run) => {
                let host = Arc::clone(&host);
                Some(Box::new(move || act::cancel(&host)))
            }
            Some(Victim::Server) => {
                let cluster =
                    Arc::clone(self.cluster.as_ref().expect("a server that may be killed"));
                Some(Box::new(move || {
                    let mut cluster = cluster.lock().unwrap();
                    cluster.kill().unwrap();
                    cluster.start_again().unwrap();
                }))
            }
        };
        let fault = Fault {
            exchange: point.exchange,
            kind: point.kind,
            deed,
        };
        let mut faults = vec![fault];
        let mut exchange = point.exchange;
        for further in point.again_after {
            exchange += further;
            faults.push(Fault {
                exchange,
                kind: Kind::Unanswered,
                deed: None,
            });
        }
        let mut end = self.run(place, manner, &host, faults);
        let mut told = self.keeps_what_was_told(place, &end, point);
        for _ in point.again_after {
            if end.as_ref().is_ok_and(|end| !end.is_done) {
                end = act::command(place, &self.proxy, &self.act, &host);
                told = told.and_then(|()| self.keeps_what_was_told(place, &end, point));
            }
        }
        if let Some(cluster) = &self.cluster {
            // Who was the last to be heard may be gone before the server is back.
            drop(cluster.lock().unwrap());
        }
        let account = self.proxy.account();
        let count = account.faults.len();
        let wrong = end.and_then(|end| {
            self.made_up_for += usize::from(end.is_done && count > 0);
            let at = account
                .exchanges
                .get(point.exchange - 1)
                .cloned()
                .unwrap_or_default();
            let cancelled = point.victim != Some(Victim::Run) || end.is_done || end.is_cancelled();
            let cancelled = match cancelled {
                true => Ok(()),
                false => Err("cancelled, but it ended in another way".to_owned()),
            };
            let kept = cancelled.and(told);
            kept.and_then(|()| self.finishes(place, &end))
                .map_err(|wrong| {
                    format!(
                        "{wrong}\nthe exchange: {at}\nthe disturbed run: {}",
                        end.said
                    )
                })
        });
        (count, wrong)
    }

    /// Demands that each step is there that a command called migrated, unless the server itself has lost it.
    fn keeps_what_was_told(
        &self,
        place: &Place,
        end: &Result<End, String>,
        point: &Point,
    ) -> Result<(), String> {
        let Ok(end) = end else {
            return Ok(());
        };
        if point.victim == Some(Victim::Server) || !self.history.is_of_steps() {
            return Ok(());
        }
        let migrated = end.migrated();
        if migrated.is_empty() {
            return Ok(());
        }
        let kept = history::migrated(&mut place.connect());
        match migrated.iter().find(|step| !kept.contains(step)) {
            Some(step) => Err(format!(
                "called {step} migrated, but the journal has only {kept:?}"
            )),
            None => Ok(()),
        }
    }

    /// Demands that all is there when the disturbed run says so, and after one further run in any case.
    fn finishes(&self, place: &Place, end: &End) -> Result<(), String> {
        if end.is_done {
            self.is_complete(place)
                .map_err(|wrong| format!("called done, but {wrong}"))?;
        }
        let again = place.run(&self.act);
        let said = format!("{:?}\n{}{}", again.status, again.stdout, again.stderr);
        if again.status != Some(0) {
            return Err(format!("the next run ends with {said}"));
        }
        if end.is_done {
            // And so nothing has changed since.
            return match again.stdout.contains("nothing to do") {
                true => Ok(()),
                false => Err(format!(
                    "called done, but there was something left to do: {said}"
                )),
            };
        }
        self.is_complete(place)
            .map_err(|wrong| format!("{wrong}\nthe next run: {said}"))
    }

    fn is_complete(&self, place: &Place) -> Result<(), String> {
        let mut application = place.connect();
        let mut wrong = history::wrong(&mut application);
        let content = application.content();
        if content != self.content {
            wrong.push(format!(
                "the content differs: {}",
                difference(&content, &self.content)
            ));
        }
        let history = History::of(&mut application);
        if history != self.history {
            wrong.push(format!(
                "the history is {history:?}\ninstead of {:?}",
                self.history
            ));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n")),
        }
    }

    /// Says how many faults there were, and demands that none has left a trace.
    pub fn demand_unscathed(self) {
        let all: usize = self.injected.values().sum();
        println!(
            "FAULTS {}: {all} injected, {} of them made up for at once: {:?}",
            self.name, self.made_up_for, self.injected
        );
        assert!(
            self.findings.is_empty(),
            "{} of {all} faults have left a trace:\n\n{}",
            self.findings.len(),
            self.findings.join("\n\n")
        );
    }
}

/// The lines that only one of two texts has.
fn difference(found: &str, expected: &str) -> String {
    let without = |one: &str, other: &str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.map(str::to_owned).collect()
    };
    format!(
        "too much: {:?}, missing: {:?}",
        without(found, expected),
        without(expected, found)
    )
}
