//! Directories of one step each, as Prisma and Diesel have them: none is passed over that could be meant to migrate.

use crate::place::Place;

const DIRECTORY: &str = "20240102000000_data";

fn with_file(place: Place, name: &str, text: &str) -> Place {
    let path = place.step(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    place
}

/// Two steps in directories, and one more file.
fn place(name: &str, is_of_sources: bool) -> Place {
    let place = with_file(
        Place::new(),
        "20240101000000_a/migration.sql",
        "CREATE TABLE a (b INTEGER);",
    );
    let place = with_file(
        place,
        "20240103000000_c/migration.sql",
        "CREATE TABLE c (b INTEGER);",
    );
    if is_of_sources {
        let settings = "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n";
        std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    }
    with_file(place, name, "1;")
}

#[test]
fn a_directory_of_a_step_in_another_language_is_an_error() {
    for file in [
        "migration.ts",
        "up.rb",
        "up.py",
        "up.js",
        "migration.js",
        "migration.py",
        "migration.go",
        "up.sh",
        "up.yaml",
        "index.ts",
        "src/run.py",
    ] {
        for is_of_sources in [false, true] {
            let place = place(&format!("{DIRECTORY}/{file}"), is_of_sources);
            for command in ["migrate", "plan", "status"] {
                place.run(&[command]).ends_with(2).and_says(&format!(
                    "`{DIRECTORY}` is a directory with `{file}` in it, a migration of another form, which cannot be run here: write \
                     it as SQL"
                ));
            }
            assert!(place.is_untouched(), "{file}");
        }
    }
    let place = place("20240101000000_a/notes.txt", false);
    std::fs::create_dir(place.step(DIRECTORY)).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`20240102000000_data` is called as a step and is empty: put `up.sql` or `migration.sql` into it, or remove it");
    let place = with_file(place, "more/0002_users.rb", "1");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`more` is a directory with `0002_users.rb` in it");
}

#[test]
fn a_directory_that_has_lost_its_step_is_an_error() {
    for file in [
        "migration.sql.txt",
        "migration.sql.orig",
        "migration.sql~",
        "migration.sq",
        "migration.txt",
        "up.sql.bak",
        "up.sql.gz",
        "README.md",
        ".gitkeep",
        "steps.json",
        "rows.csv",
    ] {
        for is_of_sources in [false, true] {
            let place = place(&format!("{DIRECTORY}/{file}"), is_of_sources);
            for command in ["migrate", "plan", "status"] {
                place.run(&[command]).ends_with(2).and_says(&format!(
                    "`{DIRECTORY}` is a directory with `{file}` in it, and has lost its step or is none"
                ));
            }
            assert!(place.is_untouched(), "{file}");
        }
    }
    // Its name says nothing, and what it holds does.
    place("users/up.sql.bak", false)
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`users` is a directory with `up.sql.bak` in it");
    // There is no other step.
    let alone = with_file(Place::new(), &format!("{DIRECTORY}/README.md"), "x");
    alone
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`README.md` in it, and has lost its step");
    let seeded =
        place("20240101000000_a/notes.txt", false).with_variable("WASMIGRATE_SEEDS", "seeds");
    let seed = seeded.path().join("seeds").join(DIRECTORY);
    std::fs::create_dir_all(&seed).unwrap();
    std::fs::write(seed.join("up.sql.bak"), "SELECT 1;").unwrap();
    seeded
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`up.sql.bak` in it, and has lost its step");
}

#[test]
fn a_program_beside_the_sql_of_a_step_is_an_error() {
    for file in [
        "migration.ts",
        "up.py",
        "post.ts",
        "data-migration.ts",
        "migration.js",
        "down.rb",
        "up.sh",
        "more/0002_x.sql",
    ] {
        let name = format!("20240101000000_a/{file}");
        let place = place(&name, false);
        place.run(&["migrate"]).ends_with(2).and_says(&format!(
            "`{name}` stands beside `migration.sql`, and would not be run"
        ));
        assert!(place.is_untouched(), "{file}");
    }
}

#[test]
fn what_is_no_migration_may_stand_in_such_a_directory_and_beside_it() {
    let mut place = place("20240101000000_a/README.md", false);
    for name in [
        "20240101000000_a/snapshot.json",
        "20240101000000_a/metadata.yaml",
        "20240101000000_a/migration.test.ts",
        "20240101000000_a/.up.py.swp",
        "20240101000000_a/fixtures/rows.sql",
        "data/rows.csv",
        "data/rows.json",
        "meta/0000_snapshot.json",
        "tools/make.ts",
        "index.ts",
        "migration_lock.toml",
    ] {
        place = with_file(place, name, "{}");
    }
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("20240103000000_c migrated");
}

#[test]
fn a_name_that_hides_a_step_is_an_error() {
    for (name, said) in [
        (
            "20240104000000_d.sql.txt",
            "ends in .txt, so that it is no step",
        ),
        ("20240104000000_d.sql ", "ends with a space or a point"),
        ("20240104000000_d.js.", "ends with a space or a point"),
        (
            "20240104000000_d.sq1",
            "ends in .sq1, so that it is no step: call it .sql when it is one",
        ),
        ("20240104000000_d.sqlx", "ends in .sqlx"),
        ("20240104000000_d.SQL.txt", "ends in .txt"),
        (
            "20240104000000_d.wasm.tmp",
            "ends in .tmp, so that it is no step, and `20240104000000_d.wasm` is not there",
        ),
        ("20240104000000_d.sql.bak", "ends in .bak"),
        ("20240104000000_d.sql.tmpl", "ends in .tmpl"),
        ("20240104000000_d.sql.TEMPLATE", "ends in .template"),
        ("20240104000000_d.sql.off", "ends in .off"),
        ("20240104000000_d.sql.skip", "ends in .skip"),
        ("20240104000000_d.sql.disabled", "ends in .disabled"),
        ("20240104000000_d.sql.example", "ends in .example"),
        ("20240104000000_d.js.sample", "ends in .sample"),
        ("20240104000000_d", "is named as a step, and has no ending"),
    ] {
        for is_of_sources in [false, true] {
            let place = place(name, is_of_sources);
            place
                .run(&["migrate"])
                .ends_with(2)
                .and_says(&format!("`{name}` {said}"));
            assert!(place.is_untouched(), "{name}");
        }
    }
    // What an editor or a user leaves beside a step.
    for name in [
        "20240104000000_d.sql.bak",
        "20240104000000_e.sql.orig",
        "20240104000000_e.sql~",
        "20240104000000_d.sql.disabled",
        "20240104000000_d.sql.tmpl",
        "20240104000000_d.txt",
        "README",
        ".gitkeep",
        "schema.rb",
        "atlas.sum",
    ] {
        let place = with_file(
            place(name, false),
            "20240104000000_d.sql",
            "CREATE TABLE d (a INTEGER);",
        );
        place.run(&["migrate"]).ends_with(0);
        assert!(place.has_table("d"));
    }
}

#[test]
fn a_name_that_is_no_text_is_told_as_such() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = place("20240101000000_a/notes.txt", false);
    let name = OsStr::from_bytes(b"20240104000000_\xfc.sql");
    std::fs::write(place.step("").join(name), "SELECT 1;").unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("has a name that is not UTF-8: rename it");
}
