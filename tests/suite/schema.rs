//! `schema`: what the tables look like, as text, and how that differs from what the last run left.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::application::{self, Kind};
use crate::place::Place;

fn migrated() -> Place {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE account (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL);
         CREATE INDEX by_name ON account (name);
         CREATE VIEW names AS SELECT name FROM account;",
    );
    place.run(&["finalize"]).ends_with(0);
    place
}

#[test]
fn a_dump_is_the_schema_without_the_journal() {
    let place = migrated();
    let dump = place.run(&["schema", "dump"]).ends_with(0).stdout;
    assert!(!dump.contains("wasmigrate_"), "{dump}");
    for words in ["account", "INDEX by_name", "VIEW"] {
        assert!(dump.contains(words), "{words}: {dump}");
    }
    // It is the same each time, and makes the same.
    place
        .run(&["schema", "dump", "--output", "schema.sql"])
        .ends_with(0)
        .and_says("wrote schema.sql");
    let written = std::fs::read_to_string(place.path().join("schema.sql")).unwrap();
    assert_eq!(written, dump);
    let other = Place::new().with_sql("0001_dump.sql", &dump);
    other.run(&["finalize"]).ends_with(0);
    assert_eq!(other.run(&["schema", "dump"]).ends_with(0).stdout, dump);
}

#[test]
fn a_run_writes_the_schema_to_the_file_of_the_settings() {
    let place = migrated()
        .with_sql("0002_b.sql", "CREATE TABLE later (id INTEGER);")
        .with_variable("WASMIGRATE_SCHEMA_FILE", "kept.sql");
    let kept = || std::fs::read_to_string(place.path().join("kept.sql")).unwrap_or_default();
    place.run(&["plan", "--dry-run"]).ends_with(0);
    assert_eq!(kept(), "");
    place.run(&["migrate"]).ends_with(0);
    assert!(kept().contains("later"), "{}", kept());
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    let unwritable = place.with_variable("WASMIGRATE_SCHEMA_FILE", "/dev/full");
    unwritable
        .run(&["finalize"])
        .ends_with(1)
        .and_says("what was run is kept, but the schema is not written down");
    // It is said as long as it is so.
    unwritable
        .run(&["finalize"])
        .ends_with(1)
        .and_says("there was nothing to do, but the schema is not written down");
}

