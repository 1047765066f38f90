//! A branch that was merged late: its step comes before one that was applied.

use serde_json::json;

use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;

fn table(name: &str) -> String {
    format!(
        "-- wasmigrate:migrate\nCREATE TABLE {name} (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE {name};"
    )
}

/// Steps 1, 2 and 4 are migrated, and 3 has arrived since.
fn late() -> Place {
    let place = Place::new()
        .with_sql("0001_a.sql", &table("a"))
        .with_sql("0002_b.sql", &table("b"))
        .with_sql("0004_d.sql", &table("d"));
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0003_c.sql", table("c").as_bytes());
    place.write_step("0005_e.sql", table("e").as_bytes());
    place
}

const REFUSAL: &str = "`0003_c.sql` was never applied, but `0004_d` after it was";

#[test]
fn a_late_step_is_refused_until_it_is_wanted() {
    let place = late();
    for command in ["migrate", "finalize", "plan"] {
        place
            .run(&[command])
            .ends_with(2)
            .and_says(REFUSAL)
            .and_says("or pass `--out-of-order`");
    }
    place
        .run(&["plan", "--out-of-order"])
        .ends_with(0)
        .and_says("2 pending")
        .and_says("0003_c");
    place
        .run(&["plan", "--out-of-order", "--dry-run", "--to", "3"])
        .ends_with(0)
        .and_says("1 step ran and was rolled back; nothing was changed");
    place
        .run(&["migrate", "--out-of-order"])
        .ends_with(0)
        .and_says("0003_c warning: runs out of order: 0004_d was applied before it")
        .and_says("0005_e migrated");
    let status = place.run(&["status"]).ends_with(0);
    let lines = status.stdout.lines();
    let marked: Vec<&str> = lines.filter(|line| line.contains("out of order")).collect();
    assert_eq!(marked.len(), 1, "{status:#?}");
    assert!(marked[0].contains("0003_c"), "{status:#?}");
    let history = place.run(&["history", "--output"]).ends_with(0);
    history
        .and_says("runs out of order: 0004_d was applied before it")
        .and_says("s  out of order");
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(history[0]["out_of_order"], json!([3]));
    assert_eq!(history[1].get("out_of_order"), None);
    // Nothing is to be said of it any more.
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("nothing is pending");
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn the_last_that_was_applied_is_the_first_that_is_undone() {
    let place = late();
    place
        .run(&["migrate", "--out-of-order", "--to", "3"])
        .ends_with(0);
    let all = place.run(&["reset", "--json"]);
    let ended = all
        .stdout
        .lines()
        .filter(|line| line.contains("step_ended"));
    let names: Vec<String> = ended
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["step"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["0003_c", "0004_d", "0002_b", "0001_a"]);
}

#[test]
fn back_to_a_step_means_what_was_applied_after_it() {
    let place = late();
    place
        .run(&["migrate", "--out-of-order", "--to", "3"])
        .ends_with(0);
    place.run(&["reset", "--to", "4"]).ends_with(0);
    assert!(place.has_table("d") && !place.has_table("c"));
    place
        .run(&["reset", "--out-of-order", "--to", "2"])
        .ends_with(0);
    assert!(place.has_table("b") && !place.has_table("d"));
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("c") && place.has_table("d") && place.has_table("e"));
}

#[test]
fn a_setting_says_it_once_and_for_all() {
    let place = late().with_variable("WASMIGRATE_OUT_OF_ORDER", "true");
    place.run(&["plan"]).ends_with(0).and_says("2 pending");
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("c"));
}

#[test]
fn a_service_runs_it_when_it_is_told_to() {
    let place = late();
    let service = Service::start(&place);
    let desk = Desk::of(&service);
    desk.run(&["migrate"]).ends_with(2).and_says(REFUSAL);
    desk.run(&["plan", "--out-of-order"])
        .ends_with(2)
        .and_says("`out_of_order`");
    desk.run(&["migrate", "--out-of-order", "--to", "3"])
        .ends_with(0)
        .and_says("runs out of order: 0004_d was applied before it");
    let steps = service.get("/api/v1/status").json();
    assert_eq!(steps["steps"][2]["out_of_order"], true);
}

#[test]
fn over_http_the_field_is_named_and_not_the_option() {
    let place = late();
    let service = Service::start(&place);
    service
        .post("/api/v1/runs", &json!({ "command": "migrate" }))
        .is_problem(409, "or pass `\"out_of_order\": true`");
}

/// A step that stands on the table of a later one.
const COLUMN: &str = "-- wasmigrate:migrate
ALTER TABLE c ADD COLUMN j INTEGER;
-- wasmigrate:reset
ALTER TABLE c DROP COLUMN j;";

