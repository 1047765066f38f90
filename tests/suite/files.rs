//! The steps on disk: what fits and what does not.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::place::Place;

fn applied() -> Place {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0002_b.sql", "CREATE TABLE b (c INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    place
}

#[test]
fn a_changed_file_stops_every_command_before_anything_runs() {
    let place = applied().with_sql("0003_c.sql", "CREATE TABLE c (d INTEGER);");
    place.write_step("0002_b.sql", b"CREATE TABLE other (c INTEGER);");
    let before = place.content();
    for command in ["migrate", "finalize", "reset", "verify"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says("`0002_b.sql` has changed since it was applied")
            .and_says("--allow-changed");
    }
    place.run(&["plan"]).ends_with(2).and_says("has changed");
    place.run(&["status"]).ends_with(0).and_says("has changed");
    assert_eq!(place.content(), before);
    place
        .run(&["migrate", "--allow-changed"])
        .ends_with(0)
        .and_says("0003_c migrated");
}

#[test]
fn a_change_that_keeps_size_and_time_is_found_by_verify() {
    let place = applied();
    let file = place.step("0002_b.sql");
    let times = std::fs::metadata(&file).unwrap().modified().unwrap();
    place.write_step("0002_b.sql", b"CREATE TABLE c (b INTEGER);");
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(times)
        .unwrap();
    place.run(&["verify"]).ends_with(2).and_says("has changed");
    place.run(&["migrate"]).ends_with(2).and_says("has changed");
}

#[test]
fn a_file_that_is_gone_is_named() {
    let place = applied().with_sql("0003_c.sql", "CREATE TABLE c (d INTEGER);");
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("step 0001_a was applied, but its file is gone")
        .and_says("--allow-missing");
    place
        .run(&["migrate", "--allow-missing"])
        .ends_with(0)
        .and_says("0003_c migrated");
    place
        .run(&["finalize", "--allow-missing"])
        .ends_with(2)
        .and_says("0001_a is not finalized, and its file is gone");
}

#[test]
fn a_step_that_cannot_be_finalized_is_found_before_others_are_migrated() {
    let place = applied().with_sql("0003_c.sql", "CREATE TABLE c (d INTEGER);");
    std::fs::remove_file(place.step("0001_a.sql")).unwrap();
    place
        .run(&["finalize", "--allow-missing"])
        .ends_with(2)
        .and_says("0001_a is not finalized, and its file is gone");
    assert!(!place.has_table("c"));
}

/// Not all that is refused is found beforehand.
#[test]
fn what_was_migrated_before_a_refusal_is_not_denied() {
    let place = applied().with_sql("0003_c.sql", "CREATE TABLE c (d INTEGER);");
    place.write_step("0001_a.sql", b"-- wasmigrate:sideways\nSELECT 1;\n");
    let said = place
        .run(&["finalize", "--allow-changed"])
        .ends_with(1)
        .and_says("0003_c migrated")
        .and_says("failed; what was done before stays, the state is finalization_required");
    assert!(!said.stdout.contains("nothing was changed"), "{said:#?}");
    assert!(place.has_table("c"));
}

#[test]
fn a_step_in_front_of_applied_ones_is_refused() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0005_e.sql", "CREATE TABLE e (f INTEGER);");
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0003_c.sql", b"CREATE TABLE c (d INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0003_c.sql` was never applied, but `0005_e` after it was")
        .and_says("give it an index above 5");
}

#[test]
fn two_steps_with_one_index_are_both_named() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0001_b.sql", "CREATE TABLE b (c INTEGER);");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("two steps have the index 1: `0001_a.sql` and `0001_b.sql`");
    assert!(place.is_untouched());
    // Such a number could be that of a version.
    Place::new()
        .with_sql("2021010100000000000_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("2021010100000000000_b.sql", "CREATE TABLE b (c INTEGER);")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("two steps have the index 2021010100000000000: ");
}

#[test]
fn files_that_are_no_steps_are_ignored_and_listed_on_request() {
    let place = applied();
    for file_name in ["README.md", "0003_c.sql.orig"] {
        place.write_step(file_name, b"not SQL");
    }
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    let said = place
        .run(&["plan", "-v"])
        .ends_with(0)
        .and_says("ignored README.md: neither .sql, .wasm nor a numbered .js");
    assert!(said.stdout.contains("0003_c.sql.orig"));
    let quiet = place.run(&["plan"]).ends_with(0);
    assert!(!quiet.stdout.contains("README.md"));
}

#[test]
fn mistakes_in_a_sql_file_are_told_with_their_line() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE a (b INTEGER);\n-- wasmigrate:undo\nDROP TABLE a;",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_a.sql`, line 3: `wasmigrate:undo` is no section");
    for line in [
        "-- wasmigrate finalize",
        "/* wasmigrate:finalize */",
        "SELECT 1; -- wasmigrate:finalize",
        "-- Migrate:Down",
        "-- +goose Dwn",
        "-- undo",
        "--liquibase formatted sql",
    ] {
        let text = format!("-- Customers.\nSELECT 1;\n{line}\nDROP TABLE customer;\n");
        place.write_step("0001_a.sql", text.as_bytes());
        for command in ["migrate", "plan"] {
            place
                .run(&[command])
                .ends_with(2)
                .and_says("`0001_a.sql`, line 3: ");
        }
    }
    place.write_step(
        "0001_a.sql",
        b"CREATE TABLE a (b INTEGER);\n\nCREATE TABEL b (c INTEGER);\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says(Place::in_sql_of(
            "near \"TABEL\": syntax error",
            "syntax error at or near \"TABEL\"",
        ))
        .and_says("statement (line 3): CREATE TABEL b (c INTEGER)");
    assert_eq!(place.content(), "");
}

