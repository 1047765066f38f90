//! A command that is run once undisturbed, and then killed and run again many times.

use std::time::{Duration, Instant};

use super::point::{self, Point, Seed};
use crate::application::{self, Application, Kind};
use crate::place::Place;

/// A command, the place before it, and what an undisturbed run of it leaves.
pub struct Scenario {
    before: Place,
    act: Vec<&'static str>,
    trace: String,
    duration: Duration,
    content: String,
    journal: Journal,
    /// How many runs there were before.
    runs: usize,
}

/// What the journal must say, whatever happened on the way.
#[derive(Debug, PartialEq)]
struct Journal {
    /// Index, name, digest and state of each step.
    steps: Vec<String>,
    /// Index, phase and number of tries that were done.
    done: Vec<String>,
    /// Index, number of rows that were gone through, and number of ranges that are not done.
    ranges: Vec<String>,
}

impl Scenario {
    /// Runs the `preparation` in a place, then `act` in copies of it.
    pub fn new(place: Place, preparation: &[&[&str]], act: &[&'static str]) -> Self {
        for arguments in preparation {
            place.run(arguments).ends_with(0);
        }
        let mut act = act.to_vec();
        act.push("--json");

        // The first run fills the compile cache, so that all others take the same time and the same system calls.
        if !place.has_own_cache() {
            place.copy().run(&act).ends_with(0);
        }
        let timed = place.copy();
        let began = Instant::now();
        timed.run(&act).ends_with(0);
        let duration = began.elapsed();

        let traced = place.copy();
        let trace = traced.path().join("trace");
        let options = ["-f", "-qq", "-o", trace.to_str().unwrap()];
        let output = traced.command_under_strace(&options, &act).output();
        assert!(output.unwrap().status.success());
        Self {
            trace: std::fs::read_to_string(trace).unwrap(),
            duration,
            content: traced.content(),
            journal: Journal::of(&mut traced.connect()),
            runs: runs(&mut place.connect()).len(),
            before: place,
            act,
        }
    }

    /// How long it takes undisturbed.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Every system call since the database was opened first.
    pub fn all_calls(&self) -> Vec<Point> {
        point::calls(
            &self.trace,
            Place::in_sql_of("wasmigrate.db", "sin_port=htons("),
        )
    }

    /// Those between which the disk, or the server, learns nothing, of whichever thread: the next that makes its own of this
    /// number is the last.
    pub fn decisive_calls_of_all_threads(&self) -> Vec<Point> {
        point::calls_of_all_threads(
            &self.trace,
            match application::kind() {
                Kind::Sqlite => &["pwrite64", "fsync", "fdatasync", "ftruncate", "unlink"],
                Kind::Postgres => &["connect", "sendto", "recvfrom"],
            },
        )
    }

    /// Those between which the disk, or the server, learns nothing.
    pub fn decisive_calls(&self) -> Vec<Point> {
        match application::kind() {
            Kind::Sqlite => self.calls(&["pwrite64", "fsync", "fdatasync", "ftruncate", "unlink"]),
            Kind::Postgres => {
                let mut calls = self.calls(&["connect", "sendto", "recvfrom"]);
                // The first look for an answer comes when all is said; further ones change nothing.
                let mut is_said = false;
                calls.retain(|point| {
                    let is_look = matches!(point, Point::Call(name, _) if name == "recvfrom");
                    let is_decisive = !is_look || is_said;
                    is_said = !is_look;
                    is_decisive
                });
                calls
            }
        }
    }

    /// Those of some kinds.
    pub fn calls(&self, kinds: &[&str]) -> Vec<Point> {
        let is_of_kind =
            |point: &Point| matches!(point, Point::Call(name, _) if kinds.contains(&name.as_str()));
        self.all_calls().into_iter().filter(is_of_kind).collect()
    }

    /// Kills the command at each of the points and runs it again; returns how many were killed in time.
    pub fn survives(&self, points: &[Point]) -> usize {
        let killed = points.iter().filter(|point| self.survives_one(point));
        let count = killed.count();
        println!("{:?}: {count} kills at {} points", self.act, points.len());
        count
    }

    /// Kills the command at some of the points, chosen at random, and runs it again, until so many were killed in time.
    ///
    /// Not each point is met: how long a run takes, and how often it looks for an answer, differs from run to run.
    pub fn survives_some(&self, seed: &Seed, points: Vec<Point>, kills: usize) {
        let chosen = seed.choose(points, usize::MAX);
        let killed = chosen.iter().filter(|point| self.survives_one(point));
        let count = killed.take(kills).count();
        assert_eq!(
            count,
            kills,
            "{:?} was not killed more often at {} points",
            self.act,
            chosen.len()
        );
    }

    fn survives_one(&self, point: &Point) -> bool {
        let place = self.before.copy();
        let Some(killed) = point.kill(&place, &self.act) else {
            return false;
        };
        let again = place.run(&self.act);
        assert_eq!(again.status, Some(0), "{point}\n{killed}\n{again:#?}");
        assert!(
            !again.stdout.contains(r#""event":"waiting""#),
            "{point}: waited for a dead host\n{again:#?}"
        );
        // One connection for all that follows.
        let mut application = place.connect();
        let content = application.content();
        assert!(
            content == self.content,
            "{point}: the content differs\n{killed}\n{again:#?}\n{content}\ninstead of\n{}",
            self.content
        );
        let journal = Journal::of(&mut application);
        assert_eq!(journal, self.journal, "{point}\n{killed}");

        let runs = runs(&mut application);
        let runs: Vec<&str> = runs[self.runs..].iter().map(String::as_str).collect();
        let expected: &[&[&str]] = if killed.contains(r#""event":"run_ended""#) {
            &[&["done"]]
        } else if killed.contains(r#""event":"run_started""#) {
            // When it was killed behind its last commit, the second finds nothing to do.
            &[&["interrupted", "done"], &["interrupted"], &["done"]]
        } else {
            &[&["interrupted", "done"], &["done"]]
        };
        assert!(
            expected.contains(&&*runs),
            "{point}: the runs are {runs:?}\n{killed}\n{again:#?}"
        );
        true
    }
}

/// The outcomes of all runs, in their order.
fn runs(application: &mut Application) -> Vec<String> {
    if !application.has_table("wasmigrate_journal") {
        return Vec::new();
    }
    application.texts("SELECT coalesce(outcome, 'without outcome') FROM wasmigrate_run ORDER BY id")
}

impl Journal {
    /// Reads it, and demands what is true of every journal at rest.
    fn of(application: &mut Application) -> Self {
        application.is_whole();
        let held =
            application.texts("SELECT holder FROM wasmigrate_lease WHERE holder IS NOT NULL");
        assert!(held.is_empty(), "the lease is held by {held:?}");
        let failed = application.texts(
            "SELECT step_index || ' ' || phase || ' ' || outcome FROM wasmigrate_attempt WHERE outcome <> 'done'",
        );
        assert!(failed.is_empty(), "{failed:?}");
        Self {
            steps: application.texts(
                "SELECT step_index || ' ' || name || ' ' || digest || ' ' || state FROM wasmigrate_step
                 ORDER BY step_index",
            ),
            done: application.texts(
                "SELECT step_index || ' ' || phase || ' ' || count(*) FROM wasmigrate_attempt
                 GROUP BY step_index, phase ORDER BY step_index, phase",
            ),
            ranges: application.texts(
                "SELECT step_index || ' ' || sum(rows_done) || ' ' || sum(1 - is_done) FROM wasmigrate_range
                 GROUP BY step_index ORDER BY step_index",
            ),
        }
    }
}
