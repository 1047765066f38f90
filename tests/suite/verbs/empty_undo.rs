//! A part that undoes and has no statement: it undoes nothing, and is none.

use crate::place::Place;

const TABLE: &str = "CREATE TABLE a (b INTEGER);";

fn is_refused(place: &Place) {
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .and_says(
            "what undoes it has no statement (write `SELECT 1;` there if there is nothing to undo)",
        )
        .and_says("nothing was reset");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    assert!(place.has_table("a"));
}

#[test]
fn an_empty_section_or_file_is_no_reset() {
    for undo in ["", "\n", "-- nothing yet\n", "/* nothing */ ;\n"] {
        for mark in [
            "-- migrate:up\n{}\n-- migrate:down\n",
            "-- +goose Up\n{}\n-- +goose Down\n",
            "-- wasmigrate:migrate\n{}\n-- wasmigrate:reset\n",
        ] {
            let text = mark.replace("{}", TABLE) + undo;
            is_refused(&Place::new().with_sql("0001_a.sql", &text));
        }
        is_refused(
            &Place::new()
                .with_sql("0001_a.up.sql", TABLE)
                .with_sql("0001_a.down.sql", undo),
        );
    }
    let new = Place::new();
    new.run(&["new", "a", "--reset"]).ends_with(0);
    let file = std::fs::read_dir(new.step("")).unwrap().next().unwrap();
    let file = file.unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let mark = "-- wasmigrate:finalize";
    let text = text.replace(mark, &format!("{TABLE}\n{mark}"));
    std::fs::write(&file, text).unwrap();
    is_refused(&new);
}

#[test]
fn one_that_says_that_there_is_nothing_to_undo_is_one() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        &format!("-- migrate:up\n{TABLE}\n-- migrate:down\nSELECT 1;\n"),
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    // A file beside the step fills a section that is empty.
    let place = Place::new()
        .with_sql(
            "0001_a.sql",
            &format!("-- migrate:up\n{TABLE}\n-- migrate:down\n"),
        )
        .with_sql("0001_a.down.sql", "DROP TABLE a;");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("a"));
}
