//! The application touches rows without changing what the function sees of them: a counter, a time, or an update that sets
//! what is there. Nothing captures that, and whoever has read such a row cannot tell it from one that did change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Customer, customers, left_out};
use crate::application::Application;
use crate::crash::point::Seed;
use crate::place::Place;

const ROWS: i64 = 300_000;
const CLIENTS: i64 = 3;

/// So many rows with neighbouring numbers belong to one client, so that none waits for another.
const BLOCK: i64 = 100;

/// What a client thinks about between two statements.
const PAUSE: Duration = Duration::from_millis(1);

fn patient(place: &Place) -> Application {
    let application = place.connect();
    if let Application::Sqlite(connection) = &application {
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
    }
    application
}

struct Client {
    application: Application,
    seed: Seed,
    number: i64,
    /// How often it has counted a row.
    counted: u64,
    renamed: BTreeMap<i64, Customer>,
}

impl Client {
    fn new(place: &Place, number: i64) -> Self {
        Self {
            application: patient(place),
            seed: Seed::new(),
            number,
            counted: 0,
            renamed: BTreeMap::new(),
        }
    }

    fn below(&self, limit: i64) -> i64 {
        i64::try_from(self.seed.next() >> 1).unwrap() % limit
    }

    /// The first row of one of its blocks.
    fn block(&self) -> i64 {
        let blocks = ROWS / BLOCK / CLIENTS;
        (self.below(blocks) * CLIENTS + self.number) * BLOCK + 1
    }

    fn count(&mut self, set: &str, first: i64, last: i64) {
        let statement =
            format!("UPDATE customer SET {set}seen = seen + 1 WHERE id BETWEEN {first} AND {last}");
        self.counted += self.application.change(&statement);
    }

    fn touch(&mut self) {
        let first = self.block();
        let one = first + self.below(BLOCK);
        match self.below(10) {
            0 => self.count("", first, first + BLOCK - 1),
            1 => self.count("name = name, ", one, one),
            // Touched again and again while it waits to be computed anew.
            2 => {
                let name = format!("Ann B. {}", self.below(1_000));
                // Refused once the old columns are gone: nobody computes anything any more then.
                let rename = self.application.try_run(&format!(
                    "UPDATE customer SET name = '{name}', debit = debit WHERE id = {one}"
                ));
                match rename {
                    Ok(()) => {
                        let before = self.renamed.remove(&one);
                        let customer = before.unwrap_or_else(|| Customer::original(one));
                        self.renamed.insert(one, Customer { name, ..customer });
                    }
                    Err(error) => assert!(error.contains("debit"), "{error}"),
                }
                for _ in 0..10 {
                    self.count("", one, one);
                }
            }
            _ => self.count("", one, one),
        }
    }
}

fn is_exact_beside_such_an_application(migrate: &[&str]) {
    let place = customers::on(
        Place::new().with_data(Place::in_sql_of("PRAGMA journal_mode = WAL", "SELECT 1")),
        ROWS,
    )
    .with_data("ALTER TABLE customer ADD COLUMN seen BIGINT NOT NULL DEFAULT 0");
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(&place, number))
        .collect();
    for command in [migrate, &["finalize"]] {
        let is_over = AtomicBool::new(false);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        client.touch();
                        std::thread::sleep(PAUSE);
                    }
                });
            }
            let said = place.run(command);
            is_over.store(true, Ordering::Relaxed);
            said.ends_with(0);
        });
        let counted: u64 = clients.iter().map(|client| client.counted).sum();
        println!(
            "{command:?} in {:?}, {counted} rows touched",
            began.elapsed()
        );
    }
    let counted: u64 = clients.iter().map(|client| client.counted).sum();
    assert!(counted > 1_000, "{counted} rows were touched");
    assert_eq!(
        place.one::<u64>("SELECT CAST(sum(seen) AS BIGINT) FROM customer"),
        counted
    );
    let mut renamed = BTreeMap::new();
    for client in clients {
        renamed.extend(client.renamed);
    }
    let all = (1..=ROWS).map(|id| {
        let customer = renamed.remove(&id);
        (id, customer.unwrap_or_else(|| Customer::original(id)))
    });
    customers::are_exact(&place, customers::FINALIZED, all);
    customers::no_capture_is_left(&place);
    place.is_whole();
}

#[test]
fn every_row_is_exact_beside_an_application_that_touches_what_the_function_does_not_see() {
    is_exact_beside_such_an_application(&["migrate"]);
}

#[test]
fn every_row_is_exact_beside_such_an_application_at_a_limited_rate() {
    is_exact_beside_such_an_application(&["migrate", "--max-rows-per-second", "60000"]);
}

/// Into so many parts a table is split whose rows are touched in turn.
const PARTS: i64 = 100;

/// Most updates of an object-relational mapper set what is there already.
#[test]
fn a_value_that_may_be_null_is_not_lost_to_updates_that_change_nothing() {
    let place = left_out::words(2_000);
    let mut application = patient(&place);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in (0..PARTS).cycle() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                application.run(&format!(
                    "UPDATE word SET id = id WHERE id % {PARTS} = {part}"
                ));
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let said = place.run(&["migrate", "--max-rows-per-second", "1000"]);
        is_over.store(true, Ordering::Relaxed);
        said.ends_with(0);
    });
    place.run(&["finalize"]).ends_with(0);
    left_out::are_spelled(&place, 2_000);
}
