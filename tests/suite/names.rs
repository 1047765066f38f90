//! Names of files: what stands in a directory is a step, belongs to one, or is an error for every command.

use crate::place::Place;

/// Writes a file of the directory, in one of its own where the name has a slash.
pub fn with_file(place: Place, name: &str, text: &str) -> Place {
    let path = place.step(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    place
}

pub fn with_files(files: &[(&str, &str)]) -> Place {
    files.iter().fold(Place::new(), |place, (name, text)| {
        with_file(place, name, text)
    })
}

pub fn with_sources(place: Place, more: &str) -> Place {
    let settings = format!("[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n{more}");
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place
}

pub const MODE: &str = "CREATE TABLE mode (value VARCHAR(20)); INSERT INTO mode VALUES ('first');";
pub const SECOND: &str = "UPDATE mode SET value = 'second' WHERE value = 'first';";
const TENTH: &str = "UPDATE mode SET value = 'tenth' WHERE value = 'second';";

const DIRECTORIES: [(&str, &[(&str, &str)]); 14] = [
    (
        "numbers",
        &[("1_a.sql", MODE), ("2_b.sql", SECOND), ("10_c.sql", TENTH)],
    ),
    (
        "numbers from 0",
        &[
            ("0000_a.sql", MODE),
            ("0001_b.sql", SECOND),
            ("0002_c.sql", TENTH),
        ],
    ),
    (
        "endings in any case",
        &[
            ("0001_a.SQL", MODE),
            ("0002_b.Sql", SECOND),
            ("0003_c.sQL", TENTH),
        ],
    ),
    (
        "dashes",
        &[("1-a.sql", MODE), ("2-b.sql", SECOND), ("10-c.sql", TENTH)],
    ),
    (
        "numbers alone",
        &[("001.sql", MODE), ("002.sql", SECOND), ("010.sql", TENTH)],
    ),
    (
        "dbmate",
        &[
            (
                "20240101090000_a.sql",
                "-- migrate:up\nCREATE TABLE mode (value VARCHAR(20));\nINSERT INTO mode VALUES ('first');\n-- migrate:down\nDROP TABLE mode;\n",
            ),
            ("20240102090000_b.sql", SECOND),
            ("20240103090000_c.sql", TENTH),
        ],
    ),
    (
        "sqlx",
        &[
            ("20240101090000_a.up.sql", MODE),
            ("20240101090000_a.down.sql", "DROP TABLE mode;"),
            ("20240102090000_b.up.sql", SECOND),
            ("20240102090000_b.down.sql", "DROP TABLE mode;"),
            ("20240103090000_c.up.sql", TENTH),
        ],
    ),
    (
        "golang-migrate",
        &[
            ("1481574547_a.up.sql", MODE),
            ("1481574548_b.up.sql", SECOND),
            ("14815745470_c.up.sql", TENTH),
        ],
    ),
    (
        "milliseconds",
        &[
            ("20240101090000123_a.sql", MODE),
            ("20240101090000124_b.sql", SECOND),
            ("20240101090000125_c.sql", TENTH),
        ],
    ),
    (
        "Flyway",
        &[
            ("V1__a.sql", MODE),
            ("V1_2__b.sql", SECOND),
            ("V1.10__c.sql", TENTH),
            ("U1_2__b.sql", "DROP TABLE mode;"),
        ],
    ),
    (
        "Flyway with times",
        &[
            ("V9__a.sql", MODE),
            ("V10__b.sql", SECOND),
            ("V20240101120000.1__c.sql", TENTH),
        ],
    ),
    (
        "Diesel",
        &[
            ("00000000000000_diesel_initial_setup/up.sql", MODE),
            (
                "00000000000000_diesel_initial_setup/down.sql",
                "DROP TABLE mode;",
            ),
            ("2024-01-01-000000-0009_b/up.sql", SECOND),
            ("2024-01-01-000000-0009_b/down.sql", "DROP TABLE mode;"),
            ("2024-01-01-000000-000a_c/up.sql", TENTH),
            (
                "2024-01-01-000000-000a_c/metadata.toml",
                "run_in_transaction = true\n",
            ),
        ],
    ),
    (
        "Prisma",
        &[
            ("20240101090000_a/migration.sql", MODE),
            ("20240102090000_b/migration.sql", SECOND),
            ("20240103090000_c/migration.sql", TENTH),
            ("migration_lock.toml", "# Please do not edit.\n"),
        ],
    ),
    (
        "Drizzle",
        &[
            (
                "0000_a.sql",
                "CREATE TABLE mode (value VARCHAR(20));\n--> statement-breakpoint\nINSERT INTO mode VALUES ('first');",
            ),
            ("0001_b.sql", SECOND),
            ("0002_c.sql", TENTH),
            ("meta/_journal.json", "{}"),
        ],
    ),
];

#[test]
fn directories_of_other_tools_run_as_they_are() {
    for (what, files) in DIRECTORIES {
        let place = with_files(files);
        place.run(&["plan"]).ends_with(0).and_says("3 pending");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(
            place.one::<String>("SELECT value FROM mode"),
            "tenth",
            "{what}"
        );
        place.run(&["verify"]).ends_with(0);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do; the state is finalized");
    }
}

#[test]
fn where_there_are_no_tenants_sources_run_in_the_order_of_their_versions() {
    for (what, files) in DIRECTORIES {
        let place = with_sources(with_files(files), "");
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(
            place.one::<String>("SELECT value FROM mode"),
            "tenth",
            "{what}"
        );
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
    }
}

#[test]
fn steps_with_versions_are_called_by_their_names() {
    let place = with_files(&[("V1__a.sql", MODE), ("V1_2__b.sql", SECOND)]);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("V1__a migrated")
        .and_says("V1_2__b migrated");
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("  V1_2__b  sql   migrated");
    place.write_step(
        "V1_1__between.sql",
        b"CREATE TABLE between_them (a INTEGER);",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`V1_1__between.sql` was never applied, but `V1_2__b` after it was")
        .and_says("give it an index above V1.2");
    std::fs::remove_file(place.step("V1_1__between.sql")).unwrap();
    std::fs::remove_file(place.step("V1__a.sql")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("step V1__a was applied, but its file is gone");
}

#[test]
fn the_largest_index_is_kept_as_it_is_and_a_larger_one_refused() {
    let place = with_files(&[
        ("9223372036854775806_a.sql", MODE),
        ("9223372036854775807_b.sql", SECOND),
    ]);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("9223372036854775807_b");
    assert_eq!(
        place.texts("SELECT step_index FROM wasmigrate_step ORDER BY step_index"),
        ["9223372036854775806", "9223372036854775807"]
    );
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("9223372036854775807_b");
    place.run(&["verify"]).ends_with(0);
    place.write_step("9223372036854775808_c.sql", b"SELECT 1;");
    place.run(&["migrate"]).ends_with(2).and_says(
        "`9223372036854775808_c.sql` has the index 9223372036854775808, which is too large",
    );
}

const STRANGE: [(&str, &str); 16] = [
    ("notes.sql", "`notes.sql` is not named as a step"),
    ("init.SQL", "`init.SQL` is not named as a step"),
    ("run.wasm", "`run.wasm` is not named as a step"),
    ("0002_.sql", "`0002_.sql` is not named as a step"),
    ("1.2_users.sql", "`1.2_users.sql` is not named as a step"),
    ("v2__users.sql", "`v2__users.sql` is not named as a step"),
    ("R2__views.sql", "`R2__views.sql` is not named as a step"),
    ("B2__all.sql", "`B2__all.sql` is a baseline"),
    (
        "U2__users.sql",
        "`U2__users.sql` undoes a file V… of the same version, which is not there",
    ),
    (
        "0002_users.down.sql",
        "`0002_users.down.sql` undoes `0002_users.sql` or `0002_users.up.sql`",
    ),
    (
        "0002_users.rollback.sql",
        "`0002_users.rollback.sql` undoes",
    ),
    ("0002_users.undo.SQL", "`0002_users.undo.SQL` undoes"),
    (
        "00002_users.go",
        "`00002_users.go` is a migration of another form (.go)",
    ),
    (
        "20240101090000_users.rb",
        "`20240101090000_users.rb` is a migration of another form (.rb)",
    ),
    (
        "more/0002_users.sql",
        "`more` is a directory with `0002_users.sql` in it",
    ),
    ("0002_users/up.sql.wasm", "`0002_users` is a directory with"),
];

#[test]
fn what_is_not_understood_stops_every_command() {
    for (name, said) in STRANGE {
        let place = with_file(with_files(&[("0001_a.sql", MODE)]), name, "SELECT 1;");
        for command in [
            "migrate", "finalize", "reset", "plan", "status", "verify", "baseline",
        ] {
            place.run(&[command]).ends_with(2).and_says(said);
        }
        assert!(place.is_untouched(), "{name}");
    }
}

#[test]
fn all_that_is_not_understood_is_listed_at_once() {
    with_files(&[("0001_a.sql", MODE), ("notes.sql", ""), ("B1__x.sql", "")])
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`migrations` holds what would not be run:")
        .and_says("`notes.sql` is not named")
        .and_says("`B1__x.sql` is a baseline")
        .and_says("a step is named NNNN_name.sql");
}

#[test]
fn numbers_and_versions_beside_each_other_are_refused() {
    with_files(&[("0001_a.sql", MODE), ("V2__b.sql", SECOND)])
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_a.sql` has a number and `V2__b.sql` a version");
}

#[test]
fn a_directory_without_any_step_says_what_it_holds() {
    let place = with_files(&[("README.md", ""), ("schema.prisma", ""), ("lib/x.txt", "")]);
    for command in ["migrate", "plan", "status"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says("`migrations` holds no step, only `README.md`, `lib`, `schema.prisma`")
            .and_says("a step is named NNNN_name.sql");
    }
    // What hides itself was not meant, and an empty directory is where one begins.
    with_files(&[(".gitkeep", "")])
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn files_for_another_database_and_what_belongs_to_tests_are_passed_over() {
    let other = Place::in_sql_of("0002_b.postgres.sql", "0002_b.sqlite.sql");
    let place = with_files(&[
        ("0001_a.sql", MODE),
        (other, "nothing that could run"),
        ("fixtures/rows.sql", "nothing that could run"),
        ("0001_a.test.toml", ""),
        (".0003_c.sql.swp", ""),
        (".0003_c.sql", "nothing that could run"),
        ("0003_c.sql~", "nothing that could run"),
        ("0003_c.sql.orig", "nothing that could run"),
        ("atlas.sum", ""),
    ]);
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["plan", "-v"])
        .ends_with(0)
        .and_says(&format!("ignored {other}: meant for"))
        .and_says("ignored .0003_c.sql: hidden");
}

#[test]
fn a_file_that_undoes_another_runs_at_a_reset_alone() {
    const UNDO: &str = "DROP TABLE mode;";
    for (step, undo) in [
        ("0001_a.up.sql", "0001_a.down.sql"),
        ("0001_a.sql", "0001_a.down.sql"),
        ("0001_a.sql", "0001_a.rollback.sql"),
        ("0001_a.sql", "0001_a.UNDO.sql"),
        ("V1__a.sql", "U1__a.sql"),
        ("V1_0__a.sql", "U01__other.sql"),
        ("V1__a.sql", "V1__a.down.sql"),
        ("2024-01-01-000000_a/up.sql", "2024-01-01-000000_a/down.sql"),
        (
            "0001_a.up.sql",
            Place::in_sql_of("0001_a.down.sqlite.sql", "0001_a.postgres.down.sql"),
        ),
    ] {
        for sources in [false, true] {
            let place = with_files(&[(step, MODE), (undo, UNDO)]);
            let place = if sources {
                with_sources(place, "")
            } else {
                place
            };
            place.run(&["migrate"]).ends_with(0);
            assert!(place.has_table("mode"), "{undo}");
            place
                .run(&["migrate"])
                .ends_with(0)
                .and_says("nothing to do");
            place.run(&["reset"]).ends_with(0);
            assert!(!place.has_table("mode"), "{undo}");
        }
    }
}

#[test]
fn a_file_beside_a_step_may_ask_for_no_transaction() {
    for (step, metadata, text) in [
        (
            "2024-01-01-000000_a/up.sql",
            "2024-01-01-000000_a/metadata.toml",
            "run_in_transaction = false\n",
        ),
        (
            "V1__a.sql",
            "V1__a.sql.conf",
            "# Ours.\nexecuteInTransaction=false\n",
        ),
    ] {
        let place = with_files(&[(step, MODE), (metadata, text)]);
        place
            .run(&["plan", "--dry-run"])
            .and_says(Place::in_sql_of("", "is not rehearsed"));
        with_file(place, metadata, "encoding=latin1\n")
            .run(&["migrate"])
            .ends_with(2)
            .and_says(
                "line 1: only `run_in_transaction` (diesel) and `executeInTransaction` (Flyway)",
            );
    }
}

#[test]
fn sources_refuse_what_undoes_and_what_is_a_baseline() {
    for (name, said) in [
        (
            "U2__b.sql",
            "`U2__b.sql` undoes a file V… of the same version",
        ),
        ("V2__b.down.sql", "`V2__b.down.sql` undoes"),
        ("B2__b.sql", "`B2__b.sql` is a baseline"),
        (
            "more/V2__b.sql",
            "`more` is a directory with `V2__b.sql` in it",
        ),
    ] {
        let place = with_sources(with_files(&[("V1__a.sql", MODE)]), "");
        let place = with_file(place, name, "DROP TABLE mode;");
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(place.is_untouched(), "{name}");
    }
}

#[test]
fn sources_without_tenants_have_nothing_of_what_is_for_tenants() {
    let place = with_files(&[
        (
            "V1__a.sql",
            "CREATE TABLE note (text VARCHAR(40)); INSERT INTO note VALUES ('{schema}');",
        ),
        ("V2__b.sql", "INSERT INTO nowhere VALUES (1);"),
    ]);
    let place = with_sources(place, "");
    place.run(&["migrate"]).ends_with(1);
    assert_eq!(place.one::<String>("SELECT text FROM note"), "{schema}");
    place.write_step("V2__b.sql", b"DROP TABLE note;");
    place.run(&["migrate", "--atomic"]).ends_with(0);
    assert!(!place.has_table("note"));
}

#[test]
fn with_tenants_an_order_that_is_not_said_is_refused() {
    let files = [
        ("V1__a.sql", MODE),
        ("V2__b.sql", SECOND),
        ("V10__c.sql", TENTH),
    ];
    let tenants = "tenant_migrations = [\"tenants\"]\n";
    let place = with_sources(with_files(&files), tenants);
    std::fs::create_dir(place.path().join("tenants")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`migrations/V10__c.sql` comes before `migrations/V1__a.sql` in the order of their names")
        .and_says("order = \"versions\"");
    let place = with_sources(place, &format!("{tenants}order = \"versions\"\n"));
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<String>("SELECT value FROM mode"), "tenth");
}

#[test]
fn a_baseline_of_nothing_is_told_from_one_of_step_0() {
    let place = with_files(&[("0000_a.sql", MODE), ("0001_b.sql", SECOND)]).with_data(MODE);
    place
        .run(&["baseline", "--through", "0"])
        .ends_with(2)
        .and_says("`--through none`");
    place
        .run(&["baseline", "--through", "0000_a"])
        .ends_with(0)
        .and_says("wrote down 1 as applied");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_b migrated");
    assert_eq!(place.one::<String>("SELECT value FROM mode"), "second");
    let place = with_files(&[("V1__a.sql", MODE), ("V1_2__b.sql", SECOND)]).with_data(MODE);
    place
        .run(&["baseline", "--through", "3"])
        .ends_with(2)
        .and_says("there is no step 3");
    for through in ["1", "1.0", "V1", "V1__a"] {
        place
            .run(&["baseline", "--dry-run", "--through", through])
            .ends_with(0)
            .and_says("would write down 1 as applied");
    }
}
