//! Another tool's history after a first run: what nobody has taken over never runs again.

use super::tool::with_sources;
use crate::place::Place;

/// The table of goose, by which it has applied nothing but its own beginning.
const GOOSE: &str =
    "CREATE TABLE goose_db_version (id INTEGER, version_id BIGINT, is_applied BOOLEAN, tstamp TIMESTAMP);
     INSERT INTO goose_db_version VALUES (1, 0, true, '2026-01-02 03:04:05');";

/// A table whose row tells how often it was changed.
const ACCOUNT: &str = "CREATE TABLE acc (a INTEGER); INSERT INTO acc VALUES (5);";

const TIMES_TEN: &str = "UPDATE acc SET a = a * 10;";

/// What goose leaves when it has applied the version.
fn applied_by_goose(version: i64) -> String {
    format!(
        "INSERT INTO goose_db_version VALUES ({}, {version}, true, '2026-01-02 03:04:05'); {TIMES_TEN}",
        version + 1
    )
}

fn account(place: &Place) -> i64 {
    place.one("SELECT a FROM acc")
}

/// Takes over what goose has applied, after which nothing is left to do.
fn takes_all_over(place: &Place) {
    place.run(&["import", "--from", "goose"]).ends_with(0);
    has_nothing_to_do(place);
}

