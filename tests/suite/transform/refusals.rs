//! What cannot be transformed is refused before anything changes, with what to do.

use super::{COLUMNS, customers, insert};
use crate::place::Place;

fn refused(schema: &str, why: &str) {
    let place = Place::new()
        .with_data(schema)
        .with_guest("0001_normalize.wasm", "normalize");
    let before = place.content();
    place.run(&["migrate"]).ends_with(2).and_says(why);
    assert_eq!(place.content(), before);
}

#[test]
fn a_table_that_is_not_there() {
    refused(
        "CREATE TABLE other (id INTEGER)",
        "there is no table `customer`",
    );
}

#[test]
fn a_view() {
    refused(
        &format!(
            "CREATE TABLE people (id BIGINT PRIMARY KEY, {COLUMNS}); CREATE VIEW customer AS SELECT * FROM people"
        ),
        "there is no table `customer`",
    );
}

#[test]
fn a_table_without_a_key() {
    refused(
        &format!("CREATE TABLE customer (id BIGINT, {COLUMNS})"),
        "the table `customer` has no primary key: add one, or let the transformation name columns that are unique",
    );
}

#[test]
fn a_column_that_is_not_there() {
    refused(
        "CREATE TABLE customer (id BIGINT PRIMARY KEY, name TEXT, email TEXT, debit BIGINT)",
        "the table `customer` has no column `credit`",
    );
}

#[test]
fn a_column_that_is_there_already() {
    refused(
        &format!("CREATE TABLE customer (id BIGINT PRIMARY KEY, {COLUMNS}, balance BIGINT)"),
        "the table `customer` has a column `balance` already",
    );
}

#[test]
fn a_table_that_an_earlier_step_makes_is_looked_at_when_it_is_there() {
    let place = Place::new()
        .with_sql(
            "0001_make.sql",
            &format!("CREATE TABLE customer (id BIGINT PRIMARY KEY NOT NULL, {COLUMNS})"),
        )
        .with_guest("0002_normalize.wasm", "normalize");
    place.run(&["migrate"]).ends_with(0);
    insert(&mut place.connect(), 1, &customers(10));
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(balance) FROM customer"), 10);
}

mod sqlite {
    use super::*;

    #[test]
    fn a_row_whose_key_is_null() {
        let schema = format!(
            "CREATE TABLE customer (id TEXT PRIMARY KEY, {COLUMNS}); INSERT INTO customer VALUES (NULL, 'a', NULL, 1, 2)"
        );
        refused(&schema, "has no key, so that nothing names it");
    }
}

mod postgres {
    use super::*;

    #[test]
    fn a_view_that_needs_a_column_that_goes_is_told_of_at_migrate() {
        let place = Place::new()
            .with_data(&format!(
                "CREATE TABLE customer (id BIGINT PRIMARY KEY, {COLUMNS}); CREATE VIEW debts AS SELECT debit FROM customer"
            ))
            .with_guest("0001_normalize.wasm", "normalize");
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("cannot drop column debit of table customer")
            .and_says("view debts depends on");
        assert_eq!(place.content(), before);
        place.run(&["reset"]).ends_with(0);
    }
}
