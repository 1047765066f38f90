//! `--host`: the command line drives a service that runs elsewhere.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::process::{Service, TOKEN};
use super::proxy::{self, Events};
use super::{applied, gated, held_in, open_gate, outcomes};
use crate::hostile::component::Component;
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};

/// Where somebody sits who has neither the database nor the steps.
pub struct Desk {
    place: Place,
    url: String,
}

impl Desk {
    pub fn of(service: &Service) -> Self {
        Self::before(service.address())
    }

    pub fn before(address: SocketAddr) -> Self {
        let place = Place::new();
        let token = place.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        std::fs::set_permissions(token, Permissions::from_mode(0o600)).unwrap();
        Self {
            place,
            url: format!("http://{address}"),
        }
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--host", self.url.as_str(), "--token-file", "token"];
        all.extend(arguments);
        all
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.place.run(&self.arguments(arguments))
    }

    /// Starts a command whose events are read while it runs.
    pub fn start(&self, arguments: &[&str]) -> Host {
        Host::spawn(self.place.command(&self.arguments(arguments)))
    }
}

#[test]
fn every_command_says_there_what_it_says_here() {
    let there = gated();
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    desk.run(&["plan"]).ends_with(0).and_says("0001_first");
    desk.run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("applied  1 row change");
    assert!(applied(&there).is_empty());
    desk.run(&["migrate"])
        .ends_with(0)
        .and_says("run 1: migrate, 1 step\n")
        .and_says("0001_first │ first is done")
        .and_says("✓ 0001_first migrated")
        .and_says("done; the state is finalization_required");
    assert_eq!(applied(&there), ["first"]);
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["history", "--output"],
        &["verify"],
        &["plan"],
    ] {
        let (here, there) = (there.run(command), desk.run(command));
        assert_eq!(here.status, there.status, "{command:?}");
        assert_eq!(here.stdout, there.stdout, "{command:?}");
    }
    desk.run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do; the state is finalization_required");
    desk.run(&["finalize"])
        .ends_with(0)
        .and_says("done; the state is finalized");
    assert!(desk.place.is_untouched());
}

#[test]
fn a_failure_there_is_told_here() {
    let there = Place::new().with_sql("0001_broken.sql", "INSERT INTO nowhere VALUES (1);");
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    desk.run(&["migrate"])
        .ends_with(1)
        .and_says("0001_broken, migrate: ")
        .and_says(Place::in_sql_of(
            "no such table: nowhere",
            "relation \"nowhere\" does not exist",
        ))
        .and_says("INSERT INTO nowhere VALUES (1)")
        .and_says("the state is migration_failed");
    let ended = desk.run(&["migrate", "--json"]).ends_with(1).json();
    assert_eq!(ended["event"], "run_ended");
    assert_eq!(ended["failure"]["step"], "0001_broken");
}

