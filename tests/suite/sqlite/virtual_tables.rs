//! Virtual tables, which make tables of their own.

use crate::place::Place;

const VIRTUAL: &str = "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT);
     CREATE VIRTUAL TABLE found USING fts5(body, content='doc', content_rowid='id');
     CREATE VIRTUAL TABLE plain USING fts5(a, b);
     CREATE VIRTUAL TABLE older USING fts3(a);
     CREATE VIRTUAL TABLE \"a place\" USING rtree(id, x0, x1);
     CREATE VIRTUAL TABLE words USING fts5vocab('plain', 'row');
     CREATE TRIGGER found_it AFTER INSERT ON doc BEGIN
         INSERT INTO found (rowid, body) VALUES (new.id, new.body);
     END;
     CREATE TABLE plain_own (id INTEGER PRIMARY KEY);
     INSERT INTO doc VALUES (1, 'hello');";

fn place() -> Place {
    let place = Place::new().with_sql("0001_all.sql", VIRTUAL);
    place.run(&["finalize"]).ends_with(0);
    place
}

#[test]
fn a_dump_with_virtual_tables_makes_the_same() {
    let place = place();
    let dump = place.run(&["schema", "dump"]).ends_with(0).stdout;
    assert!(
        !dump.contains("plain_data") && !dump.contains("a place_node"),
        "{dump}"
    );
    // It is somebody's own, whatever its name.
    assert!(dump.contains("plain_own"), "{dump}");
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(&dump).unwrap();
    let other = Place::new().with_sql("0001_dump.sql", &dump);
    other.run(&["finalize"]).ends_with(0);
    assert_eq!(other.run(&["schema", "dump"]).ends_with(0).stdout, dump);
    other.run(&["schema", "diff"]).ends_with(0);
    other
        .connect()
        .run("INSERT INTO doc VALUES (1, 'hello'); INSERT INTO plain VALUES ('a', 'b')");
    let found = "SELECT count(*) FROM found WHERE found MATCH 'hello'";
    assert_eq!(other.one::<i64>(found), 1);
}

/// They make some of theirs only when they need it.
#[test]
fn what_a_virtual_table_makes_for_itself_is_no_difference() {
    let place = place();
    place.connect().run(
        "INSERT INTO older (older) VALUES ('automerge=2'); INSERT INTO older VALUES ('x');
         INSERT INTO \"a place\" VALUES (1, 0, 1); INSERT INTO plain (plain) VALUES ('optimize')",
    );
    assert!(place.has_table("older_stat"));
    place.run(&["schema", "diff"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    place.connect().run("DROP TABLE plain");
    place
        .run(&["schema", "diff"])
        .ends_with(2)
        .and_says("- table plain");
}

/// What a virtual table writes to its own tables passes no authorizer: its statements are prepared when it likes.
#[test]
fn a_foreign_key_that_is_broken_through_one_is_found() {
    let place = Place::new()
        .with_sql(
            "0001_words.sql",
            "CREATE VIRTUAL TABLE words USING fts5(word);
             INSERT INTO words (rowid, word) VALUES (1, 'one'), (2, 'two'), (3, 'three');",
        )
        .with_sql(
            "0002_use.sql",
            "CREATE TABLE used (word INTEGER REFERENCES words_content (id));
             INSERT INTO used VALUES (1), (2);
             DELETE FROM words WHERE rowid = 3;",
        )
        .with_sql("0003_forget.sql", "DELETE FROM words WHERE rowid = 1;");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("without the parent that a foreign key demands: `used`");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM words"), 2);
}
