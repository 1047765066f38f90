//! What only a server has: replicas that fall behind, and an application that holds locks.

use std::time::{Duration, Instant};

use wasmigrate_test_server::{Cluster, Durability};

use super::{COLUMNS, Customer, customers, expected, insert, normalized, place_with};
use crate::hosts::host::{signal, until};
use crate::place::{Place, Said};

/// The locks that the place's sessions wait for.
const WAITING: &str = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE NOT granted AND datname = current_database()";

#[test]
fn the_work_pauses_while_a_replica_is_far_behind() {
    let cluster = Cluster::start(Durability::None).unwrap();
    cluster
        .run_sql("postgres", "GRANT pg_monitor TO app")
        .unwrap();
    let place = Place::on(&cluster)
        .with_data(&format!(
            "CREATE TABLE customer (id BIGINT PRIMARY KEY, {COLUMNS})"
        ))
        .with_guest("0001_normalize.wasm", "normalize")
        .with_variable("WASMIGRATE_TRANSFORM_MAX_REPLICA_LAG_SECONDS", "1");
    let all = customers(3_000);
    insert(&mut place.connect(), 1, &all);
    let _follower = cluster.follow(Duration::from_secs(3)).unwrap();
    let said = place
        .run(&["migrate", "--max-rows-per-second", "1000"])
        .ends_with(0);
    assert!(
        said.stdout.contains("the run is paused: a replica is "),
        "{said:#?}"
    );
    assert!(said.stdout.contains("the run continues"), "{said:#?}");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn the_finalize_waits_for_the_table_in_short_tries() {
    let all = customers(100);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    let mut reader = place.connect();
    reader.run("BEGIN; SELECT count(*) FROM customer");
    let finalize = place.start(&["finalize"]);
    // Somebody else comes and goes while the finalize wants the table for itself.
    let mut other = place.connect();
    let mut longest = Duration::ZERO;
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let began = Instant::now();
        other.run("UPDATE customer SET credit = credit WHERE id = 1");
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("the longest statement took {longest:?}");
    assert!(
        longest < Duration::from_secs(1),
        "the application queued for {longest:?} behind the finalize"
    );
    reader.run("COMMIT");
    Said::from(finalize.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn the_application_does_not_wait_behind_a_finalize_that_waits_for_a_vacuum() {
    let all = customers(100);
    let place = place_with(&all);
    place.run(&["migrate"]).ends_with(0);
    let mut vacuum = place.connect();
    // What a vacuum holds.
    vacuum.run("BEGIN; LOCK TABLE customer IN SHARE UPDATE EXCLUSIVE MODE");
    let finalize = place.start(&["finalize"]);
    until("the finalize waits for the vacuum", || {
        place.one::<i64>(WAITING) > 0
    });
    let mut application = place.connect();
    application.run("SET lock_timeout = '50ms'");
    for _ in 0..50 {
        application.run("UPDATE customer SET credit = credit WHERE id = 1");
        std::thread::sleep(Duration::from_millis(10));
    }
    vacuum.run("COMMIT");
    Said::from(finalize.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

const DEMANDS: &str = "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'capture_of_step_%' AND contype = 'c' AND convalidated";

/// A finalize that has proven that every row has its values, and failed behind that.
fn failed_behind_the_proof(all: &[Customer]) -> Place {
    let place = place_with(all).with_sql(
        "0002_fails.sql",
        "-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(1);
    assert_eq!(place.one::<i64>(DEMANDS), 2);
    place
}

#[test]
fn that_no_required_value_is_missing_is_proven_before_the_table_is_locked() {
    let mut all = customers(100);
    let place = failed_behind_the_proof(&all);
    // The application does not know the columns.
    let more = [Customer::numbered(101), Customer::numbered(102)];
    insert(&mut place.connect(), 101, &more);
    all.extend(more);
    place.write_step("0002_fails.sql", b"SELECT 1;");
    place.run(&["finalize", "--allow-changed"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
    let defaults = "SELECT count(*) FROM information_schema.columns
                    WHERE table_name = 'customer' AND column_default IS NOT NULL";
    assert_eq!(place.one::<i64>(defaults), 0);
    let checks = "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 'customer'::regclass";
    assert_eq!(place.one::<i64>(checks), 0);
}

#[test]
fn a_reset_takes_the_proof_away() {
    let all = customers(100);
    let untouched = place_with(&all);
    let place = failed_behind_the_proof(&all);
    place.run(&["reset"]).ends_with(0);
    let table = "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, ''), ', '
                 ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'customer'";
    assert_eq!(place.one::<String>(table), untouched.one::<String>(table));
    assert_eq!(place.one::<i64>(DEMANDS), 0);
}

#[test]
fn two_rows_of_the_application_do_not_meet_in_a_unique_index_on_a_derived_column() {
    let place = place_with(&customers(100))
        .with_sql(
            "0002_index.sql",
            "CREATE UNIQUE INDEX customer_balance ON customer (balance, id);",
        )
        .with_sql(
            "0003_fails.sql",
            "-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
        );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(1);
    assert_eq!(place.one::<i64>(DEMANDS), 0);
    let more = [Customer::numbered(101), Customer::numbered(102)];
    insert(&mut place.connect(), 101, &more);
}

#[test]
fn a_row_that_the_application_has_locked_is_waited_for() {
    let mut all = customers(100);
    let place = place_with(&all);
    let mut application = place.connect();
    application.run("BEGIN; UPDATE customer SET name = 'Grace Hopper' WHERE id = 50");
    let migrate = place.start(&["migrate"]);
    let give_up = Instant::now() + Duration::from_secs(20);
    while place.one::<i64>(WAITING) == 0 {
        assert!(Instant::now() < give_up, "nobody waits");
        std::thread::sleep(Duration::from_millis(20));
    }
    application.run("COMMIT");
    all[49] = Customer {
        name: "Grace Hopper".to_owned(),
        ..all[49].clone()
    };
    Said::from(migrate.wait_with_output().unwrap()).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn a_finalize_holds_no_lock_of_another_step_while_it_waits_for_the_table() {
    let all = customers(100);
    let place = Place::new()
        .with_data(&format!(
            "CREATE TABLE customer (id BIGINT PRIMARY KEY NOT NULL, {COLUMNS});
             CREATE TABLE counter (id BIGINT PRIMARY KEY, count BIGINT); INSERT INTO counter VALUES (1, 0)"
        ))
        .with_sql(
            "0001_counts.sql",
            "-- wasmigrate:finalize\nUPDATE counter SET count = count + 1;",
        )
        .with_guest("0002_normalize.wasm", "normalize");
    insert(&mut place.connect(), 1, &all);
    place.run(&["migrate"]).ends_with(0);
    let mut reader = place.connect();
    reader.run("BEGIN; SELECT count(*) FROM customer");
    let finalize = place.start(&["finalize"]);
    until("the finalize waits for the table", || {
        place.one::<i64>(WAITING) > 0
    });
    let mut application = place.connect();
    application.run("SET lock_timeout = '50ms'");
    for _ in 0..20 {
        application.run("UPDATE counter SET count = count + 1");
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.run("COMMIT");
    Said::from(finalize.wait_with_output().unwrap()).ends_with(0);
    assert_eq!(normalized(&place, "id"), expected(&all));
    assert_eq!(place.one::<i64>("SELECT count FROM counter"), 21);
}

const RIGHTS: &str = "SELECT has_function_privilege('other', 'capture_of_step_1()', 'EXECUTE')";

/// A table of somebody else's, whose trigger is the capture's function, and whose type runs code of theirs when it is
/// converted.
const ANOTHER_TABLE: &str = "
    CREATE TYPE mine_key AS (number INTEGER);
    CREATE TABLE ran (as_whom TEXT);
    CREATE FUNCTION convert_key(mine_key) RETURNS BIGINT LANGUAGE plpgsql
      AS $$ BEGIN INSERT INTO public.ran VALUES (current_user); RETURN 1; END $$;
    CREATE CAST (mine_key AS BIGINT) WITH FUNCTION convert_key(mine_key) AS ASSIGNMENT;
    CREATE TABLE mine (id mine_key);
    CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION capture_of_step_1();";

#[test]
fn the_captures_function_serves_no_other_table_and_nobody_else() {
    let mut all = customers(10);
    let place = place_with(&all).with_sql(
        "0002_fails.sql",
        "-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
    );
    place
        .connect_as_superuser()
        .run("DO $$ BEGIN CREATE ROLE other; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts(RIGHTS), ["f"]);
    // As an earlier version of the host made it, and whoever knew that.
    let mut application = place.connect();
    application.run(
        "CREATE OR REPLACE FUNCTION capture_of_step_1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN INSERT INTO public.capture_of_step_1 (key_0) VALUES (NEW.id); RETURN NULL; END $$;
         GRANT EXECUTE ON FUNCTION capture_of_step_1() TO PUBLIC",
    );
    application.run(ANOTHER_TABLE);
    application.run("INSERT INTO mine VALUES (ROW(1)::mine_key)");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM ran"), 1);
    place.run(&["finalize"]).ends_with(1);
    assert_eq!(place.texts(RIGHTS), ["f"]);
    let error = application
        .try_run("INSERT INTO mine VALUES (ROW(1)::mine_key)")
        .unwrap_err();
    assert!(
        error.contains("the capture of step 1 is for the table"),
        "{error}"
    );
    assert_eq!(place.one::<i64>("SELECT count(*) FROM ran"), 1);
    application.run("DROP TABLE mine");
    // It serves its own, under another name, too.
    application.run(
        "ALTER TABLE customer RENAME TO client; UPDATE client SET credit = 7 WHERE id = 3;
         ALTER TABLE client RENAME TO customer",
    );
    place.write_step("0002_fails.sql", b"SELECT 1;");
    place.run(&["finalize", "--allow-changed"]).ends_with(0);
    all[2].credit = 7;
    assert_eq!(normalized(&place, "id"), expected(&all));
}

#[test]
fn the_set_up_is_not_committed_when_a_type_of_the_steps_changes_the_journal_meanwhile() {
    let place = Place::new()
        .with_sql("0001_first.sql", "SELECT 1;")
        .with_data(
            "CREATE TABLE word (id BIGINT PRIMARY KEY, text TEXT NOT NULL); INSERT INTO word VALUES (1, 'one');
             CREATE FUNCTION is_fine(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
               IF $1 IS NULL THEN EXECUTE 'UPDATE public.wasmi' || 'grate_step SET name = ''forged'''; END IF;
               RETURN true;
             END $$;
             CREATE DOMAIN checked_word AS text CHECK (is_fine(VALUE))",
        );
    place.run(&["migrate"]).ends_with(0);
    let place = place.with_guest("0002_typed.wasm", "typed");
    place.run(&["migrate"]).ends_with(1);
    let forged = "SELECT count(*) FROM wasmigrate_step WHERE name = 'forged'";
    assert_eq!(place.one::<i64>(forged), 0);
}

#[test]
fn a_table_whose_rows_are_hidden_from_the_host_is_refused() {
    let place = place_with(&customers(10)).with_data(
        "ALTER TABLE customer ENABLE ROW LEVEL SECURITY; ALTER TABLE customer FORCE ROW LEVEL SECURITY;
         CREATE POLICY of_some ON customer USING (id > 5)",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("row-level security hides rows of `customer`");
}

#[test]
fn a_deferrable_key_is_called_so() {
    let place = place_with(&customers(3));
    place
        .connect()
        .run("ALTER TABLE customer DROP CONSTRAINT customer_pkey, ADD UNIQUE (id) DEFERRABLE");
    let description = "import { transform } from 'wasmigrate';
        export default transform({ summary: 'n', table: 'customer', key: ['id'], inputs: ['name'],
            derives: { n: 'BIGINT' }, row({ name }) { return { n: name.length }; } });";
    std::fs::remove_file(place.step("0001_normalize.wasm")).unwrap();
    let place = place.with_sql("0001_n.js", description);
    place.run(&["migrate"]).ends_with(2).and_says(
        "the columns id of the table `customer` are unique by a constraint that is DEFERRABLE",
    );
    place
        .connect()
        .run("CREATE UNIQUE INDEX at_once ON customer (id)");
    place.run(&["finalize"]).ends_with(0);
}

/// Whatever word the server has for it.
#[test]
fn a_count_that_is_cancelled_is_called_so() {
    let description = "import { transform } from 'wasmigrate';
        export default transform({ summary: 'n', table: 'customer', inputs: ['name'],
            where: 'pg_sleep(600) IS NOT NULL',
            derives: { n: 'BIGINT' }, row({ name }) { return { n: name.length }; } });";
    let place = place_with(&customers(3)).with_sql("0001_n.js", description);
    std::fs::remove_file(place.step("0001_normalize.wasm")).unwrap();
    let run = place.start(&["migrate"]);
    let counting = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the rows are counted", || !place.texts(counting).is_empty());
    signal(run.id(), "TERM");
    let said = Said::from(run.wait_with_output().unwrap())
        .ends_with(1)
        .and_says("cancelled by the operator");
    assert!(!said.stderr.contains("canceling statement"), "{said:#?}");
}
