//! Names of one tool, of two ages: they are in its order, or refused.

use crate::place::Place;

fn with_steps(names: &[&str]) -> Place {
    let place = Place::new();
    for name in names {
        let directory = place.step(name);
        std::fs::create_dir(&directory).unwrap();
        let table = name.rsplit_once('_').unwrap().1;
        let sql = format!("CREATE TABLE {table} (b INTEGER);\n");
        std::fs::write(directory.join("up.sql"), sql).unwrap();
    }
    place
}

/// Diesel's programs write a number after the time since version 2.2.
#[test]
fn a_time_with_a_number_comes_after_times_without_one() {
    let place = with_steps(&[
        "00000000000000_first",
        "2024-01-01-090000_second",
        "2024-01-01-090000-0000_third",
        "2024-01-01-090000-0001_fourth",
    ]);
    let said = place.run(&["finalize"]).ends_with(0);
    let order = ["first", "second", "third", "fourth"].map(|name| said.stdout.find(name).unwrap());
    assert!(order.is_sorted(), "{said:#?}");
}

#[track_caller]
fn runs_in_order(place: &Place, names: &[&str]) {
    let said = place.run(&["migrate"]).ends_with(0);
    let order: Vec<usize> = names
        .iter()
        .map(|name| said.stdout.find(&format!("_{name} migrated")).unwrap())
        .collect();
    assert!(order.is_sorted(), "{said:#?}");
}

/// As in directories that have been written with both versions of its program.
#[test]
fn times_with_and_without_a_number_run_in_the_order_of_diesel() {
    let names = [
        "2024-01-01-000000_first",
        "2025-11-19-091444-0000_second",
        "2026-01-20-162913_third",
        "2026-05-26-120000_fourth",
        "2026-05-26-120000-0000_fifth",
        "2026-05-27-120000_sixth",
    ];
    let order = ["first", "second", "third", "fourth", "fifth", "sixth"];
    runs_in_order(&with_steps(&names), &order);
    // What ran before the first name with a number came keeps its index.
    let place = with_steps(&names[..1]);
    place.run(&["migrate"]).ends_with(0);
    for name in &names[1..] {
        let directory = place.step(name);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("up.sql"), "SELECT 1;").unwrap();
    }
    runs_in_order(&place, &order[1..]);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    let place = with_steps(&names);
    let settings = "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n";
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    let said = place.run(&["migrate"]).ends_with(0);
    let order = names.map(|name| said.stdout.find(&format!("{name}/up.sql")).unwrap());
    assert!(order.is_sorted(), "{said:#?}");
}

/// Copies steps that are directories; the files are copied with the place.
fn copy_steps(from: &Place, to: &Place) {
    for entry in std::fs::read_dir(from.path().join("migrations")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if from.step(&name).is_dir() {
            std::fs::create_dir(to.step(&name)).unwrap();
            let inner = format!("{name}/migration.sql");
            std::fs::copy(from.step(&inner), to.step(&inner)).unwrap();
        }
    }
}

#[test]
fn steps_that_have_another_place_for_their_tool_are_refused_until_they_are_applied() {
    const DBMATE: &str = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";
    for (tool, names, text, more) in [
        (
            "Prisma",
            [
                "20240101000000_init/migration.sql",
                "20240201000000_add/migration.sql",
                "20240202_rename/migration.sql",
            ],
            "SELECT 1;",
            "migration_lock.toml",
        ),
        (
            "dbmate",
            [
                "20240101000000_init.sql",
                "20240201000000_add.sql",
                "20240202_rename.sql",
            ],
            DBMATE,
            "notes.txt",
        ),
        (
            "Atlas",
            ["1_a.sql", "2_c.sql", "10_b.sql"],
            "SELECT 1;",
            "atlas.sum",
        ),
    ] {
        let place = Place::new();
        for name in names {
            let path = place.step(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(place.step(more), "").unwrap();
        for command in ["migrate", "plan"] {
            place
                .run(&[command])
                .and_says(&format!("for {tool}, which compares names as texts"))
                .and_says("rename those with shorter numbers");
        }
        place.run(&["migrate"]).ends_with(2);
        // As one of the sources, too.
        let sources = place.copy();
        let settings = "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n";
        let file = sources.path().join("wasmigrate.toml");
        copy_steps(&place, &sources);
        std::fs::write(&file, settings).unwrap();
        sources
            .run(&["plan"])
            .and_says(&format!("for {tool}, which compares names as texts"));
        sources
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("for {tool}, which compares names as texts"));
        std::fs::write(&file, format!("{settings}order = \"versions\"\n")).unwrap();
        sources.run(&["migrate"]).ends_with(0);
        std::fs::write(&file, settings).unwrap();
        sources
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
        place.run(&["baseline"]).ends_with(0);
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("nothing to do");
    }
    // Others compare numbers.
    for more in ["", "-- +goose Up\n"] {
        let place = Place::new()
            .with_sql("9_a.sql", &format!("{more}SELECT 1;"))
            .with_sql("10_b.sql", &format!("{more}SELECT 1;"));
        runs_in_order(&place, &["a", "b"]);
    }
}
