//! Transformations in Python.

use super::place;
use crate::place::Place;

const PEOPLE: &str = r#"import re
from wasmigrate import transform

NOT_DIGITS = re.compile("[^0-9]+")


@transform(table="person", drops=["name"], derives={
    "given_name": "TEXT", "family_name": "TEXT NOT NULL", "e164": {"type": "TEXT", "replaces": "phone"}})
def people(name, phone):
    """splits names and normalises phone numbers"""
    if name == "Nobody":
        raise LookupError(f"no family name in {name}")
    given, space, family = name.strip().rpartition(" ")
    return given.rstrip() if space else None, family, normalised(phone)


def normalised(phone):
    if phone is None:
        return None
    phone = phone.strip()
    digits = NOT_DIGITS.sub("", phone)
    if phone.startswith("+"):
        number = digits
    elif digits.startswith("00"):
        number = digits[2:]
    elif digits.startswith("0"):
        number = "49" + digits[1:]
    else:
        return None
    return "+" + number if 7 <= len(number) <= 15 else None
"#;

fn people(rows: &str) -> Place {
    place()
        .with_data(&format!(
            "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
             INSERT INTO person VALUES {rows}"
        ))
        .with_sql("0001_people.py", PEOPLE)
}

#[test]
fn a_transformation_goes_through_a_table_and_is_finalized() {
    let place = people(
        "(1, 'Ada Lovelace', '0 44 12345'), (2, 'Plato', NULL), (3, 'Ludwig van B', '+49-1 23456')",
    );
    place
        .run(&["inspect", place.step("0001_people.py").to_str().unwrap()])
        .ends_with(0)
        .and_says("splits names and normalises phone numbers")
        .and_says("person: name, phone → given_name TEXT, family_name TEXT NOT NULL, e164 TEXT")
        .and_says("as a pure function");
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run("UPDATE person SET name = 'Ada King' WHERE id = 1");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts(
            "SELECT id || ' ' || coalesce(given_name, '-') || ' ' || family_name || ' ' || coalesce(phone, '-')
             FROM person ORDER BY id"
        ),
        [
            "1 Ada King +494412345",
            "2 - Plato -",
            "3 Ludwig van B +49123456"
        ]
    );
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_row_that_is_refused_is_named_with_the_place() {
    people("(1, 'Ada Lovelace', '0 44'), (2, 'Nobody', NULL)")
        .run(&["migrate"])
        .ends_with(1)
        .and_says(
            "LookupError: no family name in Nobody (0001_people.py, line 12, column 9, in people)",
        );
}

#[test]
fn a_transformation_passes_its_tests() {
    let said = place()
        .with_sql(
            "0001_person.sql",
            "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
             INSERT INTO person VALUES (1, 'Ada Lovelace', '0 44'), (2, 'Plato', NULL);",
        )
        .with_sql("0002_people.py", PEOPLE)
        .run(&["test", "2"]);
    assert_eq!(said.status, Some(0), "{said:#?}");
    for check in [
        "survives crashes",
        "reset undoes",
        "deterministic",
        "confined",
    ] {
        assert!(said.stdout.contains(&format!("✓ {check}")), "{said:#?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (description, function, says) in [
        ("derives={'x': 'TEXT'}", "return 1", "table"),
        ("table='person'", "return 1", "derives"),
        (
            "table='person', derives={'x': {}}",
            "return 1",
            "`x` has no type",
        ),
        (
            "table='person', derives={'x': 'TEXT'}",
            "return 1, 2",
            "2 values for 1 derived columns",
        ),
        (
            "table='person', derives={'x': 'TEXT'}",
            "return {}",
            "without `x`",
        ),
        (
            "table='person', derives={'x': 'TEXT'}",
            "return ([],)",
            "`x` is of the type list",
        ),
        (
            "table='person', derives={'x': 'TEXT'}",
            "from wasmigrate import setting; return setting('a')",
            "a transformation has no settings",
        ),
    ] {
        let place = people("(1, 'A B', NULL)");
        place.write_step(
            "0001_people.py",
            format!("from wasmigrate import transform\n\n@transform({description})\ndef made(name):\n    {function}\n").as_bytes(),
        );
        let said = place.run(&["migrate"]).and_says(says);
        assert_ne!(said.status, Some(0), "{description}: {said:#?}");
    }
}
