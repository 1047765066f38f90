//! Many clients at once.

use std::sync::Barrier;

use super::{APPLY, Fleet, add, apply, get, post, request};
use crate::place::Place;
use crate::service::process::Service;
use wasmigrate_test_server::{Cluster, Durability};

/// A data-only migration, which nothing keeps from being run twice but the host.
fn counted() -> Fleet {
    let fleet = Fleet::new();
    fleet.write("ref/1.sql", "create table ran (who text);\n");
    fleet
}

fn together(services: &[&Service], clients: usize) {
    let barrier = Barrier::new(clients);
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (barrier, service) = (&barrier, services[number % services.len()]);
            scope.spawn(move || {
                barrier.wait();
                let answer = post(service, "/v1/migrations", APPLY);
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
}

#[test]
fn simultaneous_applies_apply_once_and_all_are_answered() {
    let fleet = counted();
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    for (round, clients) in [(2, 2), (3, 10)] {
        fleet.write(
            &format!("ref/{round}.sql"),
            "insert into ran values ('single'); select pg_sleep(0.2);\n",
        );
        fleet.write(
            &format!("tenants/{round}.sql"),
            "insert into ran values ('tenant');\n",
        );
        together(&[&service], clients);
        for who in ["single", "tenant"] {
            let count = fleet.count(&format!("ran WHERE who = '{who}'"));
            assert_eq!(count, round - 1, "{who}, {clients} clients");
        }
    }
}

#[test]
fn two_hosts_apply_once_and_both_answer() {
    let fleet = counted();
    let (first, second) = (fleet.serve(), fleet.serve());
    apply(&first);
    fleet.write(
        "ref/2.sql",
        "insert into ran values ('single'); select pg_sleep(0.2);\n",
    );
    together(&[&first, &second], 4);
    assert_eq!(fleet.count("ran"), 1);
}

#[test]
fn five_hundred_looks_take_a_few_connections() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    let of_the_service = "pg_stat_activity WHERE usename = 'app' AND datname = current_database()
                          AND pid <> pg_backend_pid()";
    let mut most = 0;
    for number in 0..500 {
        let path = [
            "/v1/migrations/source",
            "/v1/migrations/applied",
            "/v1/tenants",
        ][number % 3];
        let answer = get(&service, path);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        if number % 25 == 0 {
            most = most.max(fleet.count(of_the_service));
        }
    }
    assert!(most <= 4, "{most} connections");
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                for path in ["/v1/migrations/applied", "/v1/tenants"] {
                    assert_eq!(get(&service, path).status, 200);
                }
            });
        }
        for _ in 0..20 {
            most = most.max(fleet.count(of_the_service));
        }
    });
    // One for each of the 40 would be too many; those that are about to end are listed a moment longer.
    assert!(most <= 20, "{most} connections");
}

#[test]
fn looks_change_nothing_and_make_nothing() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let fleet = Fleet::at(Place::on(&cluster)).with_files();
    let service = fleet.serve();
    let look = || {
        for path in [
            "/",
            "/v1/config",
            "/v1/migrations/source",
            "/v1/migrations/applied",
            "/v1/tenants",
        ] {
            let answer = request("GET", path, "").send(service.address());
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    };
    // On an empty database, which may only be read.
    let database = fleet.place.server_database().to_owned();
    let read_only = |on: bool| {
        let mut superuser = fleet.place.connect_as_superuser();
        superuser.run("SET default_transaction_read_only = off");
        let sql = format!("ALTER DATABASE {database} SET default_transaction_read_only = {on}");
        superuser.run(&sql);
    };
    read_only(true);
    look();
    assert!(fleet.place.is_untouched());
    read_only(false);
    apply(&service);
    let before = fleet.place.everything();
    read_only(true);
    look();
    assert_eq!(fleet.place.everything(), before);
}