/// All ways in which an editor or a version control system may save the same lines.
fn saved(text: &str) -> [String; 6] {
    let dos = text.replace('\n', "\r\n");
    [
        dos.clone(),
        format!("\u{feff}{text}"),
        format!("\u{feff}{dos}"),
        text.trim_end().to_owned(),
        format!("\u{feff}{}", dos.trim_end()),
        text.to_owned(),
    ]
}

#[test]
fn line_ends_and_byte_order_marks_make_no_other_file() {
    let text = "CREATE TABLE a (b INTEGER);\nINSERT INTO a VALUES (1);\n";
    for applied in saved(text) {
        let place = Place::new().with_sql("0001_a.sql", &applied);
        place.run(&["finalize"]).ends_with(0);
        for now in saved(text) {
            place.write_step("0001_a.sql", now.as_bytes());
            place.run(&["verify"]).ends_with(0);
        }
        place.write_step("0002_b.sql", b"CREATE TABLE b (c INTEGER);");
        place.run(&["migrate"]).ends_with(0);
        place.write_step("0001_a.sql", text.replace("(1)", "( 1)").as_bytes());
        place.run(&["migrate"]).ends_with(2).and_says("has changed");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    for (file, table) in [
        ("CREATE TABLE a (b INTEGER);\n", "a"),
        ("-- A table.\nCREATE TABLE a (b INTEGER);\n", "a"),
        (
            "-- +goose Up\nCREATE TABLE a (b INTEGER);\n-- +goose Down\nDROP TABLE a;\n",
            "a",
        ),
        (
            "-- migrate:up\nCREATE TABLE a (b INTEGER);\n-- migrate:down\nDROP TABLE a;\n",
            "a",
        ),
        ("-- wasmigrate:no-transaction\nVACUUM;\n", "wasmigrate_step"),
    ] {
        let place = Place::new().with_sql("0001_a.sql", &format!("\u{feff}{file}"));
        place.run(&["migrate"]).ends_with(0);
        assert!(place.has_table(table), "{file}");
    }
}

#[test]
fn a_transaction_around_a_file_is_the_hosts() {
    let place = Place::new().with_sql(
        "0001_a.up.sql",
        "-- First.\nBEGIN;\nCREATE TABLE a (b INTEGER);\nCOMMIT;\n-- Last.\n",
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("BEGIN and COMMIT around the file are passed over");
    for script in [
        "BEGIN; CREATE TABLE c (d INTEGER); COMMIT; CREATE TABLE e (f INTEGER);",
        "CREATE TABLE c (d INTEGER); COMMIT;",
        "BEGIN; CREATE TABLE c (d INTEGER);",
        "BEGIN; CREATE TABLE c (d INTEGER); COMMIT; BEGIN; CREATE TABLE e (f INTEGER); COMMIT;",
    ] {
        place.write_step("0002_c.sql", script.as_bytes());
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("the host begins and ends the transaction of a step");
        assert!(!place.has_table("c"), "{script}");
    }
}

#[test]
fn a_day_without_a_time_is_among_the_times() {
    let place = Place::new();
    for (directory, sql) in [
        ("2024-03-06-170000_a", "CREATE TABLE a (b INTEGER);"),
        ("2024-03-13_170000_b", "DROP TABLE a;"),
        ("2024-06-05-131359_c", "CREATE TABLE a (c INTEGER);"),
    ] {
        std::fs::create_dir_all(place.step(directory)).unwrap();
        place.write_step(&format!("{directory}/up.sql"), sql.as_bytes());
    }
    place.run(&["finalize"]).ends_with(0);
}

/// What a link leads to elsewhere may be a secret, which the message of a failure would show.
#[test]
fn a_link_to_what_is_elsewhere_is_not_followed() {
    let place = Place::new().with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);");
    let secret = place.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    for name in ["0002_link.sql", "0002_link.wasm", "0001_first.sql.conf"] {
        symlink(&secret, place.step(name)).unwrap();
        let said = place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(name)
            .and_says("is a link to a file outside of this directory, which is not followed: copy the file here");
        assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
        std::fs::remove_file(place.step(name)).unwrap();
    }
    // A whole directory as a step.
    let elsewhere = place.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("up.sql"), "hunter2").unwrap();
    symlink(&elsewhere, place.step("0002_link")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("0002_link/up.sql");
    std::fs::remove_file(place.step("0002_link")).unwrap();
    // Volumes of Kubernetes are links within the directory, and the directory itself may be one.
    std::fs::create_dir(place.step("..data")).unwrap();
    std::fs::rename(
        place.step("0001_first.sql"),
        place.step("..data").join("0001_first.sql"),
    )
    .unwrap();
    symlink("..data/0001_first.sql", place.step("0001_first.sql")).unwrap();
    symlink("migrations", place.path().join("linked")).unwrap();
    place
        .run(&["migrate", "--migrations", "linked"])
        .ends_with(0)
        .and_says("0001_first migrated");
}

#[test]
fn a_pipe_among_the_steps_is_not_waited_for() {
    let place = Place::new().with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);");
    for name in ["0002_pipe.sql", "0002_pipe.wasm", "0001_first.sql.conf"] {
        make_pipe(&place.step(name));
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(name)
            .and_says("is a pipe, a socket or a device, and no file");
        std::fs::remove_file(place.step(name)).unwrap();
    }
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// What `wasmigrate test` reads beside the steps is held to the same.
#[test]
fn what_belongs_to_the_steps_is_no_link_to_elsewhere_and_no_pipe() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER);");
    let secret = place.path().join("secret");
    std::fs::write(&secret, "TOPSECRET=hunter2 is here").unwrap();
    std::fs::create_dir(place.step("fixtures")).unwrap();
    let test = |name: &str, words: &str| {
        let said = place.run(&["test", "--on", "sqlite", "1"]);
        assert_ne!(said.status, Some(0), "{said:#?}");
        let said = said.and_says(name).and_says(words);
        assert!(!format!("{said:?}").contains("TOPSECRET"), "{said:?}");
        std::fs::remove_file(place.step(name)).unwrap();
    };
    for name in [
        "0001_a.test.toml",
        "fixtures/x.sql",
        "fixtures/x.csv",
        "fixtures/x.json",
    ] {
        symlink(&secret, place.step(name)).unwrap();
        test(name, "is a link to a file outside of this directory");
        make_pipe(&place.step(name));
        test(name, "is a pipe, a socket or a device, and no file");
    }
    // A file that is linked within the directory is read, and so is one that was named.
    std::fs::write(place.step("kept.toml"), "reversible = false").unwrap();
    symlink("kept.toml", place.step("0001_a.test.toml")).unwrap();
    place.run(&["test", "--on", "sqlite", "1"]).ends_with(0);
    let rows = place.path().join("rows.json");
    std::fs::write(&rows, "{}").unwrap();
    symlink(&rows, place.path().join("named.json")).unwrap();
    place
        .run(&["test", "--on", "sqlite", "1", "--fixture", "named.json"])
        .ends_with(0);
}