fn has_nothing_to_do(place: &Place) {
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

/// Lets goose apply the step of the place, which then runs only when somebody says that goose's table is of something else.
fn refuses_all(place: Place) {
    let place = place.with_data(&format!("{GOOSE} {ACCOUNT}"));
    let place = place.with_data(&applied_by_goose(1));
    place.write_step("0001_a.sql", TIMES_TEN.as_bytes());
    for arguments in [&["migrate"][..], &["finalize"], &["plan"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("`goose_db_version` says that goose has migrated this target");
    }
    assert_eq!(account(&place), 50);
    let other = place.copy();
    takes_all_over(&other);
    assert_eq!(account(&other), 50);
    place
        .run(&["baseline", "--through", "none"])
        .ends_with(0)
        .and_says("wrote down nothing");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(account(&place), 500);
}

#[test]
fn a_run_that_failed_leaves_the_guard_where_it_was() {
    let place = Place::new().with_sql("0001_a.sql", "SELECT * FROM nowhere;");
    place.run(&["migrate"]).ends_with(1);
    refuses_all(place);
}

#[test]
fn a_run_that_was_refused_leaves_the_guard_where_it_was() {
    let place = Place::new().with_sql("0001_a.sql", "SELECT 1; SAVEPOINT a;");
    place.run(&["migrate"]).ends_with(2);
    refuses_all(place);
}

#[test]
fn a_reset_of_everything_brings_the_guard_back() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "-- wasmigrate:migrate\nCREATE TABLE b (c INTEGER);\n-- wasmigrate:reset\nDROP TABLE b;\n",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    refuses_all(place);
}

/// A target with one step that is applied, and one that is pending.
fn half() -> Place {
    Place::new()
        .with_sql("0001_a.sql", TIMES_TEN)
        .with_sql("0002_b.sql", TIMES_TEN)
        .with_data(&format!("{GOOSE} {ACCOUNT}"))
}

/// Lets goose apply the second, too.
fn refuses_the_second(place: &Place) {
    place.connect().run(&applied_by_goose(2));
    let before = account(place);
    for arguments in [&["migrate"][..], &["finalize"], &["plan"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("goose_db_version` says that goose has applied `")
            .and_says("0002_b.sql`, which is pending here")
            .and_says("wasmigrate import --from goose");
    }
    assert_eq!(account(place), before);
}

#[test]
fn what_another_tool_applies_after_an_import_does_not_run_again() {
    let place = half().with_data(&applied_by_goose(1));
    place.run(&["import", "--from", "goose"]).ends_with(0);
    refuses_the_second(&place);
    takes_all_over(&place);
    assert_eq!(account(&place), 500);
    // Its table says nothing of what comes after that.
    place.write_step("0003_c.sql", TIMES_TEN.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(account(&place), 5000);
}

#[test]
fn what_another_tool_applies_after_a_step_of_ours_does_not_run_again() {
    let place = half();
    place.run(&["finalize", "--to", "1"]).ends_with(0);
    refuses_the_second(&place);
    let other = place.copy();
    other.run(&["baseline"]).ends_with(0).and_says("0002_b");
    has_nothing_to_do(&other);
    place
        .run(&["baseline", "--through", "none"])
        .ends_with(0)
        .and_says("wrote down nothing");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(account(&place), 5000);
}

/// Nobody takes a history over beside a step that is not final, and nobody has to.
#[test]
fn a_step_that_is_not_final_keeps_nobody_from_going_on() {
    let step = format!(
        "-- wasmigrate:migrate\n{TIMES_TEN}\n-- wasmigrate:reset\nUPDATE acc SET a = a / 10;\n"
    );
    let place = half();
    place.write_step("0001_a.sql", step.as_bytes());
    place.run(&["migrate", "--to", "1"]).ends_with(0);
    refuses_the_second(&place);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`wasmigrate finalize --to 0001` makes final what is migrated here");
    place.connect().run(&applied_by_goose(1));
    place
        .run(&["import", "--from", "goose"])
        .ends_with(2)
        .and_says("`finalize` or `reset` first");
    let other = place.copy();
    other.run(&["reset"]).ends_with(0);
    assert_eq!(account(&other), 500);
    place.run(&["finalize", "--to", "0001"]).ends_with(0);
    takes_all_over(&place);
}

#[test]
fn among_sources_it_is_the_same() {
    let place = half().with_data(&applied_by_goose(1));
    with_sources(&place);
    place.run(&["import", "--from", "goose"]).ends_with(0);
    refuses_the_second(&place);
    takes_all_over(&place);
    assert_eq!(account(&place), 500);
}

#[test]
fn among_sources_a_failed_run_leaves_the_guard_where_it_was() {
    let place = Place::new().with_sql("0001_a.sql", "SELECT * FROM nowhere;");
    with_sources(&place);
    place.run(&["migrate"]).ends_with(1);
    let place = place.with_data(&format!("{GOOSE} {ACCOUNT}"));
    let place = place.with_data(&applied_by_goose(1));
    place.write_step("0001_a.sql", TIMES_TEN.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`goose_db_version` says that goose has migrated this target");
    assert_eq!(account(&place), 50);
    place.run(&["baseline", "--through", "none"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(account(&place), 500);
}

/// golang-migrate keeps no more than how far it came: a step that is older may be new.
#[test]
fn an_older_step_is_not_taken_for_one_that_a_counter_has_passed() {
    let place = Place::new()
        .with_sql("0002_a.up.sql", TIMES_TEN)
        .with_data(ACCOUNT)
        .with_data(
            "CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN); INSERT INTO schema_migrations VALUES (2, false);",
        );
    place
        .run(&["import", "--from", "golang-migrate"])
        .ends_with(0);
    place.write_step("0001_older.up.sql", TIMES_TEN.as_bytes());
    place.run(&["migrate", "--out-of-order"]).ends_with(0);
    assert_eq!(account(&place), 50);
    place
        .connect()
        .run("UPDATE schema_migrations SET version = 3");
    place.write_step("0003_c.up.sql", TIMES_TEN.as_bytes());
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("golang-migrate has applied `0003_c.up.sql`");
}

/// Tables of the application, made by its steps, with the names and columns that tools give theirs.
#[test]
fn tables_of_the_application_keep_nobody_from_going_on() {
    let place = Place::new().with_sql(
        "0001_a.sql",
        "CREATE TABLE schema_version (version TEXT); INSERT INTO schema_version VALUES ('two point one');
         CREATE TABLE goose_db_version (id INTEGER, version_id TEXT, is_applied TEXT, tstamp TEXT);
         INSERT INTO goose_db_version VALUES (1, 'honk', 'perhaps', 'later');
         CREATE TABLE schema_migrations (version TEXT); INSERT INTO schema_migrations VALUES ('of birds');
         CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('x');",
    );
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_b.sql", b"CREATE TABLE b (c INTEGER);");
    place.run(&["plan"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("b"));
}
