//! What only SQLite has: texts that are none.

use super::left_out::words;

const PLACE: &str =
    "DROP TABLE word; CREATE TABLE word (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL);
     INSERT INTO word VALUES ('a', 'one'), ('b', '')";

const NO_TEXT: &str = "INSERT INTO word (id, text) VALUES (CAST(x'ff' AS TEXT), 'two')";

#[test]
fn a_row_with_a_key_that_cannot_be_named_is_refused_before_anything_is_written() {
    let place = words(3).with_data(PLACE).with_data(NO_TEXT);
    let before = place.content();
    for arguments in [&["plan", "--dry-run"][..], &["migrate"]] {
        let said = place.run(arguments);
        assert_ne!(said.status, Some(0), "{said:#?}");
        said.and_says("is a text that is not UTF-8 (in hexadecimal: FF)");
        assert_eq!(place.content(), before, "{arguments:?}");
    }
    let mut application = place.connect();
    application.run("UPDATE word SET id = 'c' WHERE text = 'two'");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT coalesce(text, 'null') FROM word ORDER BY id"),
        ["o-n-e", "null", "t-w-o"]
    );
}

#[test]
fn nothing_is_dropped_while_a_row_has_a_key_that_cannot_be_named() {
    let place = words(3).with_data(PLACE);
    place.run(&["migrate"]).ends_with(0);
    let mut application = place.connect();
    application.run(NO_TEXT);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("is a text that is not UTF-8 (in hexadecimal: FF)");
    let text = "SELECT text FROM word WHERE id = CAST(x'ff' AS TEXT)";
    assert_eq!(place.texts(text), ["two"]);
    application.run("UPDATE word SET id = 'c' WHERE text = 'two'");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT coalesce(text, 'null') FROM word ORDER BY id"),
        ["o-n-e", "null", "t-w-o"]
    );
}
