//! What earlier runs did, file by file.

use super::{ADD, Tenants as _, counting};
use crate::place::Place;

#[test]
fn history_tells_for_how_many_each_file_was_run() {
    for how in [&["--atomic"][..], &["--parallel", "2"]] {
        let names: Vec<String> = (0..12).map(|number| format!("tenant{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let place = counting().with_tenants(&names);
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        place.write_step("single/003.sql", b"CREATE TABLE here (value INTEGER);");
        place.write_step("views/view.sql", b"SELECT 1;");
        place.run(&[&["migrate"], how].concat()).ends_with(0);
        place
            .run(&["history", "-n", "1"])
            .and_says("  tenants/002_add.sql  migrated for 12 tenants\n")
            .and_says("  single/003.sql  migrated\n")
            .and_says("  views/view.sql  migrated and finalized for 12 tenants\n");
        place.run(&[&["finalize"], how].concat()).ends_with(0);
        let history = place.run(&["history", "--json"]).ends_with(0).json();
        let of = |run: usize| {
            let files = history[run]["files"].as_array().unwrap().iter();
            let told = files.map(|file| {
                let count = |phase: &str| file[phase].as_u64().unwrap();
                let name = file["name"].as_str().unwrap().to_owned();
                (name, count("migrated"), count("finalized"))
            });
            told.collect::<Vec<_>>()
        };
        let file = |name: &str, migrated, finalized| (name.to_owned(), migrated, finalized);
        assert_eq!(
            of(0),
            [
                file("tenants/002_add.sql", 0, 12),
                file("single/003.sql", 0, 1)
            ]
        );
        assert_eq!(of(2), [file("tenants/001_begin.sql", 1, 1)]);
    }
}

/// A reset takes nothing from the history of what it undoes, and has its own.
#[test]
fn history_keeps_what_was_reset() {
    for how in [&["--atomic"][..], &["--parallel", "2"]] {
        let place = counting().with_tenants(&["acme", "beta", "gamma"]);
        let phases = "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:reset\nSELECT 1;";
        place.write_step("tenants/002_add.sql", phases.as_bytes());
        place.write_step("single/003.sql", phases.as_bytes());
        let run = |command: &str| place.run(&[&[command], how].concat()).ends_with(0);
        for _ in 0..2 {
            run("migrate");
            run("reset").and_says("migration_required");
        }
        run("reset").and_says("nothing to do");
        let history = place.run(&["history", "-n", "4"]).ends_with(0).stdout;
        let lines: Vec<&str> = history
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("  commanded by "))
            .collect();
        let migrated = [
            "  tenants/002_add.sql  migrated for 3 tenants",
            "  single/003.sql  migrated",
        ];
        let reset = [
            "  tenants/002_add.sql  reset for 3 tenants",
            "  single/003.sql  reset",
        ];
        assert_eq!(
            lines,
            [reset, migrated, reset, migrated].concat(),
            "{history}"
        );
        run("finalize").and_says("the state is finalized");
        place
            .run(&["history", "-n", "1"])
            .and_says("  tenants/002_add.sql  migrated and finalized for 3 tenants\n");
        place.run(&["verify"]).ends_with(0);
    }
}

/// Not as long as all that ran before it in the same transaction.
#[test]
fn what_failed_took_its_own_time() {
    let slow = Place::in_sql_of(
        "INSERT INTO {schema}.counted WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000000)
         SELECT count(*), 'slow' FROM c;",
        "SELECT pg_sleep(0.5);",
    );
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_slow.sql", slow.as_bytes());
    place.write_step("tenants/003_fails.sql", b"SELECT missing;");
    place.run(&["migrate", "--atomic"]).ends_with(1);
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let time = |of: &serde_json::Value| {
        of["ended_at"].as_i64().unwrap() - of["started_at"].as_i64().unwrap()
    };
    let failed = history[0]["attempts"].as_array().unwrap();
    let failed = failed.iter().find(|attempt| attempt["outcome"] == "failed");
    let (failed, run) = (time(failed.unwrap()), time(&history[0]));
    assert!(failed < run / 2, "{failed} ms of {run}");
}
