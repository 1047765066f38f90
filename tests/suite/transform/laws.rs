//! What holds for every table: the result is the function's of each row, however the work is split, and reset undoes all.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Customer, customers, expected, insert, normalized, place_with};
use crate::place::Place;

fn text() -> impl Strategy<Value = String> {
    "[ a-zA-ZäöüßÉ€😀'\"\\\\{},\n\t%_-]{0,14}"
}

fn customer() -> impl Strategy<Value = Customer> {
    let number = prop_oneof![
        Just(0),
        Just(i64::from(i32::MAX)),
        -1_000_000_000_000..1_000_000_000_000_i64
    ];
    (text(), proptest::option::of(text()), number.clone(), number).prop_map(
        |(name, email, debit, credit)| Customer {
            name,
            email,
            debit,
            credit,
        },
    )
}

#[test]
fn whatever_the_rows_and_however_the_work_is_split() {
    let cases = (
        proptest::collection::vec(customer(), 0..400),
        1..5_u32,
        prop_oneof![Just(1), Just(200)],
    );
    let mut runner = TestRunner::new(Config {
        cases: 10,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&cases, |(customers, workers, milliseconds)| {
            let place = place_with(&customers)
                .with_variable("WASMIGRATE_TRANSFORM_WORKERS", &workers.to_string())
                .with_variable(
                    "WASMIGRATE_TRANSFORM_CHUNK_MILLISECONDS",
                    &milliseconds.to_string(),
                );
            obeys(&place, &customers);
            Ok(())
        })
        .unwrap();
}

/// Migrates, resets, migrates again and finalizes.
fn obeys(place: &Place, customers: &[Customer]) {
    let before = place.content();
    place.run(&["migrate"]).ends_with(0);
    let migrated = derived(place);
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.content(), before, "reset undoes everything");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(derived(place), migrated, "migrate does the same again");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(place, "id"), expected(customers));
    place.is_whole();
    let columns = Place::in_sql_of(
        "SELECT name || CASE \"notnull\" WHEN 1 THEN ' not null' ELSE '' END FROM pragma_table_info('customer') ORDER BY name",
        "SELECT attname || CASE WHEN attnotnull THEN ' not null' ELSE '' END FROM pg_attribute
         WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname",
    );
    assert_eq!(
        place.texts(columns),
        [
            "balance not null",
            "email",
            "family_name not null",
            "given_name",
            "id not null",
            "name not null"
        ]
    );
    let ours = Place::in_sql_of(
        "SELECT name FROM sqlite_master WHERE name LIKE 'capture%'",
        "SELECT relname FROM pg_class WHERE relname LIKE 'capture%'
         UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'
         UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'capture%'",
    );
    assert!(place.texts(ours).is_empty());
}

/// The derived columns before the finalize.
fn derived(place: &Place) -> Vec<Vec<Option<String>>> {
    place
        .connect()
        .rows("SELECT id, given_name, family_name, address, balance FROM customer ORDER BY id")
}

#[test]
fn a_limit_on_the_rate_is_kept_and_changes_nothing_else() {
    let customers = customers(600);
    let place = place_with(&customers);
    let began = std::time::Instant::now();
    place
        .run(&["migrate", "--max-rows-per-second", "500"])
        .ends_with(0);
    // The first fifth of a second's rows cost nothing.
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&customers));
}

#[test]
fn what_the_application_writes_meanwhile_is_transformed_at_the_finalize() {
    let mut all = customers(300);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    let mut application = place.connect();
    let new: Vec<Customer> = (301..=450).map(Customer::numbered).collect();
    insert(&mut application, 301, &new);
    all.extend(new);
    application.run("UPDATE customer SET name = 'Ada Lovelace' WHERE id % 3 = 0");
    application.run("UPDATE customer SET credit = credit + 1000 WHERE id % 5 = 0");
    application.run("DELETE FROM customer WHERE id % 11 = 0");
    application.run("UPDATE customer SET id = id + 10000 WHERE id % 13 = 0");
    drop(application);
    let mut expected: Vec<(i64, Customer)> = (1..).zip(all).collect();
    for (id, customer) in &mut expected {
        if *id % 3 == 0 {
            customer.name = "Ada Lovelace".to_owned();
        }
        if *id % 5 == 0 {
            customer.credit += 1_000;
        }
    }
    expected.retain(|(id, _)| id % 11 != 0);
    for (id, _) in &mut expected {
        if *id % 13 == 0 {
            *id += 10_000;
        }
    }
    expected.sort_by_key(|(id, _)| *id);
    place.run(&["finalize"]).ends_with(0);
    let expected: Vec<_> = expected
        .iter()
        .map(|(_, customer)| customer.normalized())
        .collect();
    assert_eq!(normalized(&place, "id"), expected);
}

#[test]
fn several_steps_follow_each_other_and_end_together() {
    let all = customers(200);
    let place = place_with(&all)
        .with_sql(
            "0002_index.sql",
            "-- wasmigrate:migrate\nCREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);
             UPDATE customer SET name = name || 'x' WHERE id <= 50;
             -- wasmigrate:finalize\nCREATE INDEX customer_balance ON customer (balance);
             -- wasmigrate:reset\nDROP TABLE note;
             UPDATE customer SET name = substr(name, 1, length(name) - 1) WHERE id <= 50;",
        )
        .with_guest("0003_shout.wasm", "shout")
        .with_data("CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL); INSERT INTO word VALUES (1, 'a'), (2, 'b')");
    let before = place.content();
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.content(), before);
    place.run(&["finalize"]).ends_with(0);
    let mut all = all;
    for customer in all.iter_mut().take(50) {
        customer.name.push('x');
    }
    assert_eq!(normalized(&place, "id"), expected(&all));
    assert_eq!(
        place.texts("SELECT shout FROM word ORDER BY id"),
        ["A", "B"]
    );
    let index = Place::in_sql_of(
        "SELECT count(*) FROM sqlite_master WHERE name = 'customer_balance'",
        "SELECT count(*) FROM pg_class WHERE relname = 'customer_balance'",
    );
    assert_eq!(place.one::<i64>(index), 1);
}
