//! Rows are named by keys of every kind.

use super::{COLUMNS, customers, expected, normalized};
use crate::place::Place;

/// Transforms a table whose key is of this kind, with rows that are changed between migrate and finalize.
fn transforms(key: &str, constraint: &str, value: impl Fn(i64) -> String, order: &str) {
    let place = Place::new()
        .with_data(&format!(
            "CREATE TABLE customer ({key}, {COLUMNS}{constraint})"
        ))
        .with_guest("0001_normalize.wasm", "normalize")
        // Several chunks and ranges.
        .with_variable("WASMIGRATE_TRANSFORM_CHUNK_MILLISECONDS", "1");
    let mut all = customers(300);
    let mut application = place.connect();
    for (number, customer) in (1..).zip(&all) {
        application.run(&format!(
            "INSERT INTO customer VALUES ({}, {})",
            value(number),
            customer.values()
        ));
    }
    place.run(&["migrate"]).ends_with(0);
    application.run("UPDATE customer SET credit = 5000 WHERE debit % 3 = 0");
    drop(application);
    for customer in &mut all {
        if customer.debit % 3 == 0 {
            customer.credit = 5_000;
        }
    }
    place.run(&["finalize"]).ends_with(0);
    let mut expected = expected(&all);
    let mut found = normalized(&place, order);
    let by_address = |one: &super::Normalized| (one.given_name.clone(), one.balance);
    expected.sort_by_key(by_address);
    found.sort_by_key(by_address);
    assert_eq!(found, expected, "{key}");
}

#[test]
fn by_a_text() {
    transforms(
        "code TEXT NOT NULL PRIMARY KEY",
        "",
        |number| format!("'Kö''\"{{\\{}-{number}'", number % 7),
        "code",
    );
}

#[test]
fn by_several_columns() {
    transforms(
        "region TEXT NOT NULL, number BIGINT NOT NULL, half BOOLEAN NOT NULL",
        ", PRIMARY KEY (region, half, number)",
        |number| {
            let half = Place::in_sql_of(
                if number % 2 == 0 { "1" } else { "0" },
                if number % 2 == 0 { "true" } else { "false" },
            );
            format!("'r{}', {number}, {half}", number % 5)
        },
        "number",
    );
}

#[test]
fn by_bytes() {
    transforms(
        Place::in_sql_of(
            "hash BLOB NOT NULL PRIMARY KEY",
            "hash BYTEA NOT NULL PRIMARY KEY",
        ),
        "",
        |number| {
            Place::in_sql_of("x'HEX'", "'\\xHEX'")
                .replace("HEX", &format!("{:08x}ff00", number * 7_919 % 1_009))
        },
        "hash",
    );
}

#[test]
fn by_a_floating_point_number() {
    transforms(
        "place DOUBLE PRECISION NOT NULL PRIMARY KEY",
        "",
        |number| format!("{}", 1.0 / number as f64),
        "place",
    );
}

mod postgres {
    use super::transforms;

    #[test]
    fn by_a_uuid() {
        transforms(
            "id UUID PRIMARY KEY",
            "",
            |number| format!("md5('{number}')::uuid"),
            "id",
        );
    }

    #[test]
    fn by_a_numeric_and_a_time() {
        transforms(
            "amount NUMERIC(30, 5), at TIMESTAMPTZ",
            ", PRIMARY KEY (at, amount)",
            |number| {
                format!(
                    "{number}.12345, '2024-03-31 00:30:00+00'::timestamptz + interval '{} minutes'",
                    number / 3
                )
            },
            "at, amount",
        );
    }

    #[test]
    fn in_a_partitioned_table() {
        transforms(
            "part BIGINT, number BIGINT",
            ", PRIMARY KEY (part, number)) PARTITION BY LIST (part);
             CREATE TABLE customer_0 PARTITION OF customer FOR VALUES IN (0);
             CREATE TABLE customer_1 PARTITION OF customer FOR VALUES IN (1);
             CREATE TABLE customer_2 PARTITION OF customer FOR VALUES IN (2",
            |number| format!("{}, {number}", number % 3),
            "number",
        );
    }
}

mod sqlite {
    use super::transforms;

    #[test]
    fn by_a_text_whose_case_does_not_count() {
        transforms(
            "code TEXT COLLATE NOCASE NOT NULL PRIMARY KEY",
            "",
            |number| format!("'{}{number}'", if number % 2 == 0 { "a" } else { "A" }),
            "code",
        );
    }
}
