//! What a step sets in motion so that it happens at the commit, behind the host's last look.

use std::time::{Duration, Instant};

use super::{Target, hidden};
use crate::application::server_version;
use crate::service::process::Service;

/// A table whose rows, once inserted, run `late` at the end of the transaction.
const LATE: &str =
    "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION late()";

fn function(body: &str) -> String {
    format!(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$"
    )
}

#[test]
fn a_deferred_trigger_does_not_write_to_the_journal() {
    let target = Target::new();
    for body in [
        "EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';",
        "EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step';",
        "EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_lease';",
    ] {
        target.repels(
            &[&function(body), LATE, "INSERT INTO audit VALUES ('late')"],
            "it changed or locked `wasmigrate_",
        );
    }
    target.and_works_on();
}

#[test]
fn a_trigger_that_puts_itself_off_again_writes_nothing_at_all() {
    let target = Target::new();
    // Each time it is run, it has itself run again later, until it sees that the host has written.
    let written = "CREATE FUNCTION written() RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE is_there boolean; BEGIN
             EXECUTE 'SELECT EXISTS (SELECT FROM wasmi' || 'grate.wasmi' || 'grate_step WHERE step_index = 2)' INTO is_there;
             RETURN is_there; END $$";
    let again = "IF public.written() THEN
             EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step WHERE step_index = 2';
         ELSE
             SET CONSTRAINTS ALL DEFERRED;
             INSERT INTO public.audit VALUES ('again');
         END IF;";
    target.repels(
        &[
            written,
            &function(again),
            LATE,
            "INSERT INTO audit VALUES ('late')",
        ],
        "the step tampered with the host: it left something behind that would write at the commit",
    );
    target.and_works_on();
}

/// Before version 16 a trigger can take off that the transaction may not write.
#[test]
fn a_trigger_that_puts_itself_off_does_not_write_at_the_commit() {
    let body = "IF current_setting('transaction_read_only') = 'on' THEN
             RESET transaction_read_only;
             EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';
             EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_attempt';
         ELSE
             SET CONSTRAINTS ALL DEFERRED;
             INSERT INTO public.audit VALUES ('again');
         END IF;";
    let target = Target::new();
    target.repels(
        &[&function(body), LATE, "INSERT INTO audit VALUES ('late')"],
        "",
    );
    target.and_works_on();
}

#[test]
fn a_trigger_that_puts_itself_off_again_leaves_the_session_alone() {
    let body = "IF TG_OP = 'INSERT' AND (SELECT count(*) FROM public.audit) < 2 THEN
             SET CONSTRAINTS ALL DEFERRED;
             INSERT INTO public.audit VALUES ('again');
         ELSE
             PERFORM set_config('search_path', 'elsewhere', false), set_config('work_mem', '123kB', false),
                 set_config('lock_timeout', '0', false), pg_advisory_lock(7);
         END IF;";
    let target = Target::new();
    if target
        .place
        .one::<i64>("SELECT current_setting('server_version_num')")
        < 160_000
    {
        // What is left at the commit is not let through at all.
        let statements = [
            "CREATE SCHEMA elsewhere",
            &function(body),
            LATE,
            "INSERT INTO audit VALUES ('late')",
        ];
        return target.repels(
            &statements,
            "it left something behind that would write at the commit",
        );
    }
    let place = target
        .place
        .with_sql("0002_late.sql", &format!("CREATE SCHEMA elsewhere; {}; {LATE}; INSERT INTO audit VALUES ('late');", function(body)))
        .with_sql(
            "0003_next.sql",
            "CREATE TABLE seen AS SELECT current_setting('search_path') || current_setting('work_mem') AS it,
             (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7) AS locks;",
        );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.one::<String>("SELECT it FROM public.seen"),
        "\"public\"4MB"
    );
    assert_eq!(place.texts("SELECT note FROM audit"), ["late", "again"]);
}

#[test]
fn a_cursor_that_outlives_the_transaction_does_not_run_at_its_end() {
    let target = Target::new();
    let late = "CREATE FUNCTION late() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
         EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step WHERE step_index = 2'; RETURN 1; END $$";
    let declare = hidden("DECLARE mine CURSOR WITH HOLD FOR SELECT late()");
    let place = target.permits_once(&[late, &declare]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 2);
}

#[test]
fn a_cursor_that_a_deferred_trigger_opens_does_not_either() {
    let target = Target::new();
    let run = "CREATE FUNCTION run() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
         EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step WHERE step_index = 2'; RETURN 1; END $$";
    let body = "EXECUTE 'DECLARE mine CURSOR WITH HOLD FOR SELECT run()';";
    let place = target.permits_once(&[
        run,
        &function(body),
        LATE,
        "INSERT INTO audit VALUES ('late')",
    ]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 2);
}

