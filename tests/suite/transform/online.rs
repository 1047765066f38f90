//! The application goes on working while its rows are transformed, and never notices.
//!
//! Several clients insert, change and delete rows through migrate and finalize, and each remembers what it left. Afterwards
//! every row must have exactly what the function makes of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Customer, customers};
use crate::application::Application;
use crate::crash::point::Seed;
use crate::hosts::host::until;
use crate::place::Place;
use crate::service::process::Service;

const CLIENTS: i64 = 4;

/// What a client thinks about between two statements.
const PAUSE: Duration = Duration::from_millis(2);

/// One who works with every row whose number leaves the same remainder.
struct Client {
    application: Application,
    seed: Seed,
    customers: BTreeMap<i64, Customer>,
    next: i64,
    statements: u64,
    longest: Duration,
}

impl Client {
    fn new(place: &Place, number: i64, rows: i64) -> Self {
        let mut application = place.connect();
        if let Application::Sqlite(connection) = &application {
            connection.busy_timeout(Duration::from_secs(60)).unwrap();
        } else {
            application.run("SET lock_timeout = '60s'");
        }
        let first = (1..=rows).filter(|id| id % CLIENTS == number);
        Self {
            application,
            seed: Seed::new(),
            customers: first.map(|id| (id, Customer::original(id))).collect(),
            next: rows * 10 + number,
            statements: 0,
            longest: Duration::ZERO,
        }
    }

    /// Works until the old columns are gone.
    fn work(&mut self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) && self.one_statement() {
            std::thread::sleep(PAUSE);
        }
    }

    fn number(&mut self, below: u64) -> u64 {
        self.seed.next() % below
    }

    fn new_id(&mut self) -> i64 {
        self.next += CLIENTS;
        self.next
    }

    fn someone(&mut self) -> i64 {
        let place = i64::try_from(self.seed.next() >> 1).unwrap();
        let last = self.customers.last_key_value().map_or(1, |(id, _)| *id);
        let behind = self.customers.range(place % last..).next();
        *behind.or(self.customers.first_key_value()).unwrap().0
    }

    fn someone_new(&mut self) -> Customer {
        Customer {
            name: match self.number(3) {
                0 => "  Solo ".to_owned(),
                1 => format!("Ülkü  {}", self.number(1_000)),
                _ => format!("Ann B. {} ", self.number(1_000)),
            },
            email: match self.number(4) {
                0 => None,
                _ => Some(format!(" Ann{}@EXAMPLE.org", self.number(1_000))),
            },
            debit: i64::try_from(self.number(1_000)).unwrap(),
            credit: i64::try_from(self.number(1_000)).unwrap(),
        }
    }

    /// Returns whether the application could go on.
    fn one_statement(&mut self) -> bool {
        let id = self.someone();
        let customer = self.someone_new();
        let Customer {
            name,
            email,
            debit,
            credit,
        } = &customer;
        let email = email
            .as_ref()
            .map_or("NULL".to_owned(), |email| format!("'{email}'"));
        match self.number(10) {
            0 | 1 => {
                let new = self.new_id();
                let insert = format!(
                    "INSERT INTO customer (id, name, email, debit, credit)
                     VALUES ({new}, '{name}', {email}, {debit}, {credit})"
                );
                self.run(&insert) && self.customers.insert(new, customer).is_none()
            }
            2 => self.run(&format!("DELETE FROM customer WHERE id = {id}")) && self.customers.remove(&id).is_some(),
            // To a number behind the last that the host goes through, or among those that it has gone through.
            3 => {
                let new = match self.number(2) {
                    0 => self.new_id(),
                    _ => (id % CLIENTS) - CLIENTS * i64::try_from(self.number(1_000_000_000) + 1).unwrap(),
                };
                let is_free = !self.customers.contains_key(&new);
                !is_free
                    || self.run(&format!("UPDATE customer SET id = {new} WHERE id = {id}")) && {
                        let moved = self.customers.remove(&id).unwrap();
                        self.customers.insert(new, moved).is_none()
                    }
            }
            // Two rows in any order, which the host must not lock in another.
            5 => {
                let other = self.someone();
                let done = self.run(&format!(
                    "BEGIN; UPDATE customer SET debit = {debit} WHERE id = {id};
                     UPDATE customer SET debit = {debit} WHERE id = {other}; COMMIT;"
                ));
                for id in [id, other].into_iter().filter(|_| done) {
                    self.customers.get_mut(&id).unwrap().debit = customer.debit;
                }
                done
            }
            // Back and forth: what it was is what it is.
            4 => {
                self.run(&format!(
                    "BEGIN; UPDATE customer SET debit = debit + 1 WHERE id = {id};
                     UPDATE customer SET debit = debit - 1 WHERE id = {id}; COMMIT;"
                ))
            }
            _ => {
                self.run(&format!(
                    "UPDATE customer SET name = '{name}', email = {email}, debit = {debit}, credit = {credit} WHERE id = {id}"
                )) && self.customers.insert(id, customer).is_some()
            }
        }
    }

    fn run(&mut self, statement: &str) -> bool {
        let began = Instant::now();
        let result = self.application.try_run(statement);
        self.longest = self.longest.max(began.elapsed());
        match result {
            Ok(()) => {
                self.statements += 1;
                true
            }
            Err(error) => {
                let is_cut_over = ["debit", "email"]
                    .iter()
                    .any(|column| error.contains(column));
                assert!(is_cut_over, "{statement}: {error}");
                // A transaction that failed keeps its locks.
                if statement.starts_with("BEGIN") {
                    self.application.run("ROLLBACK");
                }
                false
            }
        }
    }
}