/// What was applied last stands on what was applied before it, whatever their numbers are.
#[test]
fn a_late_step_is_not_final_before_what_it_stands_on() {
    let place = Place::new()
        .with_sql("0001_a.sql", &table("a"))
        .with_sql("0003_c.sql", &table("c"));
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_b.sql", COLUMN.as_bytes());
    place
        .run(&["finalize", "--to", "2", "--out-of-order"])
        .ends_with(2)
        .and_says("0002_b comes after 0003_c");
    place.run(&["migrate", "--out-of-order"]).ends_with(0);
    place
        .run(&["finalize", "--to", "2"])
        .ends_with(2)
        .and_says("0002_b comes after 0003_c")
        .and_says("finalize --to 0003_c");
    // The first is before both.
    place.run(&["finalize", "--to", "1"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("c") && place.has_table("a"));
}

/// A target of an earlier version may have such a step.
#[test]
fn nothing_is_undone_under_a_late_step_that_is_final() {
    let place = Place::new().with_sql("0003_c.sql", &table("c"));
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_b.sql", COLUMN.as_bytes());
    place.run(&["migrate", "--out-of-order"]).ends_with(0);
    place.connect().run(
        "UPDATE wasmigrate_step SET state = 'finalized', finalized_at = migrated_at WHERE step_index = 2",
    );
    for arguments in [&["reset"][..], &["reset", "--steps", "1"]] {
        place
            .run(arguments)
            .ends_with(2)
            .and_says("0002_b is finalized, and was applied after steps that are not");
    }
    assert!(place.has_table("c"));
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn what_is_said_after_a_late_step_was_reset_can_be_done() {
    let place = late();
    std::fs::remove_file(place.step("0005_e.sql")).unwrap();
    place.run(&["migrate", "--out-of-order"]).ends_with(0);
    place
        .run(&["reset", "--steps", "1"])
        .ends_with(0)
        .and_says("`0003_c` before what is migrated")
        .and_says("`wasmigrate finalize --to 0004 --out-of-order`");
    place
        .run(&["finalize", "--to", "0004", "--out-of-order"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn what_is_written_down_may_leave_out_a_late_step() {
    let goose = "CREATE TABLE goose_db_version (id INTEGER, version_id BIGINT, is_applied BOOLEAN, tstamp TIMESTAMP);
         INSERT INTO goose_db_version VALUES (1, 0, true, '2026-01-02 03:04:05'), (2, 1, true, '2026-01-02 03:04:05'),
         (3, 3, true, '2026-01-02 03:04:05');";
    let rails = "CREATE TABLE schema_migrations (version VARCHAR(255) NOT NULL PRIMARY KEY);
         INSERT INTO schema_migrations VALUES ('1'), ('3');
         CREATE TABLE ar_internal_metadata (key VARCHAR(255) NOT NULL PRIMARY KEY, value VARCHAR(255));";
    let gap = "`0002_b.sql` was never applied, but `0003_c` after it was";
    let older = "`0002_b.sql` is older than the last that goose applied";
    for (tool, history, refusal) in [("goose", goose, older), ("rails", rails, gap)] {
        let place = Place::new()
            .with_sql("0001_a.sql", &table("a"))
            .with_sql("0002_b.sql", &table("b"))
            .with_sql("0003_c.sql", &table("c"))
            .with_data(history);
        let import = ["import", "--from", tool];
        place
            .run(&import)
            .ends_with(2)
            .and_says(refusal)
            .and_says("pass `--out-of-order`");
        let way = [&import[..], &["--out-of-order"]].concat();
        place.run(&way).ends_with(0).and_says("2 as applied");
        place.run(&["migrate"]).ends_with(2).and_says(gap);
        place.run(&["migrate", "--out-of-order"]).ends_with(0);
        assert!(place.has_table("b") && !place.has_table("a"));
    }
}

#[test]
fn every_command_that_judges_the_order_takes_the_flag_that_it_names() {
    let place = late();
    place.run(&["finalize", "--out-of-order", "--to", "2"]);
    for command in [&["verify"][..], &["baseline"]] {
        let said = place.run(command);
        if said.stderr.contains("--out-of-order") {
            let way = [command, &["--out-of-order"]].concat();
            let said = place.run(&way);
            assert!(!said.stderr.contains("unexpected argument"), "{said:#?}");
            assert!(!said.stderr.contains(REFUSAL), "{said:#?}");
        }
    }
    late()
        .run(&["verify", "--out-of-order"])
        .ends_with(0)
        .and_says("3 applied steps");
}