#[test]
fn a_deferred_constraint_is_checked_with_its_step() {
    let target = Target::with(
        "CREATE TABLE child (parent INTEGER REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE single (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED);",
    );
    target.repels(
        &["INSERT INTO child VALUES (99)"],
        "violates foreign key constraint",
    );
    target.repels(
        &["INSERT INTO single VALUES (1), (1)"],
        "violates unique constraint",
    );
    target.repels(
        &[
            &function("RAISE EXCEPTION 'not so fast';"),
            LATE,
            "INSERT INTO audit VALUES ('late')",
        ],
        "not so fast",
    );
    let place = target.permits_once(&[
        "INSERT INTO child VALUES (4)",
        "INSERT INTO account VALUES (4, 'Barbara', 0)",
    ]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM child"), 1);
}

/// What rewrites the journal as soon as the commit has begun.
const MEDDLE: &str = "CREATE FUNCTION meddle() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN
     IF current_setting('transaction_read_only') = 'on' THEN
         EXECUTE 'RESET transaction_read_only';
         EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged''';
     END IF; END $$";

/// Whether a key waits for the commit is altered after its check was put off, and the check runs a cast of the step's.
#[test]
fn a_key_that_is_altered_after_its_check_was_put_off_runs_nothing_at_the_commit() {
    let target = Target::new();
    let late = function(
        "EXECUTE 'SET CONSTRAINTS ALL DEFERRED';
         INSERT INTO public.child VALUES (1, ROW(1));
         EXECUTE 'ALTER TABLE public.child ALTER CONSTRAINT of_parent NOT DEFERRABLE';",
    );
    let statements = [
        "CREATE TYPE odd AS (number integer)",
        MEDDLE,
        "CREATE FUNCTION odd_text(odd) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
         PERFORM public.meddle(); RETURN 'other'; END $$",
        "CREATE CAST (odd AS text) WITH FUNCTION odd_text(odd) AS IMPLICIT",
        "CREATE TABLE parent (id text PRIMARY KEY)",
        "INSERT INTO parent VALUES ('other')",
        "CREATE TABLE child (part integer, parent odd) PARTITION BY LIST (part)",
        "CREATE TABLE child_1 PARTITION OF child FOR VALUES IN (1)",
        "ALTER TABLE child ADD CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED",
        &late,
        LATE,
        "INSERT INTO audit VALUES ('late')",
    ];
    target.repels(&statements, "");
    target.and_works_on();
}

/// A key of types that are built in is checked by a query, and to plan that works out what an index's condition says.
#[test]
fn an_index_beside_a_key_runs_nothing_at_the_commit() {
    let target = Target::new();
    let late = function(
        "EXECUTE 'SET CONSTRAINTS ALL DEFERRED';
         INSERT INTO public.child VALUES (1);
         EXECUTE 'ALTER INDEX public.by_rule SET (fillfactor = 80)';",
    );
    let statements = [
        MEDDLE,
        "CREATE FUNCTION rule() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
         PERFORM public.meddle(); RETURN true; END $$",
        "CREATE TABLE parent (id integer PRIMARY KEY)",
        "INSERT INTO parent VALUES (1)",
        "CREATE INDEX by_rule ON parent (id) WHERE public.rule()",
        "CREATE TABLE child (parent integer REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
        &late,
        LATE,
        "INSERT INTO audit VALUES ('late')",
    ];
    target.repels(&statements, "");
    target.and_works_on();
}

/// A key's check is planned with the partition key of the tables above the one that it looks at.
#[test]
fn a_partition_key_above_a_key_runs_nothing_at_the_commit() {
    for (mention, change) in [
        (
            "CREATE TABLE child (name text REFERENCES middle (id) DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO public.child VALUES (''a'')",
        ),
        (
            "CREATE TABLE other (id text PRIMARY KEY); INSERT INTO other VALUES ('a');
             ALTER TABLE middle ADD FOREIGN KEY (id) REFERENCES other (id) DEFERRABLE INITIALLY DEFERRED",
            "DELETE FROM public.other",
        ),
    ] {
        let target = Target::with(&format!(
            "{MEDDLE};
             CREATE FUNCTION part() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
             PERFORM public.meddle(); RETURN 0; END $$;
             CREATE TABLE above (id text, part integer) PARTITION BY LIST ((part + part()));
             CREATE TABLE middle PARTITION OF above (PRIMARY KEY (id)) FOR VALUES IN (1) PARTITION BY LIST (id);
             CREATE TABLE leaf PARTITION OF middle DEFAULT;
             {};
             {mention};",
            match mention.starts_with("CREATE TABLE child") {
                true => "INSERT INTO middle VALUES ('a', 1)",
                false => "SELECT",
            }
        ));
        let late = function(&format!(
            "EXECUTE 'SET CONSTRAINTS ALL DEFERRED'; EXECUTE '{change}';"
        ));
        target.repels(
            &[
                "ALTER TABLE above ALTER part SET STATISTICS 50",
                &late,
                LATE,
                "INSERT INTO audit VALUES ('late')",
            ],
            "",
        );
    }
}

/// Before version 15 a partition's trigger is said to be the server's own.
#[test]
fn a_trigger_of_a_partition_does_not_run_at_the_commit() {
    let target = Target::new();
    let body = "IF current_setting('transaction_read_only') = 'on' THEN
             PERFORM public.meddle();
         ELSE
             SET CONSTRAINTS ALL DEFERRED;
             INSERT INTO public.parts VALUES (1);
         END IF;";
    let statements = [
        MEDDLE,
        &function(body),
        "CREATE TABLE parts (part integer) PARTITION BY LIST (part)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON parts DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION late()",
        "INSERT INTO parts VALUES (1)",
    ];
    target.repels(&statements, "");
    target.and_works_on();
}

/// Keys with nothing of a step's in them do not get in the way, put off or altered.
#[test]
fn ordinary_keys_are_put_off_and_altered() {
    let target = Target::with(
        "CREATE TYPE mood AS ENUM ('fine');
         CREATE TABLE parent (id integer PRIMARY KEY, mood mood UNIQUE);
         CREATE INDEX ON parent (id) WHERE id > 0;
         INSERT INTO parent VALUES (1, 'fine');
         CREATE TABLE child (parent integer REFERENCES parent (id) DEFERRABLE, mood mood REFERENCES parent (mood));",
    );
    target.permits(&[
        "SET CONSTRAINTS ALL DEFERRED",
        "INSERT INTO child VALUES (1, 'fine')",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "DELETE FROM child",
        "ALTER TABLE child ALTER CONSTRAINT child_parent_fkey NOT DEFERRABLE",
        "INSERT INTO child VALUES (1, 'fine')",
        "ALTER TABLE child ALTER CONSTRAINT child_parent_fkey DEFERRABLE",
    ]);
}

/// What a trigger locks at the commit would be locked as long as a service keeps the connection.
#[test]
fn a_lock_that_is_taken_at_the_commit_does_not_outlive_it() {
    if server_version() < 16 {
        return;
    }
    let place = Target::new().place;
    let body = "IF current_setting('transaction_read_only') = 'on' THEN
             PERFORM pg_advisory_lock(7007);
         ELSE
             SET CONSTRAINTS ALL DEFERRED;
             INSERT INTO public.audit VALUES ('again');
         END IF;";
    let script = [&function(body), LATE, "INSERT INTO audit VALUES ('late')"].join(";\n");
    place.write_step("0002_late.sql", script.as_bytes());
    let service = Service::start(&place);
    service.does("migrate");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7007";
    assert_eq!(place.one::<i64>(locks), 0);
}

/// Nor does what a trigger does there to the session: the host's next statements, and later runs, find it as it was.
#[test]
fn what_is_done_to_the_session_at_the_commit_ends_with_it() {
    if server_version() < 16 {
        return;
    }
    for act in [
        "FOR one IN SELECT name FROM pg_prepared_statements LOOP
             EXECUTE format('DEALLOCATE %I', one.name); EXECUTE format('PREPARE %I AS SELECT 1', one.name); END LOOP",
        "EXECUTE 'DEALLOCATE ALL'",
        "EXECUTE 'LISTEN mine'",
        "EXECUTE 'DECLARE mine CURSOR WITH HOLD FOR SELECT 1'",
    ] {
        let place = Target::new().place;
        let late = format!(
            "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE one record; BEGIN
                 IF current_setting('transaction_read_only') = 'on' THEN {act};
                 ELSE SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.audit VALUES ('again'); END IF;
                 RETURN NEW; END $$"
        );
        let script = [&late, LATE, "INSERT INTO audit VALUES ('late')"].join(";\n");
        place.write_step("0002_late.sql", script.as_bytes());
        place.write_step(
            "0003_next.sql",
            b"CREATE TABLE seen AS SELECT pg_listening_channels() AS it UNION ALL SELECT name FROM pg_cursors WHERE name = 'mine'",
        );
        let service = Service::start(&place);
        let run = service.run("migrate");
        assert_eq!(service.outcome(run), "failed");
        // It is applied, and it is the one that is named.
        place
            .run(&["history"])
            .ends_with(0)
            .and_says("what the step left to run at the commit has changed the session");
        assert_eq!(place.one::<i64>("SELECT max(step_index) FROM wasmigrate_step"), 2);
        service.does("migrate");
        assert!(place.texts("SELECT it FROM public.seen").is_empty(), "{act}");
    }
}

/// A trigger can catch that it is cancelled.
#[test]
fn the_deadline_holds_at_the_commit() {
    if server_version() < 16 {
        return;
    }
    let place = Target::new()
        .place
        .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "2")
        .with_variable("WASMIGRATE_ATTEMPTS", "1");
    let late = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF current_setting('transaction_read_only') = 'on' THEN
                 FOR try IN 1..100 LOOP
                     BEGIN PERFORM pg_sleep(100); EXCEPTION WHEN query_canceled THEN NULL; END;
                 END LOOP;
             ELSE SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.audit VALUES ('again'); END IF;
             RETURN NEW; END $$";
    let script = [late, LATE, "INSERT INTO audit VALUES ('late')"].join(";\n");
    place.write_step("0002_late.sql", script.as_bytes());
    let began = Instant::now();
    place.run(&["migrate"]).ends_with(1);
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
}
