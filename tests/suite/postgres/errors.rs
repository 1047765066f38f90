//! What a step learns of an error, and what its author reads: SQLSTATE, table, column and constraint.

use crate::hostile::component::{Component, must, sql};
use crate::place::Place;

const TABLES: &str = "CREATE TABLE parent (id integer PRIMARY KEY, name varchar(3) NOT NULL, few smallint,
        share numeric(3,1), CONSTRAINT is_few CHECK (few < 10));
    CREATE TABLE child (parent integer CONSTRAINT has_parent REFERENCES parent);
    CREATE DOMAIN positive AS integer CONSTRAINT is_positive CHECK (VALUE > 0);
    CREATE TABLE counted (count positive);
    CREATE TABLE alone (during int4range, CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
    INSERT INTO parent VALUES (1, 'Ada', 1, 1.5);";

/// Runs a step made of these calls, which fails; returns the journal's record of the failure.
#[track_caller]
fn failure(component: Component) -> serde_json::Value {
    let place = Place::new().with_data(TABLES);
    let before = place.content();
    place.write_step("0001_fails.wasm", &component.build());
    place.run(&["migrate"]).ends_with(1);
    assert_eq!(place.content(), before);
    let error: String = place.one("SELECT error FROM wasmigrate_attempt");
    serde_json::from_str(&error).unwrap()
}

#[test]
fn an_error_names_what_it_is_about() {
    for (statement, kind, code, words, about) in [
        (
            "INSERT INTO parent VALUES (1, 'Eve', 1)",
            "constraint",
            "23505",
            "duplicate key value",
            "parent..parent_pkey",
        ),
        (
            "INSERT INTO parent VALUES (2, NULL, 1)",
            "constraint",
            "23502",
            "null value in column",
            "parent.name.",
        ),
        (
            "INSERT INTO parent VALUES (2, 'Eve', 11)",
            "constraint",
            "23514",
            "check constraint",
            "parent..is_few",
        ),
        (
            "INSERT INTO child VALUES (7)",
            "constraint",
            "23503",
            "foreign key",
            "child..has_parent",
        ),
        (
            "INSERT INTO counted VALUES (-1)",
            "constraint",
            "23514",
            "positive",
            "..is_positive",
        ),
        (
            "INSERT INTO alone VALUES ('[1,3)'), ('[2,4)')",
            "constraint",
            "23P01",
            "exclusion constraint",
            "alone..no_overlap",
        ),
        (
            "INSERT INTO parent VALUES (2, 'Grace', 1)",
            "database",
            "22001",
            "value too long",
            "..",
        ),
        (
            "INSERT INTO parent VALUES (2, 'Eve', 1, 100)",
            "database",
            "22003",
            "numeric field overflow",
            "..",
        ),
        (
            "SELECT 1 / 0",
            "database",
            "22012",
            "division by zero",
            "..",
        ),
        (
            "SELECT missing FROM parent",
            "database",
            "42703",
            "does not exist",
            "..",
        ),
        ("SELEKT", "database", "42601", "syntax error", ".."),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'mine' USING ERRCODE = 'WM001', TABLE = 'a', COLUMN = 'b', CONSTRAINT = 'c'; END $$",
            "database",
            "WM001",
            "mine",
            "a.b.c",
        ),
    ] {
        let failure = failure(Component::migrating(sql(statement)));
        assert_eq!(failure["code"], kind, "{statement}: {failure}");
        assert_eq!(failure["statement"], statement);
        let error = &failure["database"];
        assert_eq!(error["code"], code, "{failure}");
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{failure}"
        );
        let name = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [name("table"), name("column"), name("constraint")].join("."),
            about,
            "{failure}"
        );
    }
}

#[test]
fn details_and_hints_are_kept() {
    let failure = failure(Component::migrating(sql(
        "DO $$ BEGIN RAISE EXCEPTION 'mine' USING DETAIL = 'the detail', HINT = 'the hint'; END $$",
    )));
    assert_eq!(failure["database"]["detail"], "the detail");
    assert_eq!(failure["database"]["hint"], "the hint");
}

/// A value of the case `text`, with these bytes, as the only parameter of a statement.
fn with_text(statement: &str, text: &[u8]) -> Component {
    let mut component = Component::new();
    let address = component.put(text);
    let body = format!(
        "(i32.store8 (i32.const 3072) (i32.const 4))
         (i32.store (i32.const 3080) (i32.const {address}))
         (i32.store (i32.const 3084) (i32.const {}))
         (call $execute {{{{{statement}}}}} (i32.const 3072) (i32.const 1) (i32.const 1024))
         (if (call $refused) (then (return (call $give_up))))",
        text.len()
    );
    component.with("migrate", body)
}

#[test]
fn a_nul_in_a_text_is_refused() {
    let failure = failure(with_text("INSERT INTO parent VALUES (2, $1)", b"a\0b"));
    assert_eq!(failure["database"]["code"], "22021");
}

