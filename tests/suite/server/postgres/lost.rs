//! What is said of a connection that was lost, and of whom.

use wasmigrate_test_server::{Cluster, Fault, Kind, Pooler, Proxy};

use super::cluster;
use crate::hosts::host::{signal, until};
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

#[test]
fn of_a_commit_that_was_lost_it_is_said_whether_it_took_place() {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.port()).unwrap();
    let run = |place: &Place| {
        let mut command = place.command(&["migrate"]);
        let url = proxy.url("app", place.server_database());
        command.env("WASMIGRATE_DATABASE", url);
        Said::from(command.output().unwrap())
    };
    let before = Place::on(&cluster)
        .with_variable("WASMIGRATE_ATTEMPTS", "1")
        .with_sql("0001_made.sql", "CREATE TABLE first (id BIGINT);");
    before.run(&["migrate"]).ends_with(0);
    before.write_step("0002_made.sql", b"CREATE TABLE second (id BIGINT);");
    proxy.expect(Vec::new());
    run(&before.copy()).ends_with(0);
    let exchanges = proxy.account().exchanges;
    let writes = |about: &String| about.contains("SET CONSTRAINTS") && about.contains("COMMIT");
    let exchange = exchanges.iter().position(writes);
    let exchange = 1 + exchange.unwrap_or_else(|| panic!("{exchanges:#?}"));
    for (kind, known, is_there) in [
        (Kind::Unanswered, "which took place", true),
        (Kind::Unheard, "which did not take place", false),
    ] {
        let place = before.copy();
        proxy.expect(vec![Fault {
            exchange,
            kind,
            deed: None,
        }]);
        let known = format!("it was lost in a COMMIT, {known}");
        run(&place).ends_with(1).and_says(&known);
        assert_eq!(place.has_table("second"), is_there);
        place.run(&["history"]).ends_with(0).and_says(&known);
        place.run(&["finalize"]).ends_with(0);
    }
}

/// A script's error of a lost connection is as clear as the database's own, and nothing in it is out of date.
#[test]
fn what_a_script_lost_is_written_down_as_it_was() {
    let place = Place::new().with_sql(
        "0001_slow.js",
        "export function migrate(db) { db.execute('CREATE TABLE a (b INTEGER)'); db.execute('SELECT pg_sleep(60)'); }",
    );
    let host = place.start(&["migrate"]);
    let sleeping = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the step sleeps", || !place.texts(sleeping).is_empty());
    place
        .connect_as_superuser()
        .run(&sleeping.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"));
    let said = Said::from(host.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("what was not committed is rolled back");
    let history = place.run(&["history"]).ends_with(0).and_says("was lost");
    for text in [&said.stdout, &said.stderr, &history.stdout] {
        assert!(!text.contains("()"), "{text}");
        assert!(!text.contains("could not be written down"), "{text}");
    }
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
