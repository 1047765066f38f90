//! What a function says is kept with the chunk in which it says it: no line is lost, and none is there twice.

use crate::hosts::host::{Host, until};
use crate::place::Place;
use crate::service::process::Service;

pub const TALKS: &str = "
import { transform } from 'wasmigrate';
export default transform({
  summary: 'talks', table: 'word', inputs: ['text'], derives: { u: 'TEXT' },
  row({ text }) {
    console.log('says ' + text);
    if (text.startsWith('bad')) throw new Error('a bad word');
    return { u: 'U:' + text };
  },
});
";

/// So many words, `word1` and so on, and a function that says each.
pub fn talks(words: i64) -> Place {
    on(Place::new(), words)
}

pub fn on(place: Place, words: i64) -> Place {
    place
        .with_data(&format!(
            "CREATE TABLE word (id BIGINT PRIMARY KEY NOT NULL, text TEXT NOT NULL);
             INSERT INTO word {}",
            Place::in_sql_of(
                "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT WORDS)
                 SELECT n, 'word' || n FROM number",
                "SELECT n, 'word' || n FROM generate_series(1, WORDS) AS n",
            )
            .replace("WORDS", &words.to_string())
        ))
        .with_sql("0001_talk.js", TALKS)
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "3")
}

/// What the journal has of what the function said, without an order.
pub fn said(place: &Place) -> Vec<String> {
    place.texts("SELECT substr(line, 6) FROM wasmigrate_output WHERE line LIKE 'says %' ORDER BY 1")
}

/// What was told of it while it ran, in events, without an order.
pub fn told(said: &crate::place::Said) -> Vec<String> {
    let events = said.stdout.lines().filter_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        let line = event["line"].as_str()?.strip_prefix("says ")?.to_owned();
        (event["event"] == "output").then_some(line)
    });
    let mut told: Vec<String> = events.collect();
    told.sort();
    told
}

/// The rows that have a derived value.
pub fn done(place: &Place) -> Vec<String> {
    place.texts("SELECT text FROM word WHERE u IS NOT NULL ORDER BY 1")
}

/// Starts a migrate that is not done before some rows are, and others are not.
pub fn in_its_midst(place: &Place) -> Host {
    let host = Host::start(place, &["migrate", "--max-rows-per-second", "1000"]);
    until("some rows are done", || {
        place.has_table("wasmigrate_range")
            && place.one::<i64>("SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range") > 500
    });
    host
}

#[test]
fn a_service_keeps_what_is_said_of_rows_that_change_before_the_finalize() {
    let place = talks(5);
    let service = Service::start(&place);
    service.does("migrate");
    let is_done =
        |place: &Place| place.texts("SELECT u FROM word WHERE text LIKE 'fine%' ORDER BY 1");
    // A row that has no answer is left to the next run, with what is said of it; the others do not wait for it.
    place.connect().run(
        "UPDATE word SET text = 'bad one' WHERE id = 2; UPDATE word SET text = 'fine1' WHERE id = 3",
    );
    until("the first is computed", || is_done(&place) == ["U:fine1"]);
    place
        .connect()
        .run("UPDATE word SET text = 'fine2' WHERE id = 4");
    until("the second is computed", || {
        is_done(&place) == ["U:fine1", "U:fine2"]
    });
    let mut expected = place.texts("SELECT 'word' || id FROM word");
    expected.extend(["fine1", "fine2"].map(str::to_owned));
    expected.sort();
    assert_eq!(said(&place), expected);
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("says fine2");
    place.run(&["finalize"]).ends_with(1).and_says("a bad word");
    place
        .connect()
        .run("UPDATE word SET text = 'good' WHERE id = 2");
    place.run(&["finalize"]).ends_with(0);
    let texts = place.texts("SELECT u FROM word ORDER BY id");
    assert_eq!(
        texts,
        ["U:word1", "U:good", "U:fine1", "U:fine2", "U:word5"]
    );
}

