//! `--host`: the command line drives a service that runs elsewhere.

use std::io::{BufRead as _, BufReader};

use super::process::{Service, TOKEN};
use super::{applied, gated, held_in, open_gate, outcomes};
use crate::place::{Place, Said};

/// Where somebody sits who has neither the database nor the steps.
struct Desk {
    place: Place,
    url: String,
}

impl Desk {
    fn of(service: &Service) -> Self {
        let place = Place::new();
        std::fs::write(place.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self {
            place,
            url: format!("http://{}", service.address()),
        }
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["--host", self.url.as_str(), "--token-file", "token"];
        all.extend(arguments);
        all
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.place.run(&self.arguments(arguments))
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
        .and_says("applied  1 rows changed");
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
        .and_says("is going on");
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

#[test]
fn what_cannot_be_asked_is_told() {
    let there = gated();
    let service = Service::start(&there);
    let desk = Desk::of(&service);
    std::fs::write(desk.place.path().join("token"), "another").unwrap();
    desk.run(&["status"])
        .ends_with(2)
        .and_says("send `Authorization: Bearer` with the token");
    desk.run(&["migrate"])
        .ends_with(2)
        .and_says("send `Authorization: Bearer` with the token");
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
