//! Standard output that cannot be written: nobody takes half an answer for a whole one.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::place::{Place, Said};

/// Runs a command whose output goes to a device that is full.
fn on_a_full_device(place: &Place, arguments: &[&str]) -> Said {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    Said::from(place.command(arguments).stdout(full).output().unwrap())
}

fn one_step() -> Place {
    Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b BIGINT);")
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_of_every_command() {
    let place = one_step();
    place.run(&["finalize"]).ends_with(0);
    for command in [
        &["schema", "dump"][..],
        &["history"],
        &["history", "--json"],
        &["status"],
        &["status", "--json"],
        &["plan"],
        &["verify"],
        &["lease"],
        &["bad-rows", "--csv"],
        &["completions", "bash"],
        &["test", "--help"],
        &["--version"],
    ] {
        let said = on_a_full_device(&place, command);
        assert_eq!(said.status, Some(1), "{command:?}: {said:#?}");
        let why = "error: the output cannot be written, and is not whole: No space left on device";
        assert_eq!(
            said.stderr.matches(why).count(),
            1,
            "{command:?}: {said:#?}"
        );
    }
}

#[test]
fn a_run_that_nobody_can_follow_goes_on_to_its_end() {
    for manner in [&["migrate"][..], &["migrate", "--json"]] {
        let place = one_step().with_sql("0002_b.sql", "CREATE TABLE c (d BIGINT);");
        on_a_full_device(&place, manner)
            .ends_with(1)
            .and_says("the output cannot be written");
        assert!(place.has_table("c"));
        let outcome = place.one::<String>("SELECT outcome FROM wasmigrate_run");
        assert_eq!(outcome, "done");
    }
}

#[test]
fn a_command_that_is_refused_keeps_its_status() {
    let place = one_step();
    on_a_full_device(&place, &["pause", "--json"])
        .ends_with(2)
        .and_says("the output cannot be written");
}

#[test]
fn a_reader_that_has_gone_away_has_seen_enough() {
    let place = one_step();
    place.run(&["finalize"]).ends_with(0);
    for command in [&["schema", "dump"][..], &["history"], &["status", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut process = place.command(command);
        let process = process.stdout(writer).stderr(Stdio::piped());
        let said = Said::from(process.output().unwrap()).ends_with(0);
        assert_eq!(said.stderr, "", "{command:?}");
    }
}