/// Nor does anything go where a link leads.
#[test]
fn nothing_is_written_where_a_link_leads_out_of_the_directory() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate
CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER);
-- wasmigrate:reset
DROP TABLE a;
",
    );
    // Fails with rows that are generated.
    place.write_step(
        "0002_fail.sql",
        b"-- wasmigrate:migrate
CREATE TABLE c (id INTEGER PRIMARY KEY, d INTEGER NOT NULL);
INSERT INTO c SELECT id, b FROM a;
-- wasmigrate:reset
DROP TABLE c;
",
    );
    let outside = place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(place.step("fixtures")).unwrap();
    symlink(&outside, place.step("fixtures/0002_fail")).unwrap();
    place
        .run(&["test", "2", "--on", "sqlite"])
        .ends_with(2)
        .and_says("it is a link to a place outside of");
    symlink(&outside, place.step("lib")).unwrap();
    place
        .run(&["new", "--lang", "js", "script"])
        .ends_with(2)
        .and_says("it is a link to a place outside of");
    symlink(&outside, place.path().join(".github")).unwrap();
    let new = place.path().join("new");
    std::fs::create_dir(&new).unwrap();
    symlink(&outside, new.join(".github")).unwrap();
    let mut init = place.command(&["init", "--ci", "github"]);
    let said = crate::place::Said::from(init.current_dir(&new).output().unwrap());
    said.ends_with(2)
        .and_says("it is a link to a place outside of");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn settings_and_secrets_are_files_with_an_end() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (id INTEGER);");
    for name in ["wasmigrate.toml", ".env"] {
        make_pipe(&place.path().join(name));
        place
            .run(&["status"])
            .ends_with(2)
            .and_says(name)
            .and_says("it is a pipe, and no file");
        std::fs::remove_file(place.path().join(name)).unwrap();
    }
    place
        .run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--token-file",
            "/dev/zero",
        ])
        .ends_with(2)
        .and_says("the file has more than 16 MiB");
    place.run(&["status", "--config", "/dev/null"]).ends_with(0);
}