#[test]
fn a_file_of_the_schema_that_was_not_written_is_written_later() {
    let place = migrated().with_variable("WASMIGRATE_SCHEMA_FILE", "later/kept.sql");
    place.write_step("0002_b.sql", b"CREATE TABLE later (id INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("there is no directory");
    assert!(!place.has_table("later"));
    std::fs::create_dir(place.path().join("later")).unwrap();
    let kept = place.path().join("later/kept.sql");
    place.run(&["migrate"]).ends_with(0);
    let text = std::fs::read_to_string(&kept).unwrap();
    for old in [None, Some("old")] {
        std::fs::remove_file(&kept).unwrap();
        if let Some(old) = old {
            std::fs::write(&kept, old).unwrap();
        }
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
    }
}

#[test]
fn nothing_else_is_written_over() {
    let place = migrated();
    let path = |name: &str| place.path().join(name);
    std::fs::write(path("wasmigrate.toml"), "strict = false\n").unwrap();
    drop(
        rusqlite::Connection::open(path("other.db"))
            .unwrap()
            .execute_batch("CREATE TABLE a (b)"),
    );
    for (file, said) in [
        ("wasmigrate.toml", "it is the configuration"),
        ("migrations/schema.sql", "in the directory of steps"),
        ("other.db", "a SQLite database is there"),
    ] {
        let before = std::fs::read(path(file)).ok();
        place
            .run(&["schema", "dump", "--output", file])
            .ends_with(2)
            .and_says(said);
        let mut command = place.command(&["finalize"]);
        command.env("WASMIGRATE_SCHEMA_FILE", file);
        crate::place::Said::from(command.output().unwrap())
            .ends_with(2)
            .and_says(said);
        assert_eq!(std::fs::read(path(file)).ok(), before, "{file}");
    }
    // A link is followed, and the mode stays.
    std::fs::create_dir(path("docs")).unwrap();
    std::fs::write(path("docs/real.sql"), "").unwrap();
    std::fs::set_permissions(path("docs/real.sql"), Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("docs/real.sql", path("link.sql")).unwrap();
    place
        .run(&["schema", "dump", "--output", "link.sql"])
        .ends_with(0);
    assert!(path("link.sql").is_symlink());
    let real = std::fs::metadata(path("docs/real.sql")).unwrap();
    assert!(real.len() > 0);
    assert_eq!(real.permissions().mode() & 0o777, 0o600);
    // Not out of its directory, nor is one that lies where the text is first written.
    std::fs::write(path("precious"), "precious").unwrap();
    let plant = |link: &str, name: &str| std::os::unix::fs::symlink(link, path(name)).unwrap();
    plant("../precious", "docs/out.sql");
    plant("../precious", "docs/.kept.sql.new");
    place
        .run(&["schema", "dump", "--output", "docs/out.sql"])
        .ends_with(2)
        .and_says("it is a link to a file outside of its directory");
    place
        .run(&["schema", "dump", "--output", "docs/kept.sql"])
        .ends_with(0);
    let report = ["test", "--on", "sqlite", "--junit", "docs/out.sql"];
    place
        .run(&report)
        .ends_with(2)
        .and_says("it is a link to a file outside of its directory");
    let precious = std::fs::read_to_string(path("precious")).unwrap();
    assert_eq!(precious, "precious");
    // What is no file stays what it is.
    std::os::unix::fs::symlink("/dev/null", path("null")).unwrap();
    place
        .run(&["schema", "dump", "--output", "null"])
        .ends_with(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_difference_is_shown_line_by_line() {
    let place = migrated();
    place
        .run(&["schema", "diff"])
        .ends_with(0)
        .and_says("the schema is what run 1 left");
    place.connect().run(
        "ALTER TABLE account ADD COLUMN age INTEGER; DROP INDEX by_name; CREATE TABLE stray (id INTEGER)",
    );
    place.run(&["verify"]).ends_with(2);
    let said = place.run(&["schema", "diff"]).ends_with(2);
    let lines: Vec<&str> = said.stdout.lines().map(str::trim_end).collect();
    let has = |line: &str| lines.iter().any(|it| it.to_lowercase().starts_with(line));
    assert_eq!(lines[0], "--- the schema that run 1 left");
    for line in [
        "  table account",
        "+     column age integer",
        "-     index create index by_name",
        "+ table stray",
        "+     column id integer",
    ] {
        assert!(has(line), "{line}: {said:#?}");
    }
    assert!(!has("-     column name"), "{said:#?}");
    let json = place.run(&["schema", "diff", "--json"]).ends_with(2).json();
    assert_eq!(json["run"], 1);
    Place::new()
        .with_data("CREATE TABLE a (b INTEGER)")
        .run(&["schema", "diff"])
        .ends_with(2)
        .and_says("no run has kept it");
}

/// Nothing of what somebody else has changed meanwhile is taken for its work, and it is not named as the run that left the rest.
#[test]
fn a_refused_run_leaves_what_the_one_before_left() {
    let place = migrated().with_sql("0002_b.sql", "CREATE TABLE later (id INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    place
        .connect()
        .run("ALTER TABLE account ADD COLUMN age INTEGER");
    place.run(&["reset"]).ends_with(2);
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(history[0]["outcome"], "refused");
    place
        .run(&["schema", "diff"])
        .ends_with(2)
        .and_says("--- the schema that run 2 left")
        .and_says("column age");
    place.run(&["verify"]).ends_with(2).and_says("column age");
    place.connect().run("ALTER TABLE account DROP COLUMN age");
    place
        .run(&["schema", "diff"])
        .ends_with(0)
        .and_says("the schema is what run 2 left");
    place
        .run(&["verify"])
        .ends_with(0)
        .and_says("the schema is what run 2 left");
}

#[test]
fn without_the_databases_own_program_it_says_which_package_has_it() {
    let place = migrated().with_variable("PATH", "/nowhere");
    let said = place.run(&["schema", "dump"]);
    match application::kind() {
        Kind::Sqlite => said.ends_with(0).and_says("CREATE TABLE account"),
        Kind::Postgres => said
            .ends_with(2)
            .and_says("install the package `postgresql-client`"),
    };
}

mod sqlite {
    use super::*;

    /// Beside each view its columns are named, as SQLite's own shell does it. What a name says is no statement.
    #[test]
    fn a_dump_runs_nothing_that_names_say() {
        let place = migrated();
        place.connect().run(
            "CREATE VIEW \"v */; DROP TABLE account; --\" AS SELECT name FROM account;
             CREATE VIEW w AS SELECT 1 AS \"x */; DROP TABLE account; --\"",
        );
        let dump = place.run(&["schema", "dump"]).ends_with(0).stdout;
        assert!(dump.contains("/* names(name) */"), "{dump}");
        let other = rusqlite::Connection::open_in_memory().unwrap();
        other.execute_batch(&dump).unwrap();
        let made = "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view')";
        let made: u32 = other.query_row(made, [], |row| row.get(0)).unwrap();
        assert_eq!(made, 4, "{dump}");
    }
}
