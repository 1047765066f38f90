//! What is said of a connection that was lost, and of whom.

use wasmigrate_test_server::{Cluster, Fault, Kind, Pooler, Proxy};

use super::cluster;
use crate::hosts::host::signal;
use crate::hosts::is_locked;
use crate::hosts::stopped::falls_asleep_at;
use crate::place::{Place, Said};

/// Runs a command through a proxy that loses each answer to the first exchange that is about this.
fn without_answer(
    files: &[(&str, &str)],
    arguments: &[&str],
    what: &str,
    kind: Kind,
) -> (Place, Said) {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.port()).unwrap();
    let place = files.iter().fold(
        Place::on(&cluster).with_variable("WASMIGRATE_ATTEMPTS", "1"),
        |place, (name, text)| place.with_sql(name, text),
    );
    let run = |place: &Place| {
        let mut command = place.command(arguments);
        command.env(
            "WASMIGRATE_DATABASE",
            proxy.url("app", place.server_database()),
        );
        Said::from(command.output().unwrap())
    };
    let rehearsed = place.copy();
    proxy.expect(Vec::new());
    run(&rehearsed).ends_with(0);
    let exchanges = proxy.account().exchanges;
    let exchange = exchanges.iter().position(|about| about.contains(what));
    let exchange = 1 + exchange.unwrap_or_else(|| panic!("{exchanges:#?}"));
    proxy.expect(vec![Fault {
        exchange,
        kind,
        deed: None,
    }]);
    let said = run(&place);
    drop(cluster);
    (rehearsed, said)
}

#[test]
fn no_statement_is_blamed_of_which_it_is_not_known_that_it_was_under_way() {
    let files = [(
        "0001_made.sql",
        "CREATE TABLE first (id BIGINT);\nCREATE TABLE second (id BIGINT);",
    )];
    let (_place, said) =
        without_answer(&files, &["migrate"], "CREATE TABLE first", Kind::Unanswered);
    let said = said.ends_with(1).and_says("was lost");
    assert!(!said.stderr.contains("CREATE TABLE first"), "{said:#?}");
    assert!(
        !said.stdout.contains("the failed step was rolled back"),
        "{said:#?}"
    );
    said.and_says("is applied as a whole or not at all");
}

#[test]
fn the_only_statement_that_was_under_way_is_named() {
    let files = [("0001_made.sql", "CREATE TABLE first (id BIGINT);")];
    let (_place, said) =
        without_answer(&files, &["migrate"], "CREATE TABLE first", Kind::Unanswered);
    said.ends_with(1)
        .and_says("was lost")
        .and_says("CREATE TABLE first");
}

/// Nothing tells a host that a pooler stands before that the server has gone and come back between two of its transactions.
#[test]
fn a_run_is_not_done_whose_last_commit_was_forgotten_behind_a_pooler() {
    let mut cluster = Cluster::start_forgetful().unwrap();
    let before = Place::on(&cluster).with_sql("0001_first.sql", "CREATE TABLE first (id BIGINT);");
    before.run(&["migrate"]).ends_with(0);
    before.write_step("0002_last.sql", b"CREATE TABLE last (id BIGINT);");
    let pooler = Pooler::start(&cluster, 4).unwrap();
    let outcomes = "SELECT coalesce(outcome, 'running') FROM wasmigrate_run ORDER BY id";
    // Before each word to the server, until it is one between the last step and the end of the run.
    let (place, host, process) = (1..)
        .find_map(|number| {
            let place = before.copy();
            let url = pooler.url("app", place.server_database());
            let place = place.with_variable("WASMIGRATE_DATABASE", &url);
            let (host, process) = falls_asleep_at("sendto", number, &place, &["migrate"]).unwrap();
            let is_between =
                place.has_table("last") && place.texts(outcomes) == ["done", "running"];
            if is_between && !is_locked(&place) {
                return Some((place, host, process));
            }
            signal(process, "CONT");
            host.end().ends_with(0);
            None
        })
        .unwrap();
    cluster.kill().unwrap();
    cluster.start_again().unwrap();
    assert!(!place.has_table("last"), "the server has forgotten nothing");
    signal(process, "CONT");
    host.end().ends_with(1);
    assert_eq!(place.texts(outcomes), ["done", "failed"]);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("last"));
}
