//! What is told as done is committed: steps that share a transaction are told so when it is, and what was rolled back is named.

use serde_json::Value;

use crate::place::{Place, Said};
use crate::tenants::{Tenants as _, counting};

/// How the steps of one phase ended, as events tell it: the step, the outcome and whether it was rolled back with others.
fn ended(said: &Said, phase: &str) -> Vec<(String, String, bool)> {
    let events = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| event["event"] == "step_ended" && event["phase"] == phase)
        .map(|event| {
            (
                event["step"].as_str().unwrap().to_owned(),
                event["outcome"].as_str().unwrap().to_owned(),
                event["rolled_back"] == true,
            )
        })
        .collect()
}

fn is(step: &str, outcome: &str, rolled_back: bool) -> (String, String, bool) {
    (step.to_owned(), outcome.to_owned(), rolled_back)
}

/// Three steps that share the transaction of the finalize; the last one cannot be finalized.
fn three() -> Place {
    let place = (1..=2).fold(Place::new(), |place, number| {
        let sql = format!(
            "-- wasmigrate:migrate\nCREATE TABLE t{number} (x INTEGER);\n-- wasmigrate:finalize\nINSERT INTO t{number} VALUES (1);\n\
             -- wasmigrate:reset\nDROP TABLE t{number};"
        );
        place.with_sql(&format!("000{number}_t.sql"), &sql)
    });
    let place = place.with_sql(
        "0003_t.sql",
        "-- wasmigrate:migrate\nCREATE TABLE t3 (x INTEGER);\n-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);\n\
         -- wasmigrate:reset\nDROP TABLE t3;",
    );
    place.run(&["migrate"]).ends_with(0);
    place
}

#[test]
fn a_finalize_that_fails_tells_no_step_as_finalized() {
    let place = three();
    let said = place.copy().run(&["finalize", "--json"]).ends_with(1);
    assert_eq!(
        ended(&said, "finalize"),
        [
            is("0003_t", "failed", false),
            is("0001_t", "failed", true),
            is("0002_t", "failed", true),
        ]
    );
    let said = place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("0001_t rolled back")
        .and_says("0002_t rolled back")
        .and_says("the failed step was rolled back, and so were 2 other steps of its transaction, the state is");
    assert!(!said.stdout.contains(" finalized in"), "{said:#?}");
    place.write_step(
        "0003_t.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE t3 (x INTEGER);\n-- wasmigrate:finalize\nINSERT INTO t3 VALUES (1);",
    );
    let said = place
        .run(&["finalize", "--allow-changed", "--json"])
        .ends_with(0);
    let done = |step| is(step, "done", false);
    assert_eq!(
        ended(&said, "finalize"),
        [done("0001_t"), done("0002_t"), done("0003_t")]
    );
    assert_eq!(said.stdout.matches("\"step_ran\"").count(), 3, "{said:#?}");
}

#[test]
fn a_reset_that_fails_tells_no_step_as_reset() {
    let place = three();
    place.connect().run("DROP TABLE t1");
    let said = place
        .run(&["reset"])
        .ends_with(1)
        .and_says("0003_t rolled back")
        .and_says("the failed step was rolled back, and so were 2 other steps of its transaction");
    assert!(!said.stdout.contains(" reset in"), "{said:#?}");
}

