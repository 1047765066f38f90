//! One target, and two lists of steps: a directory and `[sources]`.

use crate::place::{Place, Said};

/// The same files in a list of another kind would run again.
#[test]
fn steps_of_a_directory_do_not_run_again_from_sources_nor_the_other_way_round() {
    const SOURCES: &str = "WASMIGRATE_SOURCES_SINGLE_MIGRATIONS";
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    place.run(&["finalize"]).ends_with(0);
    let as_sources = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command
            .env("WASMIGRATE_SOURCES_BASE", ".")
            .env(SOURCES, "migrations");
        Said::from(command.output().unwrap())
    };
    for arguments in [&["migrate"][..], &["plan", "--dry-run"]] {
        as_sources(arguments)
            .ends_with(2)
            .and_says("came from a directory of steps");
    }
    as_sources(&["baseline"]).ends_with(0);
    as_sources(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");

    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (id BIGINT);");
    let mut command = place.command(&["migrate"]);
    command
        .env("WASMIGRATE_SOURCES_BASE", ".")
        .env(SOURCES, "migrations");
    Said::from(command.output().unwrap()).ends_with(0);
    for arguments in [&["migrate"][..], &["finalize"], &["plan", "--dry-run"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("came from `[sources]`, such as `migrations/0001_made.sql`");
    }
    place.run(&["status"]).and_says("came from `[sources]`");
}