#[test]
fn a_text_that_is_no_value_of_the_type_is_refused() {
    for (statement, text, code) in [
        ("INSERT INTO child VALUES ($1)", &b"many"[..], "22P02"),
        ("INSERT INTO child VALUES ($1)", b"99999999999", "22003"),
        ("SELECT $1::uuid", b"not a uuid", "22P02"),
        ("SELECT $1::date", b"2023-02-29", "22008"),
        ("SELECT $1::jsonb", b"{", "22P02"),
        ("SELECT $1::bytea", b"\\xz", "22023"),
        ("SELECT $1::bytea", b"\\x0", "22023"),
    ] {
        let failure = failure(with_text(statement, text));
        assert_eq!(failure["database"]["code"], code, "{statement}: {failure}");
        assert_eq!(failure["statement"], statement);
    }
}

#[test]
fn a_wrong_number_of_parameters_is_told_in_plain_words() {
    for (statement, words) in [
        (
            "INSERT INTO parent VALUES ($1, $2)",
            "the statement has 2 parameters, but 1 values were given",
        ),
        (
            "INSERT INTO parent VALUES (3, 'Eve')",
            "the statement has 0 parameters, but 1 values were given",
        ),
    ] {
        let failure = failure(with_text(statement, b"2"));
        assert_eq!(failure["blame"], "step");
        assert_eq!(failure["database"]["message"], words);
    }
    let failure = failure(Component::migrating(sql("SELECT $1::text")));
    assert_eq!(
        failure["database"]["message"],
        "the statement has 1 parameters, but 0 values were given"
    );
}

/// A call with a batch of one column of whole numbers.
fn with_numbers(call: &str, table: &str, column: &str, numbers: &[i64]) -> Component {
    let mut component = Component::new();
    let cells: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let cells = component.put(&cells);
    let data = component.put(&crate::hostile::batches::column(
        1,
        &[],
        &[(cells, numbers.len())],
    ));
    let text = component.put(column.as_bytes());
    let names: Vec<u8> = [text, column.len()]
        .iter()
        .flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes())
        .collect();
    let names = component.put(&names);
    let body = match call {
        "load" => must(&format!(
            "$load {{{{{table}}}}} (i32.const {names}) (i32.const {}) (i32.const {data})",
            numbers.len()
        )),
        _ => must(&format!(
            "$many {{{{INSERT INTO {table} ({column}) VALUES ($1)}}}} (i32.const {}) (i32.const {data}) (i32.const 1)",
            numbers.len()
        )),
    };
    component.with("migrate", body)
}

#[test]
fn a_number_that_is_too_large_names_its_row() {
    let many = failure(with_numbers("many", "parent", "few", &[1, 2, 40_000]));
    // The first row lacks what must not be null, but the server reads the values before.
    assert!(
        many["database"]["message"]
            .as_str()
            .unwrap()
            .contains("row 1 of the batch"),
        "{many}"
    );
    let load = failure(with_numbers(
        "load",
        "counted",
        "count",
        &[1, 2, 3_000_000_000],
    ));
    assert!(
        load["database"]["message"]
            .as_str()
            .unwrap()
            .contains("out of range"),
        "{load}"
    );
    let load = failure(with_numbers("load", "parent", "few", &[1, 2, 40_000]));
    assert_eq!(
        load["database"]["message"],
        "row 3 of the batch: 40000 is out of range for a column of type smallint"
    );
}

#[test]
fn a_number_that_is_too_large_far_down_a_long_batch_is_found() {
    // More than goes into one message, so that the server has read of it when it is found.
    let mut numbers = vec![1; 200_000];
    numbers.push(40_000);
    let load = failure(with_numbers("load", "parent", "few", &numbers));
    assert_eq!(
        load["database"]["message"],
        "row 200001 of the batch: 40000 is out of range for a column of type smallint"
    );
}

#[test]
fn a_load_that_was_refused_can_be_swallowed_under_a_savepoint() {
    let place = Place::new().with_data(TABLES);
    for (number, cells) in [(1, &[1, 40_000][..]), (2, &[1, 2])] {
        // Refused by the host the first time, and by the server the second.
        let component = with_numbers("load", "parent", "few", cells);
        let load = component
            .body("migrate")
            .replace("(return (call $give_up))", "");
        let body = must("$savepoint")
            + "(local.set $handle (call $value))"
            + &load
            + "(call $drop_savepoint (local.get $handle))"
            + &sql(&format!("INSERT INTO parent VALUES (1{number}, 'Eve')"));
        place.write_step(
            &format!("000{number}_load.wasm"),
            &component.with("migrate", body).build(),
        );
    }
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT id FROM parent ORDER BY id"),
        ["1", "11", "12"]
    );
}
