//! `[env.NAME]`: what is laid over the file for one environment.

use crate::place::{Place, Said};
use crate::target::bare;

const FILE: &str = "database = \"sqlite:here.db?mode=rwc\"
[settings]
region = \"north\"
colour = \"red\"

[env.staging]
database = \"sqlite:staging.db?mode=rwc\"
[env.staging.settings]
region = \"south\"

[env.production]
database = \"sqlite:${PRODUCTION_FILE}\"
";

fn place() -> Place {
    let place = Place::new().with_sql("0001_made.sql", "CREATE TABLE made (a INTEGER);");
    std::fs::write(place.path().join("wasmigrate.toml"), FILE).unwrap();
    place
}

fn run(place: &Place, arguments: &[&str]) -> Said {
    bare(place, arguments, &[])
}

#[test]
fn the_chosen_one_is_laid_over_the_file_and_named_with_the_target() {
    let place = place();
    run(&place, &["migrate", "--env", "staging"])
        .ends_with(0)
        .and_says("target  sqlite:staging.db")
        .and_says("env     staging");
    assert!(place.path().join("staging.db").exists());
    assert!(!place.path().join("here.db").exists());
    run(&place, &["status", "--env", "staging"])
        .ends_with(0)
        .and_says("env     staging")
        .and_says("1 migrated");
    let said = run(&place, &["migrate"]).ends_with(0);
    assert!(!said.stdout.contains("env"), "{said:#?}");
    let said = run(&place, &["migrate", "--env", "staging", "--json"]);
    let said = said.ends_with(0);
    assert!(
        said.stdout.contains("\"environment\":\"staging\""),
        "{said:#?}"
    );
    bare(&place, &["status"], &[("WASMIGRATE_ENV", "staging")])
        .ends_with(0)
        .and_says("env     staging");
}

#[test]
fn one_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let place = place();
    run(&place, &["migrate", "--env", "stagin"])
        .ends_with(2)
        .and_says("there is no environment `stagin`; there are production, staging");
    std::fs::write(place.path().join("wasmigrate.toml"), "").unwrap();
    run(&place, &["migrate", "--env", "staging"])
        .ends_with(2)
        .and_says("no table [env.staging]");
    std::fs::remove_file(place.path().join("wasmigrate.toml")).unwrap();
    run(&place, &["migrate", "--env", "staging"])
        .ends_with(2)
        .and_says("which is not there");
    assert!(!place.path().join("here.db").exists());
}

#[test]
fn its_keys_are_checked_whether_it_is_chosen_or_not() {
    let place = place();
    for (text, why) in [
        ("[env.staging]\ndatabse = \"x\"\n", "line 2"),
        ("[env.staging.limits]\nmemory = 5\n", "memory_mib"),
        (
            "[env.staging.env.inner]\n",
            "an environment has no environments of its own",
        ),
    ] {
        std::fs::write(place.path().join("wasmigrate.toml"), text).unwrap();
        run(&place, &["status"]).ends_with(2).and_says(why);
    }
}

#[test]
fn an_empty_name_is_no_environment() {
    let place = place();
    run(&place, &["migrate", "--env", ""])
        .ends_with(2)
        .and_says("`--env` names no environment");
    assert!(!place.path().join("here.db").exists());
}