#[test]
fn a_run_that_is_killed_or_cancelled_has_the_lines_of_the_rows_that_it_has_done() {
    let place = talks(3_000);
    let all = place.texts("SELECT text FROM word ORDER BY 1");
    let kill = |host: Host| host.kill();
    let interrupt = |host: Host| {
        host.interrupt();
        host.end();
    };
    for end in [kill, interrupt] {
        end(in_its_midst(&place));
        assert_eq!(said(&place), done(&place));
        assert!(!said(&place).is_empty());
    }
    place
        .run(&["migrate", "--max-rows-per-second", "0"])
        .ends_with(0);
    assert_eq!(said(&place), all);
    let places = "SELECT count(*) - count(DISTINCT sequence) FROM wasmigrate_output WHERE run = 3";
    assert_eq!(place.one::<i64>(places), 0);
}

#[test]
fn the_lines_of_a_step_after_it_come_after_them() {
    let place = talks(100).with_sql(
        "0002_after.js",
        "export function migrate() { console.log('the first after it'); console.log('the second'); }",
    );
    let shown = place.run(&["migrate", "--json"]).ends_with(0);
    let lines = "SELECT line FROM wasmigrate_output ORDER BY sequence DESC LIMIT 2";
    assert_eq!(place.texts(lines), ["the second", "the first after it"]);
    let last: i64 = place.one("SELECT max(sequence) FROM wasmigrate_output");
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_output"),
        last
    );
    // Somebody works alone again, whose lines have their places when they are said.
    let line = shown
        .stdout
        .lines()
        .find(|line| line.contains("the second"));
    assert!(
        line.unwrap().contains(&format!("\"sequence\":{last},")),
        "{line:?}"
    );
}

#[test]
fn rows_that_are_computed_again_say_so_once() {
    let place = talks(200);
    let migrated = place.run(&["migrate", "--json"]).ends_with(0);
    assert_eq!(told(&migrated), said(&place));
    place
        .connect()
        .run("UPDATE word SET text = 'new' || id WHERE id <= 150");
    place.run(&["migrate"]).ends_with(0);
    let finalized = place.run(&["finalize", "--json"]).ends_with(0);
    let new = place.texts("SELECT text FROM word WHERE id <= 150 ORDER BY 1");
    let said = said(&place);
    let said: Vec<&String> = said.iter().filter(|line| line.starts_with("new")).collect();
    assert_eq!(said, new.iter().collect::<Vec<_>>());
    assert_eq!(told(&finalized).iter().collect::<Vec<_>>(), said);
}

#[test]
fn bad_rows_do_not_let_the_others_speak_twice() {
    let place = talks(500);
    place
        .connect()
        .run("UPDATE word SET text = 'bad' || id WHERE id IN (7, 450)");
    let all = place.texts("SELECT text FROM word ORDER BY 1");
    let shown = place
        .run(&["migrate", "--on-bad-row", "quarantine", "--json"])
        .ends_with(0);
    assert_eq!(told(&shown), said(&place));
    // The bad ones are tried once more at the end.
    let mut said = said(&place);
    said.dedup();
    assert_eq!(said, all);
    let lines = "SELECT count(*) FROM wasmigrate_output WHERE line LIKE 'says %'";
    assert_eq!(place.one::<i64>(lines), 502);
}

#[test]
fn a_step_that_fails_has_the_lines_of_its_last_chunk() {
    let place = talks(300);
    place
        .connect()
        .run("UPDATE word SET text = 'bad200' WHERE id = 200");
    let shown = place.run(&["migrate", "--json"]).ends_with(1);
    let said = said(&place);
    assert_eq!(told(&shown), said);
    assert!(said.contains(&"bad200".to_owned()), "{said:?}");
    for line in done(&place) {
        assert!(said.contains(&line), "{line}");
    }
}

mod postgres {
    use super::*;
    use crate::application::superuser;
    use crate::place::Said;
    use crate::service::process::Service;
    use wasmigrate_test_server::{Cluster, Durability};

