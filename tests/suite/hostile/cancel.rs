//! Ctrl-C ends a run soon, whatever it does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::place::{Place, Said};

use super::component::{Component, must, sql, writes};
use super::limits::ENDLESS_QUERY;
use super::{Attack, STEP, attack};

/// A second is promised; a test machine may have much else to do.
pub(super) const SOON: Duration = Duration::from_secs(5);

const READY: &str = "(call $output (i32.const 1) {{ready}})";

/// Runs the command until it says `line`, sends the signal, and waits for its end.
#[track_caller]
fn interrupt(place: &Place, command: &str, line: &str, signal: &str) -> Said {
    let mut child = place.start(&[command]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.lines().last().unwrap_or_default().contains(line) {
        let read = stdout.read_line(&mut said).unwrap();
        assert!(read > 0, "it ended without saying `{line}`: {said}");
    }
    let sent = Instant::now();
    send(signal, &child);
    while child.try_wait().unwrap().is_none() {
        if sent.elapsed() > SOON {
            child.kill().unwrap();
            panic!("it went on for {SOON:?}: {said}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    stdout.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code(),
        stdout: said,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(super) fn send(signal: &str, child: &Child) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The run is cancelled while the step is busy, and nothing of the step is left.
#[track_caller]
fn is_cancelled(component: Component) {
    let Attack { place } = attack(component);
    let before = place.content();
    interrupt(&place, "migrate", "ready", "-INT")
        .ends_with(1)
        .and_says("0001_hostile, migrate: cancelled by the operator")
        .and_says("cancelled; the running step was rolled back, the state is migration_required");
    assert_eq!(place.content(), before);
    assert_eq!(
        place.texts(
            "SELECT outcome FROM wasmigrate_attempt UNION ALL SELECT outcome FROM wasmigrate_run"
        ),
        ["cancelled", "cancelled"]
    );
    place.write_step(STEP, &Component::migrating(writes()).build());
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_busy_component_is_cancelled() {
    is_cancelled(Component::migrating(
        writes() + READY + "(loop $again (br $again))",
    ));
}

#[test]
fn a_long_statement_is_cancelled() {
    is_cancelled(Component::migrating(writes() + READY + &sql(ENDLESS_QUERY)));
}

#[test]
fn a_step_that_ignores_errors_is_cancelled() {
    let body = format!("(loop $again (drop (call $sql {{{{{ENDLESS_QUERY}}}}})) (br $again))");
    is_cancelled(Component::migrating(writes() + READY + &body));
}

#[test]
fn a_step_that_says_all_went_well_is_cancelled_all_the_same() {
    let body = format!("(drop (call $sql {{{{{ENDLESS_QUERY}}}}}))");
    is_cancelled(Component::migrating(writes() + READY + &body));
}

#[test]
fn a_sql_step_is_cancelled() {
    let alone = Place::new().with_data("CREATE TABLE first (id INTEGER);");
    let place = Place::new()
        .with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);")
        .with_sql(
            "0002_endless.sql",
            &format!("CREATE TABLE second (id INTEGER); {ENDLESS_QUERY};"),
        );
    interrupt(&place, "migrate", "0001_first migrated", "-TERM")
        .ends_with(1)
        .and_says("cancelled");
    assert_eq!(place.content(), alone.content());
}

/// Whatever word the database has for it, also where a script hears it first.
#[test]
fn what_is_cancelled_is_called_so() {
    let body = format!("{{ console.log('ready'); db.execute(`{ENDLESS_QUERY}`); }}");
    let finalize = format!("export function finalize(db) {body}");
    let place = Place::new().with_sql(
        "0001_endless.js",
        &format!("export function migrate(db) {body}"),
    );
    let finalizes = Place::new().with_sql(
        "0001_endless.js",
        &format!("export function migrate() {{}} {finalize}"),
    );
    finalizes.run(&["migrate"]).ends_with(0);
    for (place, command) in [(&place, "migrate"), (&finalizes, "finalize")] {
        let said = interrupt(place, command, "ready", "-TERM")
            .ends_with(1)
            .and_says(&format!(
                "0001_endless, {command}: cancelled by the operator"
            ));
        for other in ["interrupted", "has to end", "canceling statement"] {
            assert!(!said.stderr.contains(other), "{said:#?}");
        }
        place
            .run(&["history"])
            .ends_with(0)
            .and_says("cancelled by the operator");
    }
}

#[test]
fn the_pause_before_another_try_is_cancelled() {
    let body = "(return (call $fail {{the tide is out}} (i32.const 1)))";
    let Attack { place } = attack(Component::migrating(writes() + body)).under("attempts", 20);
    // By the sixth try the pause is longer than the test would wait.
    interrupt(&place, "migrate", "(attempt 7)", "-INT")
        .ends_with(1)
        .and_says("cancelled by the operator");
}

#[test]
fn the_cut_over_is_cancelled() {
    for export in ["finalize", "reset"] {
        let body = sql("INSERT INTO audit VALUES ('half')") + READY + "(loop $again (br $again))";
        let Attack { place } = attack(Component::new().with(export, body));
        place.run(&["migrate"]).ends_with(0);
        let before = place.content();
        interrupt(&place, export, "ready", "-INT")
            .ends_with(1)
            .and_says(&format!(
                "0001_hostile, {export}: cancelled by the operator"
            ));
        assert_eq!(place.content(), before);
    }
}

#[test]
fn a_check_is_cancelled() {
    let body = writes() + READY + "(loop $again (br $again))";
    let Attack { place } = attack(Component::new().with("check", body));
    let before = place.content();
    interrupt(&place, "migrate", "ready", "-INT")
        .ends_with(1)
        .and_says("0001_hostile, prepare: cancelled by the operator");
    assert_eq!(place.content(), before);
}

#[test]
fn the_next_run_continues_from_the_last_checkpoint() {
    let body = "(if (local.get 0) (then (return (i32.const 512))))".to_owned()
        + &sql("INSERT INTO audit VALUES ('kept')")
        + &must("$checkpoint")
        + &sql("INSERT INTO audit VALUES ('undone')")
        + READY
        + "(loop $again (br $again))";
    let Attack { place } = attack(Component::migrating(body));
    interrupt(&place, "migrate", "ready", "-INT").ends_with(1);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_hostile continues from its last checkpoint")
        .and_says("0001_hostile migrated");
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
}

#[test]
fn steps_before_the_cancelled_one_stay() {
    let Attack { place } = attack(Component::migrating(sql(
        "INSERT INTO audit VALUES ('kept')",
    )));
    let second = Component::migrating(writes() + READY + "(loop $again (br $again))");
    place.write_step("0002_second.wasm", &second.build());
    interrupt(&place, "migrate", "ready", "-INT").ends_with(1);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    assert_eq!(place.one::<i64>("SELECT sum(balance) FROM account"), 600);
    let now = place.run(&["status", "--json"]).json();
    assert_eq!(now["steps"][0]["progress"], "migrated");
    assert_eq!(now["steps"][1]["progress"], "pending");
}

mod sqlite {
    use super::*;

    #[test]
    fn a_function_that_nothing_can_interrupt_ends_with_the_host() {
        let endless = "SELECT instr(hex(zeroblob(6000000)), hex(zeroblob(3000000)) || '1')";
        let place = attack(Component::migrating(writes() + &sql(endless)))
            .under("limits.deadline_seconds", 1)
            .place;
        let before = place.content();
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("the step neither ended in time nor could be interrupted");
        assert_eq!(place.content(), before);

        std::fs::remove_file(place.step(STEP)).unwrap();
        place
            .with_sql("0001_healthy.sql", "CREATE TABLE healthy (id INTEGER);")
            .run(&["migrate"])
            .ends_with(0)
            .and_says("0001_healthy migrated");
    }
}

mod postgres {
    use super::*;

    /// Takes the server's word that it was cancelled, and begins again.
    const DEAF: &str = "DO $$ BEGIN LOOP
        BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END;
        END LOOP; END $$";

    /// The number of the server's processes that are at work on the place's database.
    fn at_work(place: &Place) -> i64 {
        place.one(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'
             AND backend_type = 'client backend'",
        )
    }

    #[test]
    fn nothing_is_left_on_the_server() {
        for statement in ["SELECT pg_sleep(3600)", ENDLESS_QUERY] {
            let body = writes() + READY + &sql(statement);
            let Attack { place } = attack(Component::migrating(body));
            interrupt(&place, "migrate", "ready", "-INT")
                .ends_with(1)
                .and_says("cancelled by the operator");
            assert_eq!(at_work(&place), 0);
        }
    }

    #[test]
    fn a_block_that_does_not_listen_is_ended_all_the_same() {
        let silent = "SET application_name = 'somebody else'";
        let endless = "SET statement_timeout = 0";
        let body = writes() + &sql(silent) + &sql(endless) + READY + &sql(DEAF);
        let Attack { place } = attack(Component::migrating(body));
        let before = place.content();
        interrupt(&place, "migrate", "ready", "-INT")
            .ends_with(1)
            .and_says("0001_hostile, migrate: cancelled by the operator");
        assert_eq!(place.content(), before);
        assert_eq!(at_work(&place), 0);
    }

    #[test]
    fn a_block_that_does_not_listen_has_a_deadline() {
        let body = writes() + &sql("SET statement_timeout = 0") + &sql(DEAF);
        let place = attack(Component::migrating(body))
            .under("limits.deadline_seconds", 1)
            .fails()
            .saying("the limit `limits.deadline_seconds` is 1")
            .and_the_host_works_on();
        assert_eq!(at_work(&place), 0);
    }

    #[test]
    fn a_sql_step_that_does_not_listen_is_ended_too() {
        let place = Place::new()
            .with_sql("0001_deaf.sql", &format!("{DEAF};"))
            .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "1");
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("the limit `limits.deadline_seconds` is 1");
        assert_eq!(at_work(&place), 0);
    }

    #[test]
    fn a_server_that_never_stops_talking_is_interrupted() {
        for statement in [
            "SELECT generate_series(1, 1000000000000)",
            "DO $$ BEGIN LOOP RAISE NOTICE 'all work and no play'; END LOOP; END $$",
        ] {
            let body = writes() + &sql("SET statement_timeout = 0") + &sql(statement);
            attack(Component::migrating(body))
                .under("limits.deadline_seconds", 1)
                .fails()
                .saying("the limit `limits.deadline_seconds` is 1")
                .and_the_host_works_on();
        }
    }

    #[test]
    fn a_load_that_the_server_does_not_take_has_a_deadline() {
        // A megabyte of numbers, the first of which keeps the server busy for ever.
        let mut component = Component::new();
        let cells = component.put(&[0; 8 << 17]);
        let data = component.put(&super::super::batches::column(1, &[], &[(cells, 1 << 17)]));
        let name = component.put(b"note");
        let names = [name, 4].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        let names = component.put(&names.concat());
        let body = writes()
            + &sql("SET statement_timeout = 0")
            + &sql(
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$",
            )
            + &sql(
                "CREATE TRIGGER wait BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION wait()",
            )
            + &must(&format!(
                "$load {{{{audit}}}} (i32.const {names}) (i32.const 131072) (i32.const {data})"
            ));
        attack(component.with("migrate", body))
            .under("limits.deadline_seconds", 1)
            .fails()
            .saying("the limit `limits.deadline_seconds` is 1")
            .and_the_host_works_on();
    }
}
