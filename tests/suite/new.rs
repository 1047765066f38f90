//! `new`: begins a step in the manner of its directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::{Place, Said};

#[test]
fn a_step_is_begun_written_and_run() {
    let place = Place::new();
    std::fs::remove_dir(place.path().join("migrations")).unwrap();
    place
        .run(&["new", "Add Invoices", "--reset"])
        .ends_with(0)
        .and_says("made migrations/0001_add_invoices.sql");
    let text = std::fs::read_to_string(place.step("0001_add_invoices.sql")).unwrap();
    let written = text.replace(
        "-- wasmigrate:migrate\n",
        "-- wasmigrate:migrate\nCREATE TABLE invoice (a BIGINT);\n",
    );
    assert_ne!(text, written);
    let written = written.replace(
        "-- wasmigrate:reset\n",
        "-- wasmigrate:reset\nDROP TABLE invoice;\n",
    );
    place.write_step("0001_add_invoices.sql", written.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("invoice"));
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("invoice"));
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["new", "second", "--json"])
        .ends_with(0)
        .and_says("0002_second.sql");
}

#[test]
fn the_sections_of_another_tool_are_kept() {
    let place = Place::new().with_sql(
        "20240101090000_a.sql",
        "-- migrate:up\nCREATE TABLE a (b BIGINT);\n\n-- migrate:down\nDROP TABLE a;\n",
    );
    let said = place.run(&["new", "next"]).ends_with(0);
    let path = said.stdout.trim().strip_prefix("made ").unwrap().to_owned();
    let text = std::fs::read_to_string(place.path().join(path)).unwrap();
    assert!(
        text.contains("-- migrate:up\n") && text.contains("-- migrate:down\n"),
        "{text}"
    );
    assert!(!text.contains("wasmigrate"), "{text}");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn two_at_once_get_two_numbers_and_write_over_nothing() {
    let place = Place::new();
    let begun: Vec<_> = (0..8)
        .map(|_| {
            let mut command = place.command(&["new", "same"]);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in begun {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let files = std::fs::read_dir(place.path().join("migrations")).unwrap();
    assert_eq!(files.count(), 8);
    for number in 1..=8 {
        assert!(place.step(&format!("000{number}_same.sql")).exists());
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let place = Place::new();
    place
        .run(&["new", "--", "..."])
        .ends_with(2)
        .and_says("holds no letter and no digit");
    place
        .run(&["new", "a", "--host", "http://127.0.0.1:1"])
        .ends_with(2)
        .and_says("where its files are");
}

/// Words that other tools begin sections with are only names here.
#[test]
fn what_is_begun_can_be_run_whatever_it_is_called() {
    for name in [
        "up",
        "count down",
        "goose up",
        "no transaction",
        "wasmigrate",
    ] {
        let place = Place::new();
        place.run(&["new", name, "--reset"]).ends_with(0);
        place.run(&["plan"]).ends_with(0).and_says("1 pending");
    }
}

/// A file of ours among those of another tool would be run by neither as it is meant.
#[test]
fn a_directory_that_is_not_understood_is_left_alone() {
    for (file, words) in [
        ("users.sql", "`users.sql` is not named as a step"),
        ("20240101_users.js", "another form (.js)"),
        ("env.py", "only `env.py`"),
        ("changelog.xml", "only `changelog.xml`"),
        ("0001_a.down.sql", "neither of which is there"),
        ("sub/0001_a.sql", "is a directory with `0001_a.sql` in it"),
    ] {
        let place = Place::new();
        let path = place.step(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "SELECT 1;\n").unwrap();
        place.run(&["new", "next"]).ends_with(2).and_says(words);
        let files = std::fs::read_dir(place.path().join("migrations")).unwrap();
        assert_eq!(files.count(), 1, "{file}");
    }
    Place::new()
        .with_sql("0001_a.sql", "-- +goose Sideways\nSELECT 1;\n")
        .run(&["new", "next"])
        .ends_with(2)
        .and_says("`0001_a.sql`, line 1");
    Place::new()
        .with_sql("README.md", "Steps.\n")
        .run(&["new", "next"])
        .ends_with(0)
        .and_says("0001_next.sql");
}

/// A time with six digits after it is larger than any other number, and has a place in the order nevertheless.
#[test]
fn the_next_name_after_a_time_with_microseconds_is_one() {
    let place = Place::new().with_sql(
        "20201110175414000001_a.up.sql",
        "CREATE TABLE a (b INTEGER);",
    );
    let said = place.run(&["new", "next"]).ends_with(0);
    let made = said.stdout.lines().next().unwrap();
    let (_, made) = made.rsplit_once('/').unwrap();
    assert!(
        made.len() == "20201110175414000001_next.up.sql".len()
            && made.ends_with("000000_next.up.sql"),
        "{made}"
    );
    place.run(&["plan"]).ends_with(0).and_says("2 pending");
}

/// What undoes is a part of a step, in any language.
#[test]
fn a_script_is_not_called_as_what_undoes_another() {
    let place = Place::new().with_sql("0001_users.sql", "CREATE TABLE users (a INTEGER);");
    for language in ["js", "ts", "py", "c"] {
        place
            .run(&["new", "users down", "--lang", language])
            .ends_with(2)
            .and_says("undoes `0001_users` by its name")
            .and_says("`reset`");
    }
}

#[test]
fn a_failure_names_no_file_that_is_gone() {
    let said = Place::new()
        .run(&["new", "a", "--migrations", "/proc/sys"])
        .ends_with(2);
    assert!(!said.stderr.contains("at path"), "{said:#?}");
}

#[test]
fn a_name_that_no_file_can_have_is_refused_in_words() {
    let place = Place::new();
    place
        .run(&["new", &"long ".repeat(80)])
        .ends_with(2)
        .and_says("is too long: with its number, the name of a file has at most 255 bytes");
    // What undoes is a part of the step that it undoes.
    place.run(&["new", "down"]).ends_with(2).and_says(
        "a step cannot be called so: `0001_down` is called `down`, and would run to migrate",
    );
    assert!(!place.step("").read_dir().unwrap().any(|_| true));
}

#[test]
fn the_next_file_and_a_message_have_the_marks_of_the_tool_of_the_directory() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- +migrate Up notransaction\nSELECT 1;\n-- +migrate Down\nSELECT 2;\n",
    );
    place.run(&["new", "b"]).ends_with(0);
    let text = std::fs::read_to_string(place.step("0002_b.sql")).unwrap();
    assert!(
        text.contains("-- +migrate Up\n") && !text.contains("goose"),
        "{text}"
    );
    Place::new()
        .with_sql("0001_a.sql", "SELECT 1;\n-- +migrate Down\nSELECT 2;\n")
        .run(&["plan"])
        .ends_with(2)
        .and_says("a statement before the first section: begin it with `-- +migrate Up`");
}

/// What a disk without room for a byte does.
fn without_room(place: &Place, arguments: &[&str]) -> Said {
    let wanted = place.command(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(wanted.get_program())
        .args(wanted.get_args())
        .current_dir(place.path())
        .env_clear()
        .envs(
            wanted
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    Said::from(command.output().unwrap())
}

#[test]
fn where_there_is_no_room_nothing_is_left() {
    let pair = Place::new()
        .with_sql("0001_a.up.sql", "SELECT 1;")
        .with_sql("0001_a.down.sql", "SELECT 1;");
    let directory = Place::new();
    std::fs::create_dir(directory.step("2024-01-01-090000_a")).unwrap();
    directory.write_step("2024-01-01-090000_a/up.sql", b"SELECT 1;");
    let plain = Place::new().with_sql("0001_a.sql", "SELECT 1;");
    for (place, arguments) in [
        (plain, &["new", "b"][..]),
        (pair, &["new", "b", "--reset"]),
        (directory, &["new", "b"]),
        (Place::new(), &["new", "b", "--lang", "py"]),
        (Place::new(), &["new", "b", "--lang", "rust"]),
    ] {
        let there = || {
            // Sources are beside the migrations.
            let mut files = walk(place.path());
            files.retain(|path| path.is_file());
            (walk(&place.path().join("migrations")), files)
        };
        let before = there();
        without_room(&place, arguments)
            .ends_with(2)
            .and_says("cannot make");
        assert_eq!(there(), before);
        place.run(arguments).ends_with(0);
        assert!(there().1.len() > before.1.len());
    }
    let place = Place::new();
    std::fs::remove_dir(place.path().join("migrations")).unwrap();
    without_room(&place, &["init"]).ends_with(2);
    assert!(!place.path().join("wasmigrate.toml").exists());
}

/// All that is in a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn of_sources_the_only_directory_is_meant() {
    let place = Place::new();
    let sources = |text: &str| {
        let text = format!("[sources]\nbase = \".\"\n{text}\n");
        std::fs::write(place.path().join("wasmigrate.toml"), text).unwrap();
    };
    sources("single_migrations = [\"migrations\"]");
    place
        .run(&["new", "a"])
        .ends_with(0)
        .and_says("migrations/0001_a.sql");
    sources("single_migrations = [\"migrations\", \"more\"]");
    place
        .run(&["new", "a"])
        .ends_with(2)
        .and_says("several directories");
}

#[test]
fn a_name_that_would_undo_another_step_is_refused() {
    for name in ["rollback a", "a down", "a rollback", "undo a", "a undo"] {
        let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
        place
            .run(&["new", name])
            .ends_with(2)
            .and_says("a step cannot be called so: `0002_")
            .and_says("undoes `0001_a` by its name");
        place.run(&["plan"]).ends_with(0).and_says("1 pending");
    }
    // The other way round.
    let place = Place::new().with_sql("0001_undo_a.sql", "CREATE TABLE a (b INTEGER);");
    place
        .run(&["new", "a"])
        .ends_with(2)
        .and_says("would be taken for what `0001_undo_a.sql` undoes");
    for name in ["rollback b", "undo the mess"] {
        place.run(&["new", name]).ends_with(0);
        place.run(&["plan"]).ends_with(0);
    }
}
