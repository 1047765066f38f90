//! Scripts for SQLite: where their statements are, how long they take, and what is in them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::place::Place;

#[test]
fn an_error_tells_the_line_of_its_statement() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- First.\nCREATE TABLE a (b);\n\n/* A comment;\n of two lines */\n-- and one\n  INSERT INTO missing\nVALUES (1);\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("statement (line 7): INSERT INTO missing");
    place.write_step(
        "0001_a.sql",
        b"CREATE TABLE a (b);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n  SELECT CASE 1 WHEN 1 THEN 2 END;\nEND;\nSELECT\n x;",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("statement (line 6): SELECT");
}

#[test]
fn what_never_ends_is_told_and_nothing_runs() {
    for (opened, words) in [
        (
            "/* outer\nCREATE TABLE b (c);",
            "a comment `/*` begins here and never ends",
        ),
        (
            "INSERT INTO a VALUES ('x);",
            "a string begins here and never ends",
        ),
        ("SELECT \"x;", "a name in quotes begins here and never ends"),
        (
            "SELECT [x;",
            "a name in brackets begins here and never ends",
        ),
    ] {
        let place =
            Place::new().with_sql("0001_a.sql", &format!("CREATE TABLE a (b);\n{opened}\n"));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(words)
            .and_says("line 2");
        assert_eq!(place.content(), "");
    }
}

/// How long a file of so many statements takes.
fn duration_of(count: usize) -> Duration {
    let mut script = String::from("CREATE TABLE a (id INTEGER, v TEXT);\n");
    for number in 0..count {
        writeln!(
            script,
            "INSERT INTO a VALUES ({number}, 'value number {number} of many');"
        )
        .unwrap();
    }
    let place = Place::new().with_sql("0001_a.sql", &script);
    let began = Instant::now();
    place.run(&["migrate"]).ends_with(0);
    let took = began.elapsed();
    assert_eq!(place.one::<usize>("SELECT count(*) FROM a"), count);
    took
}

#[test]
fn time_grows_with_the_statements_and_not_with_their_square() {
    let (few, many) = (duration_of(5_000), duration_of(40_000));
    // Eight times as many; by the square it would be 64.
    assert!(
        many < few * 24 + Duration::from_millis(500),
        "{few:?}, {many:?}"
    );
}

