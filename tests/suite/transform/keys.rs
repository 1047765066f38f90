//! Rows are named by keys of every kind.

use super::{COLUMNS, customers, expected, normalized};
use crate::place::Place;

/// Transforms a table whose key is of this kind, with rows that are changed between migrate and finalize.
fn transforms(key: &str, constraint: &str, value: impl Fn(i64) -> String, order: &str) {
    transforms_in(Place::new(), key, constraint, value, order);
}

/// The same in a place where there is something already.
fn transforms_in(
    place: Place,
    key: &str,
    constraint: &str,
    value: impl Fn(i64) -> String,
    order: &str,
) {
    let place = place
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
    use super::{transforms, transforms_in};
    use crate::place::Place;

    /// Operators that fit a column better than the database's own, and would be taken for them by their bare names.
    const OTHER_OPERATORS: &str = "
        CREATE FUNCTION is_no_comparison(one varchar, other varchar) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'an operator of the application';
        END $$;
        CREATE OPERATOR = (FUNCTION = is_no_comparison, LEFTARG = varchar, RIGHTARG = varchar);
        CREATE OPERATOR < (FUNCTION = is_no_comparison, LEFTARG = varchar, RIGHTARG = varchar);
        CREATE OPERATOR > (FUNCTION = is_no_comparison, LEFTARG = varchar, RIGHTARG = varchar);
        CREATE OPERATOR <= (FUNCTION = is_no_comparison, LEFTARG = varchar, RIGHTARG = varchar);
        CREATE OPERATOR >= (FUNCTION = is_no_comparison, LEFTARG = varchar, RIGHTARG = varchar);";

    #[test]
    fn by_a_text_for_which_the_application_has_operators_of_its_own() {
        transforms_in(
            Place::new().with_data(OTHER_OPERATORS),
            "code VARCHAR(20) PRIMARY KEY",
            "",
            |number| format!("'code {number}'"),
            "code",
        );
        transforms_in(
            Place::new().with_data(OTHER_OPERATORS),
            "code VARCHAR(20), number BIGINT",
            ", PRIMARY KEY (code, number)",
            |number| format!("'code {}', {number}", number % 7),
            "number",
        );
    }

    #[test]
    fn by_a_type_whose_operators_are_in_a_schema_that_nobody_looks_into() {
        let place = || {
            let place = Place::new();
            // Bytes in descending order: only its own operators agree with its index.
            place.connect_as_superuser().run(
                "CREATE SCHEMA apart; GRANT USAGE ON SCHEMA apart TO PUBLIC; CREATE TYPE apart.word;
                 CREATE FUNCTION apart.word_in(cstring) RETURNS apart.word IMMUTABLE STRICT LANGUAGE internal AS 'byteain';
                 CREATE FUNCTION apart.word_out(apart.word) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'byteaout';
                 CREATE TYPE apart.word (INPUT = apart.word_in, OUTPUT = apart.word_out, LIKE = bytea);
                 CREATE FUNCTION apart.below(apart.word, apart.word) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'byteagt';
                 CREATE FUNCTION apart.below_or_same(apart.word, apart.word) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'byteage';
                 CREATE FUNCTION apart.same(apart.word, apart.word) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'byteaeq';
                 CREATE FUNCTION apart.above_or_same(apart.word, apart.word) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'byteale';
                 CREATE FUNCTION apart.above(apart.word, apart.word) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS 'bytealt';
                 CREATE OPERATOR apart.< (FUNCTION = apart.below, LEFTARG = apart.word, RIGHTARG = apart.word);
                 CREATE OPERATOR apart.<= (FUNCTION = apart.below_or_same, LEFTARG = apart.word, RIGHTARG = apart.word);
                 CREATE OPERATOR apart.= (FUNCTION = apart.same, LEFTARG = apart.word, RIGHTARG = apart.word);
                 CREATE OPERATOR apart.>= (FUNCTION = apart.above_or_same, LEFTARG = apart.word, RIGHTARG = apart.word);
                 CREATE OPERATOR apart.> (FUNCTION = apart.above, LEFTARG = apart.word, RIGHTARG = apart.word);
                 CREATE FUNCTION apart.compare(apart.word, apart.word) RETURNS integer IMMUTABLE STRICT LANGUAGE sql AS
                   'SELECT CASE WHEN $1 OPERATOR(apart.<) $2 THEN -1 WHEN $1 OPERATOR(apart.=) $2 THEN 0 ELSE 1 END';
                 CREATE OPERATOR CLASS apart.words DEFAULT FOR TYPE apart.word USING btree AS OPERATOR 1 apart.<, OPERATOR 2 apart.<=,
                   OPERATOR 3 apart.=, OPERATOR 4 apart.>=, OPERATOR 5 apart.>, FUNCTION 1 apart.compare(apart.word, apart.word);
                 CREATE DOMAIN apart.short_word AS apart.word",
            );
            place
        };
        for key in ["apart.word", "apart.short_word"] {
            transforms_in(
                place(),
                &format!("word {key} NOT NULL PRIMARY KEY"),
                "",
                |number| format!("'word {}'", number * 7_919 % 1_009),
                "word",
            );
            // Beside another type, whose operators are the database's.
            transforms_in(
                place(),
                &format!("word {key} NOT NULL, number BIGINT"),
                ", PRIMARY KEY (word, number)",
                |number| format!("'word {}', {number}", number % 7),
                "number",
            );
        }
    }

    #[test]
    fn by_a_domain() {
        transforms_in(
            Place::new().with_data("CREATE DOMAIN code AS VARCHAR(20) CHECK (VALUE <> '')"),
            "code code PRIMARY KEY",
            "",
            |number| format!("'code {number}'"),
            "code",
        );
    }

    #[test]
    fn by_an_array() {
        for (kind, value) in [
            ("INT", "ARRAY[NUMBER, 7]"),
            ("TEXT", r#"ARRAY['a', '{\\\", NUMBER']"#),
            ("UUID", "ARRAY[md5('NUMBER')::uuid]"),
            ("INT[]", "ARRAY[ARRAY[NUMBER, 1], ARRAY[2, 3]]"),
        ] {
            transforms(
                &format!("id {kind}[] PRIMARY KEY"),
                "",
                |number| value.replace("NUMBER", &number.to_string()),
                "id",
            );
        }
        transforms(
            "id INT[], number BIGINT",
            ", PRIMARY KEY (id, number)",
            |number| format!("ARRAY[{}], {number}", number % 7),
            "number",
        );
    }

    #[test]
    fn by_fields() {
        for kind in ["pair", "named_pair"] {
            let place = || {
                Place::new().with_data(
                    "CREATE TYPE pair AS (number INT, name TEXT); CREATE DOMAIN named_pair AS pair CHECK (VALUE IS NOT NULL)",
                )
            };
            transforms_in(
                place(),
                &format!("id {kind} PRIMARY KEY"),
                "",
                |number| format!("ROW({}, 'a\"({number}')", number % 7),
                "id",
            );
            transforms_in(
                place(),
                &format!("id {kind}, number BIGINT"),
                ", PRIMARY KEY (id, number)",
                |number| format!("ROW({}, ','), {number}", number % 7),
                "number",
            );
        }
    }

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