#[test]
fn ctrl_c_cancels_the_run_there() {
    let there = held_in("migrate");
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    let mut child = desk.place.start(&desk.arguments(&["migrate"]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")));
    desk.run(&["migrate", "--no-wait"])
        .ends_with(2)
        .and_says("is in progress");
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(
        rest.join("\n")
            .contains("cancelled; the running step was rolled back"),
        "{rest:#?}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(outcomes(&there), ["cancelled"]);
    open_gate(&there);
    desk.run(&["migrate"]).ends_with(0);
}

/// Waits for the end of a process, which must come soon.
#[track_caller]
fn ends_soon(child: &mut std::process::Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > Duration::from_secs(40) {
            child.kill().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_proxy_that_holds_events_back_holds_up_no_command() {
    let there = gated();
    let service = Service::start(&there);
    let mut desk = Desk::before(proxy::before(&service, Events::Held));
    desk.url = desk.url.replace("http://", "http://op:geheim@");
    let said = desk.run(&["migrate"]);
    assert!(!format!("{said:?}").contains("geheim"), "{said:#?}");
    said.ends_with(0)
        .and_says("a proxy may hold them back")
        .and_says("first is done")
        .and_says("done; the state is finalization_required");
    assert_eq!(applied(&there), ["first"]);
    there.write_step("0002_broken.sql", b"INSERT INTO nowhere VALUES (1);");
    desk.run(&["migrate"])
        .ends_with(1)
        .and_says("0002_broken, migrate: ")
        .and_says("the state is migration_failed");
    let ended = desk.run(&["migrate", "--json"]).ends_with(1).json();
    assert_eq!(ended["event"], "run_ended");
}

#[test]
fn an_end_in_words_of_a_newer_host_is_an_end() {
    let there = gated();
    let service = Service::start(&there);
    let desk = Desk::before(proxy::before(&service, Events::OfANewerHost));
    let mut child = desk.place.start(&desk.arguments(&["migrate"]));
    assert_eq!(ends_soon(&mut child), Some(0));
    assert_eq!(applied(&there), ["first"]);
}

#[test]
fn a_signal_ends_a_command_that_gets_no_answer() {
    let desk = Desk::before(proxy::silent());
    let mut child = desk.place.start(&desk.arguments(&["migrate"]));
    // It has asked for the events, and soon asks for the run.
    std::thread::sleep(Duration::from_secs(4));
    crate::hosts::host::signal(child.id(), "TERM");
    // Whether the run has begun is not known.
    assert_eq!(ends_soon(&mut child), Some(1));
}

#[test]
fn long_output_is_listed_in_part_and_shown_in_full() {
    let there = Place::new();
    let line = "(call $output (i32.const 1) {{again}})";
    let many = format!(
        "(loop $again {line} (local.set $i (i32.add (local.get $i) (i32.const 1)))
         (br_if $again (i32.lt_u (local.get $i) (i32.const 2500))))"
    );
    there.write_step("0001_many.wasm", &Component::migrating(many).build());
    let service = Service::start(&there);
    service.does("migrate");
    service.does("reset");
    let runs = service.get("/api/v1/runs?output=true").json();
    assert_eq!(runs[1]["output"].as_array().unwrap().len(), 1_000);
    assert_eq!(runs[1]["more_output_after"], 1_000);
    assert_eq!(runs[0]["more_output_after"], serde_json::Value::Null);
    let desk = Desk::of(&service);
    for said in [
        there.run(&["history", "--output"]),
        desk.run(&["history", "--output"]),
    ] {
        assert_eq!(said.ends_with(0).stdout.matches("again").count(), 2_500);
    }
    let json = desk
        .run(&["history", "--output", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(json[1]["output"].as_array().unwrap().len(), 2_500);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let there = gated();
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    std::fs::write(desk.place.path().join("token"), "another").unwrap();
    desk.run(&["status"])
        .ends_with(2)
        .and_says("it does not accept this token or password");
    desk.run(&["migrate"])
        .ends_with(2)
        .and_says("it does not accept this token or password");
    desk.run(&["migrate", "--database", "sqlite:other.db"])
        .ends_with(2)
        .and_says("leave out `--database`");
    drop(service);
    desk.run(&["status"])
        .ends_with(2)
        .and_says(&desk.url)
        .and_says("Connection refused");
}

#[test]
fn a_repair_is_made_there() {
    let there = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);\n");
    there.run(&["finalize"]).ends_with(0);
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    there.write_step("0001_a.sql", b"CREATE TABLE a (b BIGINT); -- changed\n");
    desk.run(&["repair"])
        .ends_with(0)
        .and_says("0001_a  changed");
    desk.run(&["repair", "--remove", "0001_a", "--reason", "x"])
        .ends_with(2)
        .and_says("its file is there and has changed");
    desk.run(&["repair", "--accept", "0001_a", "--reason", "a comment"])
        .ends_with(0)
        .and_says("run 2 repaired 1 step");
    desk.run(&["status"])
        .ends_with(0)
        .and_says("reason: a comment");
    desk.run(&["history"])
        .ends_with(0)
        .and_says("0001_a: the changed file is accepted");
}

#[test]
fn the_description_names_every_path_and_the_secrets() {
    let service = Service::start(&gated());
    let description = service.get("/openapi.json").json();
    for path in [
        "/internal/migrations",
        "/api/v1/status",
        "/api/v1/runs",
        "/api/v1/runs/{run}/output",
        "/api/v1/events",
        "/metrics",
    ] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
    assert!(description["components"]["securitySchemes"]["token"].is_object());
    // Whatever is referred to is described.
    let text = description.to_string();
    for name in text.split("#/components/schemas/").skip(1) {
        let name = name.split('"').next().unwrap();
        assert!(
            description["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[test]
fn a_step_that_is_cancelled_before_its_next_try_keeps_its_last_checkpoint_and_says_so() {
    let there = Place::new()
        .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "3")
        .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "60000");
    there.write_step(
        "0001_later.js",
        b"export function migrate(db, resume) {
            if (resume === undefined) {
                db.execute('CREATE TABLE kept (value INTEGER)');
                db.checkpoint(1);
            }
            throw Object.assign(new Error('not now'), { retryable: true });
        }",
    );
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    let follower = desk.place.start(&desk.arguments(&["migrate"]));
    let failed = "SELECT count(*) FROM wasmigrate_attempt";
    until("it waits for its next try", || {
        there.has_table("wasmigrate_attempt") && there.one::<i64>(failed) == 1
    });
    service.post("/api/v1/runs/1/cancel", &serde_json::Value::Null);
    Said::from(follower.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("was rolled back to its last checkpoint");
    assert!(there.has_table("kept"));
}