#[test]
fn a_dump_of_sqlite3_runs_as_it_is() {
    // As `sqlite3 .dump` of version 3.40 writes it.
    let dump = "PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
INSERT INTO person VALUES(1,'Ann; ''x''');
INSERT INTO person VALUES(7,replace('a\\nb','\\n',char(10)));
CREATE TABLE friend (one INTEGER REFERENCES person, other INTEGER REFERENCES person);
INSERT INTO friend VALUES(1,7);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('person',7);
CREATE TRIGGER t AFTER INSERT ON person BEGIN UPDATE person SET name = upper(name); END;
CREATE VIEW v AS SELECT name FROM person;
COMMIT;
";
    let place = Place::new().with_sql("0001_base.sql", dump);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("BEGIN and COMMIT around the file are passed over")
        .and_says("passed over, because the host sees to it: PRAGMA foreign_keys");
    let expected = Place::new().with_data(dump);
    assert_eq!(place.content(), expected.content());
    place.write_step(
        "0002_next.sql",
        b"INSERT INTO person (name) VALUES ('Eve');",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT max(id) FROM person"), ["8"]);
    place.write_step(
        "0003_virtual.sql",
        b"PRAGMA writable_schema=ON;\nSELECT 1;\nPRAGMA writable_schema=OFF;\n",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("write its CREATE VIRTUAL TABLE in place of the lines")
        .and_says("statement (line 1)");
}

/// As the shell does, which checks nothing: the database had such rows. A file that does not ask for it is held to its keys.
#[test]
fn a_dump_may_hold_rows_without_their_parents() {
    let rows = "CREATE TABLE a (id INTEGER PRIMARY KEY);
CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a);
INSERT INTO b VALUES(1,7),(2,8);
";
    let dump = format!("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{rows}COMMIT;\n");
    let place = Place::new().with_sql("0001_base.sql", &dump).with_sql(
        "0002_next.sql",
        "UPDATE b SET id = 3 WHERE id = 2;\nUPDATE b SET id = 2 WHERE id = 3;",
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("2 rows are left without the parent that a foreign key demands");
    let expected = Place::new().with_data(&dump);
    assert_eq!(place.content(), expected.content());
    place.write_step("0003_more.sql", b"INSERT INTO b VALUES (9, 9);");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("the step leaves 1 row without the parent")
        .and_says("a dump that begins with `PRAGMA foreign_keys=OFF; BEGIN TRANSACTION;` may leave such rows");
    for text in [
        rows,
        &format!("PRAGMA foreign_keys=OFF;\n{rows}PRAGMA foreign_keys=ON;\n"),
    ] {
        Place::new()
            .with_sql("0001_base.sql", text)
            .run(&["migrate"])
            .ends_with(1)
            .and_says("the step leaves 2 rows without the parent");
    }
}

/// None of it would run; nothing is made before that is known.
#[test]
fn what_is_for_a_shell_or_a_program_is_refused_before_anything_is_made() {
    for (statement, words) in [
        (
            ".read other.sql",
            "`.read` is a command of SQLite's shell, not SQL",
        ),
        (
            ".mode csv\nSELECT 1;",
            "`.mode` is a command of SQLite's shell",
        ),
        ("COPY a (b) FROM stdin;\n1\n\\.\n", "COPY is PostgreSQL's"),
        ("\\i other.sql", "`\\i` is a command of psql"),
        (
            "INSERT INTO a VALUES (?1);",
            "write the value in the place of `?1`",
        ),
        ("INSERT INTO a VALUES (:name);", "`:name`"),
        ("INSERT INTO a VALUES (@name);", "`@name`"),
        ("INSERT INTO a VALUES ($name);", "`$name`"),
        ("INSERT INTO a VALUES (?);", "`?`"),
    ] {
        let place = Place::new().with_sql(
            "0001_a.sql",
            &format!("CREATE TABLE a (b);\nINSERT INTO a VALUES ('?1 :x .y'), (json('{{\"a\":1}}'));\n{statement}\n"),
        );
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(words)
            .and_says("line 3");
        assert!(place.is_untouched(), "{statement}");
    }
}

#[test]
fn mathematical_functions_are_there_as_in_every_distribution() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE a (x REAL, y INT GENERATED ALWAYS AS (ceil(x)) VIRTUAL, CHECK (pow(x, 2) < 100));
         CREATE INDEX by_root ON a (sqrt(x));
         INSERT INTO a VALUES (1.5), (9.0);
         CREATE TABLE told AS SELECT floor(-1.5) AS a, ceiling(2) AS b, trunc(-1.5) AS c, log(100) AS d, log(2, 8) AS e,
             round(ln(exp(1)), 9) AS f, log2(8) AS g, mod(-7, 3) AS h, power(2, 10) AS i, round(degrees(pi())) AS j,
             sqrt(-1) AS k, ln(0) AS l, ceil('2.5') AS m, ceil('x') AS n, atan2(0, 1) AS o, typeof(floor(3)) AS p;",
    );
    place.run(&["migrate"]).ends_with(0);
    let told = place.connect().rows("SELECT * FROM told").remove(0);
    let told: Vec<String> = told
        .into_iter()
        .map(|cell| cell.unwrap_or("-".to_owned()))
        .collect();
    assert_eq!(
        told.join(" "),
        "-2 2 -1 2 3 1 3 -1 1024 180 - - 3 - 0 integer"
    );
    place.write_step("0002_b.sql", b"INSERT INTO a VALUES (11)");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("CHECK constraint failed");
    place.write_step("0002_b.sql", b"SELECT of_the_application(1)");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("functions and collations that the application registers");
}

#[test]
fn a_pragma_that_is_refused_is_not_told_as_passed_over() {
    let dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nPRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema (type) VALUES \
                ('table');\nPRAGMA writable_schema=OFF;\nCOMMIT;\n";
    let said = Place::new()
        .with_sql("0001_base.sql", dump)
        .run(&["migrate"])
        .ends_with(2)
        .and_says("writable_schema");
    assert!(!said.stdout.contains("passed over"), "{said:#?}");
}
