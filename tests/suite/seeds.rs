//! Seeds: the rows that an environment begins with.

use crate::place::Place;

const CONFIG: &str = "[env.staging]\nseeds = \"migrations/seeds\"\n";

/// A table, and seeds that the environment `staging` names.
fn place() -> Place {
    let place = Place::new().with_sql("0001_item.sql", "CREATE TABLE item (name TEXT NOT NULL);");
    std::fs::write(place.path().join("wasmigrate.toml"), CONFIG).unwrap();
    std::fs::create_dir(place.step("seeds")).unwrap();
    seed(&place, "20_more.sql", "more");
    seed(&place, "10_first.sql", "first");
    place
}

fn seed(place: &Place, file_name: &str, name: &str) {
    let sql = format!("INSERT INTO item VALUES ('{name}');");
    place.write_step(&format!("seeds/{file_name}"), sql.as_bytes());
}

fn items(place: &Place) -> Vec<String> {
    place.texts("SELECT name FROM item ORDER BY name")
}

const STAGING: [&str; 2] = ["--env", "staging"];

fn staging<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &STAGING].concat()
}

#[test]
fn they_run_once_and_last_and_only_where_the_environment_names_them() {
    let place = place();
    place.run(&["plan"]).ends_with(0).and_says("1 pending");
    place.run(&["finalize"]).ends_with(0);
    assert!(items(&place).is_empty());
    place
        .run(&staging(&["plan"]))
        .ends_with(0)
        .and_says("2 pending")
        .and_says("seeds/10_first");
    place.run(&staging(&["migrate"])).ends_with(0);
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let attempts = history[0]["attempts"].as_array().unwrap();
    let names: Vec<&str> = attempts
        .iter()
        .map(|attempt| attempt["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["seeds/10_first", "seeds/20_more"]);
    place
        .run(&staging(&["migrate"]))
        .ends_with(0)
        .and_says("nothing to do; the state is finalized");
    assert_eq!(items(&place), ["first", "more"]);
    place
        .run(&staging(&["status"]))
        .ends_with(0)
        .and_says("seed");
    // Without the environment nothing is said of them.
    let plan = place.run(&["plan"]).ends_with(0);
    assert!(!plan.stdout.contains("seeds/"), "{plan:#?}");
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_new_one_runs_and_a_changed_one_does_not_and_plan_says_so() {
    let place = place();
    place.run(&staging(&["finalize"])).ends_with(0);
    seed(&place, "05_new.sql", "new");
    seed(&place, "10_first.sql", "other");
    place
        .run(&staging(&["plan"]))
        .ends_with(0)
        .and_says("1 pending")
        .and_says("seeds/05_new")
        .and_says("seeds/10_first  has changed since it ran, and a seed runs once");
    place.run(&staging(&["migrate"])).ends_with(0);
    assert_eq!(items(&place), ["first", "more", "new"]);
    place.run(&staging(&["verify"])).ends_with(0);
    let accept = ["repair", "--accept", "seeds/10_first", "--reason", "typo"];
    place.run(&staging(&accept)).ends_with(0);
    let plan = place.run(&staging(&["plan"])).ends_with(0);
    assert!(!plan.stdout.contains("seeds/"), "{plan:#?}");
}

#[test]
fn a_repeatable_one_runs_again_when_it_has_changed() {
    let place = place();
    seed(&place, "R__demo.sql", "demo");
    place.run(&staging(&["finalize"])).ends_with(0);
    seed(&place, "R__demo.sql", "demo again");
    place.run(&staging(&["finalize"])).ends_with(0);
    assert_eq!(items(&place), ["demo", "demo again", "first", "more"]);
}

#[test]
fn they_run_after_what_is_repeatable() {
    let place = place().with_sql("R__z.sql", "DELETE FROM item;");
    place.run(&staging(&["finalize"])).ends_with(0);
    assert_eq!(items(&place).len(), 2);
}

#[test]
fn a_directory_that_no_environment_names_is_no_directory_of_seeds() {
    let place = place();
    std::fs::write(place.path().join("wasmigrate.toml"), "[env.staging]\n").unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`seeds` is a directory with `10_first.sql` in it");
}

#[test]
fn what_cannot_be_a_seed_is_refused() {
    let place = place();
    place.write_step(
        "seeds/30_x.sql",
        b"-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:reset\nSELECT 2;",
    );
    place
        .run(&staging(&["migrate"]))
        .ends_with(2)
        .and_says("line 3: a seed is neither finalized nor reset");
    std::fs::remove_dir_all(place.step("seeds")).unwrap();
    place
        .run(&staging(&["migrate"]))
        .ends_with(2)
        .and_says("cannot read the directory")
        .and_says("of `seeds`");
    let place = place.with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", ".");
    place
        .run(&staging(&["migrate"]))
        .ends_with(2)
        .and_says("`seeds` is for steps of one directory");
}

#[test]
fn a_reset_lets_those_run_again_that_stood_on_what_was_undone() {
    let place = place().with_sql(
        "0002_price.sql",
        "-- wasmigrate:migrate\nCREATE TABLE price (value INTEGER);\n-- wasmigrate:reset\nDROP TABLE price;",
    );
    place.run(&staging(&["finalize", "--to", "1"])).ends_with(0);
    place.run(&staging(&["migrate"])).ends_with(0);
    place.run(&staging(&["reset"])).ends_with(0);
    place
        .run(&staging(&["plan"]))
        .ends_with(0)
        .and_says("3 pending");
    // Those that ran before that did not.
    let place = self::place();
    place.run(&staging(&["finalize"])).ends_with(0);
    place.write_step(
        "0002_price.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE price (value INTEGER);\n-- wasmigrate:reset\nDROP TABLE price;",
    );
    place.run(&staging(&["migrate"])).ends_with(0);
    place.run(&staging(&["reset"])).ends_with(0);
    place
        .run(&staging(&["plan"]))
        .ends_with(0)
        .and_says("1 pending");
}

/// Two environments, each with a seed of the same name in a directory of its own.
fn two() -> Place {
    let place = Place::new().with_sql(
        "0001_item.sql",
        "-- wasmigrate:migrate\nCREATE TABLE item (name TEXT PRIMARY KEY);\n-- wasmigrate:reset\nDROP TABLE item;",
    );
    let config = "[env.one]\nseeds = \"seeds/one\"\n[env.two]\nseeds = \"seeds/two\"\n";
    std::fs::write(place.path().join("wasmigrate.toml"), config).unwrap();
    for name in ["one", "two"] {
        let directory = place.path().join("seeds").join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let sql = format!("INSERT INTO item VALUES ('{name}');");
        std::fs::write(directory.join("10_item.sql"), sql).unwrap();
    }
    place
}

#[test]
fn seeds_of_two_environments_with_one_name_are_two() {
    let place = two();
    place.run(&["migrate", "--env", "one"]).ends_with(0);
    place
        .run(&["plan", "--env", "two"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("seeds/two/10_item");
    place.run(&["finalize", "--env", "two"]).ends_with(0);
    assert_eq!(items(&place), ["one", "two"]);
    for environment in ["one", "two"] {
        place
            .run(&["migrate", "--env", environment])
            .ends_with(0)
            .and_says("nothing to do");
    }
}

#[test]
fn a_seed_of_another_environment_is_not_gone() {
    let place = two();
    place.run(&["migrate", "--env", "one"]).ends_with(0);
    for environment in [&["--env", "two"][..], &[]] {
        let run = |command: &str| place.run(&[&[command], environment].concat()).ends_with(0);
        let status = run("status").and_says("of another environment");
        assert!(!status.stdout.contains("gone"), "{status:#?}");
        let plan = run("plan");
        assert!(!plan.stdout.contains("gone"), "{plan:#?}");
    }
    // One whose file is not there any more is.
    std::fs::remove_file(place.path().join("seeds/one/10_item.sql")).unwrap();
    place
        .run(&["status", "--env", "one"])
        .ends_with(0)
        .and_says("gone");
    place
        .run(&["plan", "--env", "one"])
        .ends_with(0)
        .and_says("seeds/one/10_item  its file is gone");
}

#[test]
fn a_reset_and_a_migrate_in_turn_go_on_for_ever_whatever_environment_they_name() {
    let place = two();
    for environment in [
        &["--env", "one"][..],
        &[],
        &["--env", "two"],
        &["--env", "one"],
    ] {
        let run = |command: &str| place.run(&[&[command], environment].concat()).ends_with(0);
        run("migrate");
        let name: Vec<&str> = environment.iter().skip(1).copied().collect();
        assert_eq!(items(&place), name);
        run("reset");
        run("migrate");
        assert_eq!(items(&place), name);
        place.run(&["reset"]).ends_with(0);
    }
}

#[test]
fn they_are_the_same_from_wherever_the_command_is_run() {
    let place = two();
    place.run(&["finalize", "--env", "one"]).ends_with(0);
    let config = place.path().join("wasmigrate.toml");
    let mut command = place.command(&["migrate", "--env", "one", "--config"]);
    command.arg(config).current_dir(place.path().join("seeds"));
    let migrations = place.path().join("migrations");
    command.arg("--migrations").arg(migrations);
    command.env("DATABASE_URL", place.url());
    crate::place::Said::from(command.output().unwrap())
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn two_files_of_one_name_are_refused_by_that_name() {
    let place = place();
    seed(&place, "10_first.up.sql", "first");
    place
        .run(&staging(&["plan"]))
        .ends_with(2)
        .and_says("are both the step `seeds/10_first`");
    let place = self::place()
        .with_sql("R__v.sql", "SELECT 1;")
        .with_sql("R__v.up.sql", "SELECT 1;");
    place
        .run(&["plan"])
        .ends_with(2)
        .and_says("are both the step `R__v`");
}

#[test]
fn a_seed_of_another_environment_is_not_repaired_away() {
    let place = two();
    place.run(&["finalize", "--env", "one"]).ends_with(0);
    for environment in [&["--env", "two"][..], &[]] {
        place
            .run(&[&["repair"], environment].concat())
            .ends_with(0)
            .and_says("nothing to repair");
        for act in ["--remove", "--accept"] {
            let order = ["repair", act, "seeds/one/10_item", "--reason", "x"];
            place
                .run(&[&order, environment].concat())
                .ends_with(2)
                .and_says("seeds/one/10_item: it is a seed of another environment");
        }
    }
    assert_eq!(items(&place), ["one"]);
    // In its own environment one that is gone is removed.
    std::fs::remove_file(place.path().join("seeds/one/10_item.sql")).unwrap();
    let order = ["repair", "--remove", "seeds/one/10_item", "--reason", "x"];
    place
        .run(&[&order[..], &["--env", "one"]].concat())
        .ends_with(0)
        .and_says("removed from the journal");
}

#[test]
fn of_two_with_one_name_that_of_the_environment_is_meant() {
    let place = Place::new().with_sql("0001_item.sql", "CREATE TABLE item (name TEXT NOT NULL);");
    let config = "[env.inner]\nseeds = \"migrations/seeds\"\n[env.outer]\nseeds = \"seeds\"\n";
    std::fs::write(place.path().join("wasmigrate.toml"), config).unwrap();
    std::fs::create_dir(place.step("seeds")).unwrap();
    std::fs::create_dir(place.path().join("seeds")).unwrap();
    seed(&place, "one.sql", "inner");
    let outer = place.path().join("seeds/one.sql");
    std::fs::write(&outer, "INSERT INTO item VALUES ('outer');").unwrap();
    for environment in ["inner", "outer"] {
        place.run(&["finalize", "--env", environment]).ends_with(0);
    }
    std::fs::remove_file(outer).unwrap();
    let order = ["repair", "--remove", "seeds/one", "--reason", "x", "--env"];
    place.run(&[&order[..], &["inner"]].concat()).ends_with(2);
    place.run(&[&order[..], &["outer"]].concat()).ends_with(0);
    place
        .run(&["migrate", "--env", "inner"])
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(items(&place), ["inner", "outer"]);
}
