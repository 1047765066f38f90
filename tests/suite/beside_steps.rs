//! What stands beside steps: known to be none, or an error; and what is a part of a step by its name.

use crate::names::{MODE, SECOND, with_file, with_files, with_sources};
use crate::place::Place;

/// What begins as the name of a step is one or an error, whatever comes after; but for what is known to stand beside steps.
#[test]
fn what_is_named_as_a_step_is_one_or_an_error() {
    for name in [
        "0002_b.up",
        "0002_b.up.txt",
        "0002_b.do",
        "0002_b.dml",
        "0002_b.plpgsql",
        "0002_b.dump",
        "0002 b",
        "0002",
        "2",
        "20240101000000",
        "V2__b.tmpl",
        "V2__b.txt",
        "V2__b.migration",
        "0002_",
        "0002.",
        "R__",
        "0002_b.UP",
        "0002_b.wip",
        "0002_b.final",
        "0002_b.v2",
        "0002_b.1",
        "R__b.tmpl",
        "R__b.txt",
        "B1__b.txt",
        "0002_b.prc",
        "0002_b.pks",
        "0002_b.tab",
        "0002_b.cypher",
        "0002_b.prisma",
        "0002_b.hcl",
        "0002_b.toml",
        "0002_b.sql;1",
        "0002_b.sql#",
        "0002_notes.txt",
    ] {
        for is_of_sources in [false, true] {
            let place = with_file(with_files(&[("0001_a.sql", MODE)]), name, "SELECT 1;");
            let place = match is_of_sources {
                true => with_sources(place, ""),
                false => place,
            };
            for command in ["migrate", "plan", "status"] {
                place
                    .run(&[command])
                    .ends_with(2)
                    .and_says(&format!("`{name}` "))
                    .and_says("holds what would not be run");
            }
            assert!(place.is_untouched(), "{name}");
        }
    }
    // Names in sources and of seeds need no number.
    for name in ["b.dml", "c.up", "b.plpgsql", "b.dump"] {
        let place = with_sources(with_files(&[("a.sql", MODE), (name, "SELECT 1;")]), "");
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("`{name}` ends in ."));
        let seeds = format!("seeds/{name}");
        let place = with_files(&[
            ("0001_a.sql", MODE),
            ("seeds/a.sql", SECOND),
            (&seeds, "SELECT 1;"),
        ]);
        std::fs::write(
            place.path().join("wasmigrate.toml"),
            "[env.one]\nseeds = \"migrations/seeds\"\n",
        )
        .unwrap();
        place
            .run(&["migrate", "--env", "one"])
            .ends_with(2)
            .and_says(&format!("`{name}` ends in ."));
    }
}

/// What people and other tools keep beside steps.
#[test]
fn what_is_known_to_stand_beside_steps_stops_nothing() {
    let files = [
        ("0001_a.sql", MODE),
        ("README.md", ""),
        ("README", ""),
        ("README.txt", ""),
        ("LICENSE", ""),
        ("Makefile", ""),
        ("0001_a.txt", ""),
        ("0001_a.md", ""),
        ("0001_a.csv", ""),
        ("0001_a.png", ""),
        ("0001_a.pdf", ""),
        ("0001_a.html", ""),
        ("0001_a.sql.license", ""),
        ("0001_a.sql.md5", ""),
        ("0001_a.sql.bak", ""),
        ("0001_a.sql~", ""),
        ("#0001_a.sql#", ""),
        ("2024.xlsx", ""),
        ("3rd-party.txt", ""),
        (".gitkeep", ""),
        ("atlas.sum", ""),
        ("embed.go", ""),
        ("bindata.go", ""),
        ("go.mod", ""),
        ("package.json", ""),
        ("schema.snap", ""),
        ("diesel.toml", ""),
        ("alembic.ini", ""),
        ("squashed.json", ""),
        ("run.sh", ""),
        ("flyway.conf", ""),
        ("migration_lock.toml", ""),
    ];
    let place = with_files(&files);
    place.run(&["migrate"]).ends_with(0);
    with_sources(with_files(&files), "")
        .run(&["migrate"])
        .ends_with(0);
}

#[test]
fn what_a_directory_is_said_to_be_for_is_the_target() {
    let (ours, other) = (
        Place::in_sql_of("sqlite", "postgresql"),
        Place::in_sql_of("postgresql", "sqlite"),
    );
    for (file, form) in [
        ("migration_lock.toml", "# Prisma's.\nprovider = \"$\"\n"),
        (
            "meta/_journal.json",
            "{\"version\":\"7\",\"dialect\":\"$\",\"entries\":[]}",
        ),
    ] {
        for is_of_sources in [false, true] {
            for said in [other, "mysql", "cockroachdb"] {
                let place = with_files(&[("0001_a.sql", MODE), (file, &form.replace('$', said))]);
                let place = match is_of_sources {
                    true => with_sources(place, ""),
                    false => place,
                };
                for command in ["migrate", "plan"] {
                    place.run(&[command]).ends_with(2).and_says(&format!(
                        "`{file}` says that these migrations are for `{said}`"
                    ));
                }
                assert!(place.is_untouched());
            }
        }
        with_files(&[("0001_a.sql", MODE), (file, &form.replace('$', ours))])
            .run(&["migrate"])
            .ends_with(0);
    }
}

/// It looks the same, and is written in two ways.
#[test]
fn a_name_is_the_same_in_every_form_of_unicode() {
    let view = "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1 AS one;";
    let place = with_files(&[
        ("0001_e\u{301}.up.sql", MODE),
        ("0001_\u{e9}.down.sql", "DROP VIEW v; DROP TABLE mode;"),
        ("R__\u{e9}.sql", view),
    ]);
    place.run(&["migrate"]).ends_with(0);
    std::fs::rename(place.step("R__\u{e9}.sql"), place.step("R__e\u{301}.sql")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    let plan = place.run(&["plan"]).ends_with(0);
    assert!(!plan.stdout.contains("is gone"), "{plan:#?}");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("mode"));
}

#[test]
fn a_fault_names_the_file_in_which_it_is() {
    let refused = Place::in_sql_of("ATTACH 'x' AS y;", "SET ROLE app;");
    for (step, undo) in [
        ("0001_t.up.sql", "0001_t.down.sql"),
        ("V1__t.sql", "U1__t.sql"),
        ("2024-01-01-000000_t/up.sql", "2024-01-01-000000_t/down.sql"),
    ] {
        let name = undo.rsplit('/').next().unwrap();
        let place = with_files(&[(step, MODE), (undo, &format!("-- One.\n\n{refused}"))]);
        for (command, status) in [("migrate", 2), ("plan", 2), ("status", 0)] {
            place
                .run(&[command])
                .ends_with(status)
                .and_says(&format!("`{name}`, line 3"));
        }
        let place = with_files(&[(step, MODE), (undo, "-- One.\n\nDROP TABLE missing;")]);
        place.run(&["migrate"]).ends_with(0);
        place
            .run(&["reset"])
            .ends_with(1)
            .and_says(&format!("`{name}`, line 3"));
    }
}
