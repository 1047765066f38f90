//! Nothing is dropped before every row has its values, whatever kept one from getting them.

use crate::place::Place;

/// Numbered words, of which every third is empty: the component has no value for those.
pub fn words(count: i64) -> Place {
    let numbers = Place::in_sql_of(
        "RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT ROWS)",
        "number (n) AS (SELECT generate_series(1, ROWS))",
    );
    let numbers = numbers.replace("ROWS", &count.to_string());
    Place::new()
        .with_data(&format!(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT);
             INSERT INTO word (id, text)
             WITH {numbers} SELECT n, CASE WHEN n % 3 = 0 THEN '' ELSE 'w' || n END FROM number;"
        ))
        .with_guest("0001_spelled.wasm", "spelled")
}

/// Demands that these are so many words, spelled.
#[track_caller]
pub fn are_spelled(place: &Place, count: i64) {
    let spelled = |n: i64| {
        let letters = format!("w{n}");
        letters.chars().map(String::from).collect::<Vec<_>>()
    };
    let expected: Vec<String> = (1..=count)
        .map(|n| match n % 3 {
            0 => "null".to_owned(),
            _ => spelled(n).join("-"),
        })
        .collect();
    let found = place.texts("SELECT coalesce(text, 'null') FROM word ORDER BY id");
    assert_eq!(found, expected);
}

/// Rows that come without the capture's knowledge, as those of a partition that is attached do.
fn smuggle(place: &Place, rows: &str) {
    place.connect().run(&format!(
        "INSERT INTO word (id, text) VALUES {rows}; DELETE FROM capture_of_step_1"
    ));
}

#[test]
fn rows_that_nobody_has_computed_are_computed_before_the_cut_over() {
    let place = words(10);
    place.run(&["migrate"]).ends_with(0);
    smuggle(&place, "(11, 'w11'), (12, ''), (13, 'w13')");
    place.run(&["finalize"]).ends_with(0);
    are_spelled(&place, 13);
}

#[test]
fn a_row_that_was_left_out_and_has_no_answer_keeps_the_finalize_away() {
    let place = Place::new()
        .with_data("CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL)")
        .with_data("INSERT INTO word VALUES (1, 'one')")
        .with_guest("0001_shout.wasm", "shout");
    place.run(&["migrate"]).ends_with(0);
    smuggle(&place, "(2, ''), (3, 'three')");
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("the row with id = 2: an empty word cannot be shouted");
    place
        .run(&["finalize", "--on-bad-row", "quarantine"])
        .ends_with(1)
        .and_says("1 bad row");
    place.connect().run("DELETE FROM word WHERE id = 2");
    place.run(&["finalize"]).ends_with(0);
    let words = "SELECT shout FROM word ORDER BY id";
    assert_eq!(place.texts(words), ["ONE", "THREE"]);
}

#[test]
fn nothing_is_dropped_while_a_trigger_keeps_a_row_from_being_written() {
    let place = words(10).with_data(Place::in_sql_of(
        "CREATE TRIGGER frozen BEFORE UPDATE ON word WHEN OLD.id = 4 BEGIN SELECT RAISE(IGNORE); END;",
        "CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER frozen BEFORE UPDATE ON word FOR EACH ROW WHEN (OLD.id = 4) EXECUTE FUNCTION frozen();",
    ));
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("or keeps them from being written");
    let text = "SELECT text FROM word WHERE id = 4";
    assert_eq!(place.texts(text), ["w4"]);
    place.connect().run(Place::in_sql_of(
        "DROP TRIGGER frozen",
        "DROP TRIGGER frozen ON word",
    ));
    place.run(&["finalize"]).ends_with(0);
    are_spelled(&place, 10);
}
