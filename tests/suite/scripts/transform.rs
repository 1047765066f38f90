//! Scripts that are transformations.

use crate::place::Place;

const PEOPLE: &str = r#"
import { transform } from 'wasmigrate';

export default transform({
  summary: 'splits names',
  table: 'person',
  inputs: ['name', 'phone'],
  derives: { given_name: 'TEXT', family_name: 'TEXT NOT NULL', e164: { type: 'TEXT', replaces: 'phone' } },
  drops: ['name'],
  row({ name, phone }) {
    if (name === 'Nobody') throw new Error(`no family name in ${name}`);
    const space = name.lastIndexOf(' ');
    return {
      given_name: space < 0 ? null : name.slice(0, space),
      family_name: name.slice(space + 1),
      e164: phone === null ? null : '+' + phone.replace(/[^0-9]+/g, ''),
    };
  },
});
"#;

fn people(rows: &str) -> Place {
    Place::new()
        .with_data(&format!(
            "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
             INSERT INTO person VALUES {rows}"
        ))
        .with_sql("0001_people.js", PEOPLE)
}

#[test]
fn a_transformation_goes_through_a_table_and_is_finalized() {
    let place =
        people("(1, 'Ada Lovelace', '0 44'), (2, 'Plato', NULL), (3, 'Ludwig van B', '49-1')");
    place
        .run(&["inspect", place.step("0001_people.js").to_str().unwrap()])
        .ends_with(0)
        .and_says("person: name, phone → given_name TEXT, family_name TEXT NOT NULL, e164 TEXT");
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
        ["1 Ada King +044", "2 - Plato -", "3 Ludwig van B +491"]
    );
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_row_that_is_refused_is_named_with_the_place() {
    let place = people("(1, 'Ada Lovelace', '0 44'), (2, 'Nobody', NULL)");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("no family name in Nobody")
        .and_says("0001_people.js, line 11");
}

#[test]
fn a_description_that_makes_no_sense_is_refused() {
    for (part, says) in [
        ("table: 'person'", "a transformation has a function `row`"),
        ("row() {}", "names its `table`"),
        ("table: 'person', row() {}", "says what it `derives`"),
        ("table: 'person', derives: {}, rows() {}", "has no `rows`"),
        (
            "table: 'person', derives: { x: {} }, row() {}",
            "`x` has no type",
        ),
        (
            "table: 'person', derives: { x: { type: 'TEXT', replace: 'y' } }, row() {}",
            "has no `replace`",
        ),
    ] {
        let place = people("(1, 'A B', NULL)").with_sql(
            "0002_bad.js",
            &format!("import {{ transform }} from 'wasmigrate';\nexport default transform({{ {part} }});\n"),
        );
        place.run(&["migrate"]).and_says("0002_bad").and_says(says);
    }
}

#[test]
fn what_a_row_makes_must_fit() {
    for (made, says) in [
        (
            "{ given_name: {}, family_name: '', e164: null }",
            "`given_name` is an object",
        ),
        ("{ given_name: null, e164: null }", "without `family_name`"),
        ("undefined", "returns an object"),
        ("null", "returns an object"),
        (
            "{ given_name: '\\ud83d', family_name: '', e164: null }",
            "surrogate",
        ),
    ] {
        let place = people("(1, 'A B', NULL)");
        let start = PEOPLE.find("return {").unwrap();
        let end = PEOPLE.find("};\n  },").unwrap();
        let script = format!("{}return {made}{}", &PEOPLE[..start], &PEOPLE[end + 1..]);
        place.write_step("0001_people.js", script.as_bytes());
        place.run(&["migrate"]).ends_with(1).and_says(says);
    }
}

#[test]
fn a_transformation_has_neither_database_nor_clock_but_output() {
    let place = people("(1, 'A B', NULL)");
    let script = PEOPLE.replace(
        "const space",
        "console.log(`${name} ${Date.now()}`); if (typeof db !== 'undefined') throw new Error('db');\n    const space",
    );
    place.write_step("0001_people.js", script.as_bytes());
    place
        .run(&["migrate", "--json"])
        .ends_with(0)
        .and_says("A B 0");
    let asking = PEOPLE
        .replace("import { transform }", "import { setting, transform }")
        .replace("const space", "setting('who');\n    const space");
    let place = people("(1, 'A B', NULL)");
    place.write_step("0001_people.js", asking.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("a transformation has no settings");
}

#[test]
fn a_transformation_passes_its_tests() {
    let place = Place::new()
        .with_sql(
            "0001_person.sql",
            "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
             INSERT INTO person VALUES (1, 'Ada Lovelace', '0 44'), (2, 'Plato', NULL);",
        )
        .with_sql("0002_people.js", PEOPLE);
    let said = place.run(&["test", "2"]);
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