/// A file that succeeds until the look before the commit.
const FAILS_LATE: &str = "CREATE TABLE {schema}.parent (id INTEGER PRIMARY KEY);
    CREATE TABLE {schema}.child (id INTEGER REFERENCES {schema}.parent (id) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO {schema}.child VALUES (7);";

const ADD: &str = "INSERT INTO {schema}.counted VALUES (10, '{schema}');";

#[test]
fn a_file_for_tenants_whose_commit_fails_is_not_told_as_migrated() {
    let place = counting().with_tenants(&["acme", "beta"]);
    // On SQLite, names in foreign keys have no schema.
    let late = FAILS_LATE.replace(
        "REFERENCES {schema}.",
        Place::in_sql_of("REFERENCES ", "REFERENCES {schema}."),
    );
    place.write_step("tenants/002_late.sql", late.as_bytes());
    let said = place
        .run(&["migrate", "--parallel", "2"])
        .ends_with(1)
        .and_says("002_late.sql for acme rolled back")
        .and_says("002_late.sql for beta rolled back");
    assert!(!said.stdout.contains(" migrated in"), "{said:#?}");
}

#[test]
fn tenants_in_one_transaction_are_told_as_migrated_when_it_is_committed() {
    let place = counting().with_tenants(&["acme", "beta"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    place.write_step("tenants/003_add.sql", ADD.as_bytes());
    place.write_step(
        "tenants/004_fails.sql",
        b"INSERT INTO {schema}.nowhere VALUES (1);",
    );
    let said = place
        .run(&["migrate", "--atomic"])
        .ends_with(1)
        .and_says("002_add.sql rolled back")
        .and_says("003_add.sql rolled back")
        .and_says("and so were 2 other steps of its transaction");
    assert!(!said.stdout.contains(" migrated in"), "{said:#?}");
    std::fs::remove_file(place.step("tenants/004_fails.sql")).unwrap();
    place
        .run(&["migrate", "--atomic"])
        .ends_with(0)
        .and_says("002_add.sql migrated in")
        .and_says("003_add.sql migrated in");
}

#[test]
fn a_rehearsal_of_tenants_tells_nothing_as_migrated() {
    let place = counting().with_tenants(&["acme"]);
    place.write_step("tenants/002_add.sql", ADD.as_bytes());
    let said = place.run(&["plan", "--dry-run"]).ends_with(0);
    assert!(!said.stdout.contains(" migrated in"), "{said:#?}");
}

#[test]
fn what_a_checkpoint_has_kept_is_said() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (x INTEGER);");
    place.write_step(
        "0002_b.js",
        b"export function migrate(db, resume) {
            if (resume === undefined) { db.execute('INSERT INTO a VALUES (1)'); db.checkpoint({ half: true }); }
            throw new Error('no further');
        }",
    );
    for _ in 0..2 {
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("no further")
            .and_says("failed; the failed step was rolled back to its last checkpoint, the state is migration_failed");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 1);
    }
}

mod postgres {
    use super::*;
    use crate::hosts::host::{Host, until};

    /// The sessions of the host that wait for a table of the journal.
    const WAITING: &str =
        "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

    #[test]
    fn commits_that_are_lost_are_not_told() {
        let place = counting().with_tenants(&["acme", "beta"]);
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        let mut operator = place.connect_as_superuser();
        operator.run("BEGIN; LOCK TABLE wasmigrate_applied IN SHARE MODE");
        let host = Host::start(&place, &["migrate", "--parallel", "2"]);
        let waiting = format!("SELECT count(*) {WAITING}");
        // In a transaction, what is seen of other sessions stays as it was.
        let mut other = place.connect_as_superuser();
        until("both commits wait", || {
            other.rows(&waiting)[0][0].as_deref() == Some("2")
        });
        other.run(&format!("SELECT pg_terminate_backend(pid) {WAITING}"));
        operator.run("COMMIT");
        let said = host.end();
        let told = ended(&said, "migrate");
        let at_first: Vec<&str> = told
            .iter()
            .take(2)
            .map(|(_, outcome, _)| &**outcome)
            .collect();
        assert_eq!(at_first, ["failed", "failed"], "{told:?}");
        for (tenant, sum) in [("acme", place.sum("acme")), ("beta", place.sum("beta"))] {
            let step = format!("002_add.sql for {tenant}");
            let done = told
                .iter()
                .filter(|(told, outcome, _)| told.ends_with(&step) && outcome == "done");
            assert_eq!(done.count(), usize::from(sum == "11"), "{told:?}");
        }
    }

    #[test]
    fn another_try_is_told_of_by_the_name_of_its_file() {
        let place = counting()
            .with_data(
                "CREATE TABLE public.busy (id INTEGER);
                 CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE SQLSTATE '40001' USING MESSAGE = 'try again'; END $$;
                 CREATE CONSTRAINT TRIGGER refuses AFTER INSERT ON public.busy DEFERRABLE INITIALLY DEFERRED
                     FOR EACH ROW EXECUTE FUNCTION public.refuse();",
            )
            .with_tenants(&["acme"]);
        place.write_step(
            "tenants/002_busy.sql",
            b"INSERT INTO public.busy VALUES (1);",
        );
        place
            .run(&["migrate", "--parallel", "1"])
            .ends_with(1)
            .and_says("002_busy.sql for acme is tried again (attempt 2)");
        place
            .run(&["migrate", "--atomic"])
            .ends_with(1)
            .and_says("the transaction is tried again (attempt 2)");
    }
}
