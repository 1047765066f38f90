//! Several transformations of one table, none of which is final.

use crate::place::Place;

/// A transformation of the table `person` as a script: what it reads, its derived columns, what it drops, and the body.
fn script(inputs: &str, derives: &str, drops: &str, body: &str) -> String {
    format!(
        "import {{ transform }} from 'wasmigrate';
         export default transform({{ summary: 'x', table: 'person', inputs: [{inputs}], derives: {{ {derives} }},
           drops: [{drops}], row({{ {parameters} }}) {{ {body} }} }});",
        parameters = inputs.replace('\'', "")
    )
}

fn people() -> Place {
    let place = Place::new().with_data(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(20), old VARCHAR(20) DEFAULT 'o');
         INSERT INTO person (id, name) VALUES (1, 'a'), (2, 'bb'), (3, NULL)",
    );
    place.write_step("0001_up.js", up("''").as_bytes());
    place.write_step("0002_size.js", size("").as_bytes());
    place
}

/// The name in capitals, and something after it.
fn up(after: &str) -> String {
    let body = format!("return {{ up: name === null ? null : name.toUpperCase() + {after} }};");
    script("'name'", "up: 'TEXT'", "", &body)
}

/// How long that is.
fn size(drops: &str) -> String {
    let body = "return { size: up === null ? null : up.length };";
    script("'up'", "size: 'BIGINT'", drops, body)
}

fn sizes(place: &Place) -> Vec<String> {
    place.texts("SELECT coalesce(up, '-') || ' ' || coalesce(CAST(size AS VARCHAR(9)), '-') FROM person ORDER BY id")
}

#[test]
fn what_reads_a_derived_column_starts_over_with_it() {
    let place = people();
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(sizes(&place), ["A 1", "BB 2", "- -"]);
    place.run(&["migrate", "--restart"]).ends_with(0);
    assert_eq!(sizes(&place), ["A 1", "BB 2", "- -"]);
    place.write_step("0001_up.js", up("'!!'").as_bytes());
    place.run(&["migrate"]).ends_with(2).and_says("--restart");
    place.run(&["migrate", "--restart"]).ends_with(0);
    assert_eq!(sizes(&place), ["A!! 3", "BB!! 4", "- -"]);
    both_capture_what_changes(&place);
}

/// The captures of both are there again.
#[track_caller]
fn both_capture_what_changes(place: &Place) {
    place
        .connect()
        .run("UPDATE person SET name = 'ccc' WHERE id = 3");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(sizes(place), ["A!! 3", "BB!! 4", "CCC!! 5"]);
}

#[test]
fn what_reads_a_derived_column_starts_over_in_a_later_run_when_this_one_fails() {
    let place = people();
    place.run(&["migrate"]).ends_with(0);
    let fails = "if (name === 'bb') throw new Error('not this one'); return { up: name };";
    place.write_step(
        "0001_up.js",
        script("'name'", "up: 'TEXT'", "", fails).as_bytes(),
    );
    place.run(&["migrate", "--restart"]).ends_with(1);
    place.write_step("0001_up.js", up("'!!'").as_bytes());
    place.run(&["finalize"]).ends_with(2);
    place.run(&["migrate", "--replace"]).ends_with(0);
    assert_eq!(sizes(&place), ["A!! 3", "BB!! 4", "- -"]);
    both_capture_what_changes(&place);
}

#[test]
fn a_column_that_goes_with_one_is_read_by_no_other() {
    let drops = script("'name'", "up: 'TEXT'", "'name'", "return { up: name };");
    let reads = script("'name'", "size: 'BIGINT'", "", "return { size: 1 };");
    let place = people();
    place.write_step("0001_up.js", drops.as_bytes());
    place.write_step("0002_size.js", reads.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("it reads the column name, which 0001_up takes away when it is finalized");
    // The last one that reads it may take it away, and not the first, even when that comes later.
    let last = script("'name'", "size: 'BIGINT'", "'name'", "return { size: 1 };");
    place.write_step("0002_size.js", last.as_bytes());
    place.write_step("0001_up.js", up("''").as_bytes());
    place.run(&["migrate", "--replace"]).ends_with(0);
    place.write_step("0001_up.js", drops.as_bytes());
    place
        .run(&["migrate", "--replace"])
        .ends_with(1)
        .and_says("it takes the column name away when it is finalized, which 0002_size reads");
    place.write_step("0001_up.js", up("''").as_bytes());
    place.run(&["migrate", "--restart"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(sizes(&place), ["A 1", "BB 1", "- 1"]);
    assert!(place.connect().try_run("SELECT name FROM person").is_err());
}

#[test]
fn a_column_that_takes_the_place_of_another_is_read_by_no_other() {
    let place = people();
    let replaces = script(
        "'name', 'old'",
        "up: { type: 'TEXT', replaces: 'old' }",
        "",
        "return { up: name };",
    );
    place.write_step("0001_up.js", replaces.as_bytes());
    for inputs in ["'up'", "'old'"] {
        let reads = script(inputs, "size: 'BIGINT'", "", "return { size: 1 };");
        place.write_step("0002_size.js", reads.as_bytes());
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("which 0001_up takes away when it is finalized");
    }
    std::fs::remove_file(place.step("0002_size.js")).unwrap();
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.one::<String>("SELECT old FROM person WHERE id = 1"),
        "a"
    );
}
