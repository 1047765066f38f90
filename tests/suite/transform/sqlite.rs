//! What only SQLite has: texts that are none.

use super::left_out::words;

#[test]
fn nothing_is_dropped_while_a_row_has_a_key_that_cannot_be_named() {
    let place = words(3).with_data(
        "DROP TABLE word; CREATE TABLE word (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL);
         INSERT INTO word VALUES ('a', 'one'), (CAST(x'ff' AS TEXT), 'two'), ('b', '')",
    );
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("1 rows of the table \"word\" have no derived values")
        .and_says("nothing was dropped");
    let text = "SELECT text FROM word WHERE id = CAST(x'ff' AS TEXT)";
    assert_eq!(place.texts(text), ["two"]);
    let mut application = place.connect();
    application.run("UPDATE word SET id = 'c' WHERE text = 'two'");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT coalesce(text, 'null') FROM word ORDER BY id"),
        ["o-n-e", "null", "t-w-o"]
    );
}