/// Runs a command while all clients work; returns them, and how many statements they were able to do meanwhile.
fn beside(place: &Place, command: &str, clients: &mut [Client], what: &str) {
    let is_over = AtomicBool::new(false);
    let before: u64 = clients.iter().map(|client| client.statements).sum();
    for client in &mut *clients {
        client.longest = Duration::ZERO;
    }
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in &mut *clients {
            scope.spawn(|| client.work(&is_over));
        }
        let said = place.run(&[command]);
        is_over.store(true, Ordering::Relaxed);
        said.ends_with(0);
    });
    let statements = clients.iter().map(|client| client.statements).sum::<u64>() - before;
    let longest = clients.iter().map(|client| client.longest).max().unwrap();
    println!(
        "{command} of {what} in {:?} beside {statements} statements of {CLIENTS} clients, the longest of which took {longest:?}",
        began.elapsed()
    );
}

fn goes_on_working(rows: i64) {
    let place = customers::on(
        Place::new().with_data(Place::in_sql_of("PRAGMA journal_mode = WAL", "SELECT 1")),
        rows,
    );
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(&place, number, rows))
        .collect();
    let what = format!("{rows} rows");
    beside(&place, "migrate", &mut clients, &what);
    assert!(clients.iter().all(|client| client.statements > 0));
    beside(&place, "finalize", &mut clients, &what);
    let mut all = BTreeMap::new();
    for client in clients {
        all.extend(client.customers);
    }
    customers::are_exact(&place, customers::FINALIZED, all.into_iter());
    customers::no_capture_is_left(&place);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_range"), 0);
    place.is_whole();
}

#[test]
fn the_application_goes_on_working_and_every_row_is_exact() {
    goes_on_working(150_000);
}

/// `cargo xtask test -- --ignored --nocapture a_million_rows`, on a machine that has nothing else to do: the clients should
/// never wait for longer than 250 ms.
#[test]
#[ignore = "takes minutes; prints how long clients wait"]
fn the_application_goes_on_working_with_a_million_rows() {
    goes_on_working(1_000_000);
}

/// The rows that are changed at once, spread over the whole table, and how long the change is not committed.
const PARTS: i64 = 40;
const UNCOMMITTED: Duration = Duration::from_millis(100);

#[test]
fn a_chunk_that_waits_does_not_write_over_what_changed_and_was_drained_meanwhile() {
    let rows = 2_000;
    let place = customers::place(rows);
    let mut application = place.connect();
    let begin = match &application {
        Application::Sqlite(connection) => {
            connection.busy_timeout(Duration::from_secs(60)).unwrap();
            "BEGIN IMMEDIATE"
        }
        _ => "BEGIN",
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in 0..PARTS {
                let mut one = |statement: &str| application.run(statement);
                one(begin);
                one(&format!(
                    "UPDATE customer SET name = 'Ada King', email = 'ADA@example.org', debit = 1, credit = 2
                     WHERE id % {PARTS} = {part}"
                ));
                std::thread::sleep(UNCOMMITTED);
                one("COMMIT");
                std::thread::sleep(UNCOMMITTED / 10);
            }
        });
        let said = place.run(&["migrate", "--max-rows-per-second", "500"]);
        said.ends_with(0);
    });
    place.run(&["finalize"]).ends_with(0);
    let rows = (1..=rows).map(|id| (id, changed()));
    customers::are_exact(&place, customers::FINALIZED, rows);
}

const CAPTURED: &str = "SELECT count(*) FROM capture_of_step_1";

fn changed() -> Customer {
    Customer {
        name: "Ada King".to_owned(),
        email: Some("ADA@example.org".to_owned()),
        debit: 1,
        credit: 2,
    }
}

const CHANGE: &str = "UPDATE customer SET name = 'Ada King', email = 'ADA@example.org', debit = 1, credit = 2 WHERE id <= 1500";

#[test]
fn a_service_drains_what_changes_before_the_finalize_without_being_asked() {
    let place = customers::place(3_000);
    let service = Service::start(&place);
    service.does("migrate");
    place.connect().run(CHANGE);
    assert!(place.one::<i64>(CAPTURED) > 0);
    until("the capture is empty", || place.one::<i64>(CAPTURED) == 0);
    let rows = (1..=3_000).map(|id| match id {
        ..=1_500 => (id, changed()),
        _ => (id, Customer::original(id)),
    });
    customers::are_exact(&place, customers::MIGRATED, rows);
    assert_eq!(service.state(), "finalization_required");
    service.does("finalize");
    customers::no_capture_is_left(&place);
}

#[test]
fn a_service_leaves_what_changes_to_another_host_that_is_at_work() {
    let place = customers::place(3_000);
    place.run(&["migrate"]).ends_with(0);
    let mut application = place.connect();
    application.run(
        "UPDATE wasmigrate_lease SET holder = 'another host', expires_at = 9000000000000000, token = token + 1",
    );
    application.run(CHANGE);
    let captured = place.one::<i64>(CAPTURED);
    assert_eq!(captured, 1_500);
    let service = Service::start(&place);
    // A second service, on another target, shows how long it takes when nobody is at work.
    let other = customers::place(3_000);
    let undisturbed = Service::start(&other);
    undisturbed.does("migrate");
    for _ in 0..2 {
        other.connect().run(CHANGE);
        until("the capture is empty", || other.one::<i64>(CAPTURED) == 0);
    }
    assert_eq!(place.one::<i64>(CAPTURED), captured);
    application.run("UPDATE wasmigrate_lease SET holder = NULL, expires_at = 0");
    until("the capture is empty", || place.one::<i64>(CAPTURED) == 0);
    assert_eq!(service.state(), "finalization_required");
}