/// Names are said wherever a file is spoken of.
#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let place = Place::new().with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);");
    for name in [
        "0002_\u{1b}[2Jb.sql",
        "0002_b\u{202e}lqs.sql",
        "0002_b\r.sql",
        "0002_b\nforged.sql",
        "\u{1b}]0;title\u{7}.sql",
        "\u{9b}2J.txt",
    ] {
        std::fs::write(place.step(name), "SELECT nothing;").unwrap();
        for command in [
            &["status"][..],
            &["plan", "-v"],
            &["migrate"],
            &["history", "--output"],
            &["verify"],
            &["migrate", "--json"],
        ] {
            let said = place.run(command);
            let both = said.stdout + &said.stderr;
            let steers = |letter: char| {
                (letter.is_control() && letter != '\n')
                    || ('\u{202a}'..='\u{202e}').contains(&letter)
            };
            assert!(!both.contains(steers), "{command:?}: {both:?}");
            assert!(
                !both.lines().any(|line| line.starts_with("forged")),
                "{both}"
            );
        }
        std::fs::remove_file(place.step(name)).unwrap();
    }
}

#[test]
fn files_of_postgrator_undo_those_of_the_same_name() {
    let place = Place::new()
        .with_sql("001.do.a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("001.undo.a.sql", "DROP TABLE a;");
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("a"));
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("a"));
    place.write_step("002.undo.b.sql", b"DROP TABLE b;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`002.undo.b.sql` undoes `002.do.b.sql`");
}
