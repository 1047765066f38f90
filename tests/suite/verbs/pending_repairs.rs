//! After a failed finalize, what is pending runs first: it may be what repairs.

use crate::place::Place;

/// The finalize of the first step fails, and nothing of it can be reset.
fn failed() -> Place {
    let place = Place::new()
        .with_data("CREATE TABLE ok (x INTEGER); INSERT INTO ok VALUES (1), (1)")
        .with_sql(
            "0001_a.sql",
            "-- wasmigrate:migrate\nCREATE TABLE a (x INTEGER);\n-- wasmigrate:finalize\nCREATE UNIQUE INDEX ux ON ok (x);",
        );
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("the state is finalization_failed");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("the last finalize failed");
    place
}

const REPAIR: &str =
    "-- wasmigrate:migrate\nDELETE FROM ok;\n-- wasmigrate:finalize\nINSERT INTO ok VALUES (7);";

#[test]
fn finalize_runs_what_is_pending_and_finalizes_all() {
    let place = failed().with_sql("0002_b.sql", REPAIR);
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("it has no section `-- wasmigrate:reset`");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("0002_b migrated")
        .and_says("0001_a finalized")
        .and_says("0002_b finalized")
        .and_says("the state is finalized");
    assert_eq!(place.texts("SELECT x FROM ok"), ["7"]);
}

#[test]
fn migrate_runs_what_is_pending() {
    let place = failed().with_sql("0002_b.sql", REPAIR);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("the state is finalization_required");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM ok"), 0);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn a_repeatable_step_that_is_new_runs_too() {
    let place = failed().with_sql("R__v.sql", "DELETE FROM ok;");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM ok"), 0);
}

#[test]
fn a_repair_that_fails_is_a_failed_migrate_and_runs_again() {
    let place = failed().with_sql("0002_b.sql", "DELETE FROM nowhere;");
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("the state is migration_failed");
    place.write_step("0002_b.sql", REPAIR.as_bytes());
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn some_of_the_steps_leave_what_is_pending() {
    let place = failed().with_sql("0002_b.sql", REPAIR);
    place.connect().run("DELETE FROM ok");
    place
        .run(&["finalize", "--to", "1"])
        .ends_with(0)
        .and_says("the state is migration_required");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}