    /// Ends all connections to the place's database, as a server does that restarts.
    fn end_connections(place: &Place) {
        let name: String = place.one("SELECT current_database()");
        superuser("postgres").run(&format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    }

    #[test]
    fn a_chunk_that_waited_for_a_lock_in_vain_says_so_once() {
        let place = talks(200).with_variable("WASMIGRATE_TRANSFORM_WORKERS", "1");
        let all = place.texts("SELECT text FROM word ORDER BY 1");
        let migrate = place.start(&["migrate", "--max-rows-per-second", "100", "--json"]);
        until("some rows are done", || {
            place.has_table("wasmigrate_range")
                && place.one::<i64>("SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range") > 0
        });
        let mut application = place.connect();
        application.run("BEGIN; SELECT text FROM word WHERE id = 190 FOR UPDATE");
        let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE NOT granted AND datname = current_database()";
        // The second try, too.
        for _ in 0..2 {
            until("a chunk waits", || place.one::<i64>(waiting) > 0);
            until("it has given up", || place.one::<i64>(waiting) == 0);
        }
        application.run("ROLLBACK");
        let shown = Said::from(migrate.wait_with_output().unwrap()).ends_with(0);
        assert_eq!(said(&place), all);
        assert_eq!(told(&shown), all);
    }

    #[test]
    fn a_run_that_loses_all_its_connections_writes_down_why_it_failed() {
        let place = talks(3_000);
        let host = in_its_midst(&place);
        end_connections(&place);
        host.end().ends_with(1);
        let error = "SELECT error FROM wasmigrate_run WHERE id = 1 AND outcome = 'failed'";
        assert!(place.one::<String>(error).contains("was lost"));
        let attempts = "SELECT outcome || ' ' || step_index FROM wasmigrate_attempt";
        assert_eq!(place.texts(attempts), ["failed 1"]);
        let held = "SELECT count(*) FROM wasmigrate_lease WHERE holder IS NOT NULL";
        assert_eq!(place.one::<i64>(held), 0);
        place
            .run(&["status"])
            .ends_with(0)
            .and_says("migration_failed")
            .and_says("was lost: terminating connection due to administrator command");
        assert_eq!(said(&place), done(&place));
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(done(&place).len(), 3_000);
        assert_eq!(said(&place), done(&place));
    }

    #[test]
    fn a_run_whose_server_was_killed_writes_down_why_it_failed() {
        let mut cluster = Cluster::start(Durability::None).unwrap();
        let place = on(Place::on(&cluster), 3_000);
        let host = in_its_midst(&place);
        cluster.kill().unwrap();
        cluster.start_again().unwrap();
        host.end().ends_with(1);
        let outcomes = "SELECT outcome FROM wasmigrate_run";
        assert_eq!(place.texts(outcomes), ["failed"]);
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(done(&place).len(), 3_000);
        assert_eq!(said(&place), done(&place));
    }

    #[test]
    fn a_service_tries_again_after_all_connections_were_lost() {
        let place = talks(3_000)
            .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "5")
            .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "50")
            .with_variable("WASMIGRATE_TRANSFORM_MAX_ROWS_PER_SECOND", "1000");
        let service = Service::start(&place);
        let run = service.run("migrate");
        let some = "SELECT coalesce(sum(rows_done), 0) FROM wasmigrate_range";
        for least in [300, 1_000] {
            until("some rows are done", || {
                place.has_table("wasmigrate_range") && place.one::<i64>(some) > least
            });
            end_connections(&place);
        }
        assert_eq!(service.outcome(run), "done");
        let attempts = "SELECT attempt || ' ' || outcome FROM wasmigrate_attempt ORDER BY attempt";
        assert_eq!(place.texts(attempts), ["1 failed", "2 failed", "3 done"]);
        assert_eq!(done(&place).len(), 3_000);
        assert_eq!(said(&place), done(&place));
    }
}
