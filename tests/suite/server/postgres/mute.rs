//! A server, or something on the way to it, that takes everything and answers nothing.

use std::time::{Duration, Instant};

use wasmigrate_test_server::{Fault, Kind, Proxy};

use super::cluster;
use crate::hosts::host::{Host, until};
use crate::hosts::waiting_for_locks;
use crate::place::Place;
use crate::service::proxy::silent;

/// How long Ctrl-C may take.
const ENDING: Duration = Duration::from_secs(8);

fn place() -> Place {
    Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);")
}

#[track_caller]
fn ends_soon(host: Host, status: i32) {
    let began = Instant::now();
    host.interrupt();
    host.end().ends_with(status);
    assert!(began.elapsed() < ENDING, "{:?}", began.elapsed());
}

#[test]
fn a_server_that_lets_nobody_in_is_named_and_ctrl_c_ends_the_wait() {
    let place = place();
    let url = format!("postgres://app@{}/app?sslmode=disable", silent());
    let mut host = Host::start(&place, &["migrate", "--database", &url]);
    let waiting = host.until("waiting");
    let (holder, message) = (
        waiting["holder"].to_string(),
        waiting["message"].to_string(),
    );
    assert!(holder.contains("postgres://app@127.0.0.1"), "{holder}");
    assert!(
        message.contains("it has not let this host in for"),
        "{message}"
    );
    assert!(message.contains("given up after 10 s"), "{message}");
    ends_soon(host, 1);
}

#[test]
fn whoever_only_looks_is_told_beside_the_answer() {
    let place = place();
    let url = format!(
        "postgres://app@{}/app?sslmode=disable&connect_timeout=6",
        silent()
    );
    let said = place
        .run(&["status", "--json", "--database", &url])
        .ends_with(2);
    assert!(
        said.stderr.contains("it is given up after 6 s"),
        "{said:#?}"
    );
    assert_eq!(said.json()["event"], "error");
}

/// Runs the step through a proxy that keeps back the answer to the first exchange that is about this; the message of the wait.
fn with_kept_back(what: &str, status: i32) -> String {
    let cluster = cluster();
    let proxy = Proxy::start(cluster.port()).unwrap();
    let place = Place::on(&cluster).with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let migrate = |place: &Place| {
        let url = proxy.url("app", place.server_database());
        let mut command = place.command(&["migrate"]);
        command.env("WASMIGRATE_DATABASE", url);
        Host::spawn(command)
    };
    let (rehearsed, place) = (place.copy(), place);
    proxy.expect(Vec::new());
    migrate(&rehearsed).end().ends_with(0);
    let exchanges = proxy.account().exchanges;
    let exchange = exchanges.iter().position(|about| about.contains(what));
    let exchange = 1 + exchange.unwrap_or_else(|| panic!("{exchanges:#?}"));
    proxy.expect(vec![Fault {
        exchange,
        kind: Kind::Slow(Duration::from_secs(120)),
        deed: None,
    }]);
    let mut host = migrate(&place);
    let message = host.until("waiting")["message"].to_string();
    ends_soon(host, status);
    message
}

#[test]
fn an_answer_to_a_step_that_does_not_come_is_told_and_ctrl_c_ends_the_wait() {
    let message = with_kept_back("CREATE TABLE made", 1);
    assert!(message.contains("it has not answered"), "{message}");
    assert!(message.contains("it is given up after"), "{message}");
}

#[test]
fn an_answer_to_the_host_that_does_not_come_is_told_and_ctrl_c_ends_the_wait() {
    let message = with_kept_back("COMMIT", 2);
    assert!(
        message.contains("it has not answered a COMMIT for"),
        "{message}"
    );
}

/// What it did not hear while it was stopped is not the server's silence.
#[test]
fn a_host_that_was_stopped_itself_does_not_blame_the_server() {
    let place = place();
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_more.sql", b"CREATE TABLE more (id BIGINT);");
    let mut operator = place.connect_as_superuser();
    operator.run("BEGIN; LOCK TABLE wasmigrate_attempt IN SHARE MODE");
    let host = Host::start(&place, &["migrate"]);
    until("the commit waits", || waiting_for_locks(&place) > 0);
    host.stop();
    operator.run("COMMIT");
    // Longer than a server may say nothing before that is told.
    std::thread::sleep(Duration::from_secs(6));
    host.go_on();
    let said = host.end().ends_with(0);
    assert!(!said.stdout.contains("has not answered"), "{said:#?}");
}
