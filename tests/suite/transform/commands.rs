//! What the other commands say of transformations.

use std::process::Command;

use super::{customers, place_with};
use crate::place::{Said, built_guest};

#[test]
fn inspect_tells_the_table_and_its_columns() {
    let place = place_with(&[]);
    let guest = built_guest("normalize");
    let guest = guest.to_str().unwrap();
    place
        .run(&["inspect", guest])
        .ends_with(0)
        .and_says("splits names and normalises addresses")
        .and_says("compute columns of a table from others, as a pure function")
        .and_says(
            "customer: name, email, debit, credit → given_name TEXT, family_name TEXT NOT NULL",
        );
    // Two pages of WASI help nobody.
    let said = place.run(&["inspect", guest]).ends_with(0);
    assert!(!said.stdout.contains("wasi:"), "{said:#?}");
    place
        .run(&["inspect", "--wit", guest])
        .ends_with(0)
        .and_says("export transform: func(rows: batch)");
    let inspection = place.run(&["inspect", "--json", guest]).ends_with(0).json();
    assert_eq!(
        inspection["transformation"]["derived"][2]["replaces"],
        "email"
    );
}

#[test]
fn a_rehearsal_goes_through_all_rows_and_changes_nothing() {
    let place = place_with(&customers(300));
    let before = place.content();
    let rehearsal = place
        .run(&["plan", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(rehearsal["rows_changed"]["customer"], 300, "{rehearsal}");
    assert_eq!(place.content(), before);
    place.connect().run(
        "UPDATE customer SET name = '' WHERE id = 7; UPDATE customer SET debit = 0, credit = 0",
    );
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn progress_and_pace_are_told() {
    // So long that the limit alone says how large a chunk is, a fifth of a second's rows, however slow the machine.
    let place = place_with(&customers(3_000))
        .with_variable("WASMIGRATE_TRANSFORM_CHUNK_MILLISECONDS", "60000");
    let said = place
        .run(&["migrate", "--json", "--max-rows-per-second", "1500"])
        .ends_with(0);
    let events: Vec<serde_json::Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert!(of("progress") > 1, "{said:#?}");
    let pace = events
        .iter()
        .rfind(|event| event["event"] == "pace")
        .unwrap();
    assert!(pace["rows_per_second"].as_f64().unwrap() > 0.0, "{pace}");
    assert_eq!(pace["chunk_rows"], 300, "{pace}");
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["rows"]["expected"], 3_000);
    assert_eq!(status["rows"]["done"], 3_000);
    assert_eq!(status["steps"][0]["rows_done"], 3_000);
}

/// On a terminal there is one estimate at a time, rows have separators, and rates are whole rows.
#[test]
fn bars_on_a_terminal_say_it_once() {
    let place = place_with(&customers(3_000))
        .with_variable("WASMIGRATE_TRANSFORM_CHUNK_MILLISECONDS", "60000");
    let migrate = place.command(&["migrate", "--max-rows-per-second", "1500"]);
    let words: Vec<&str> = std::iter::once(migrate.get_program())
        .chain(migrate.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &words.join(" "), "/dev/null"])
        .current_dir(migrate.get_current_dir().unwrap())
        .env_clear()
        .env("TERM", "xterm");
    for (name, value) in migrate.get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    let said = Said::from(terminal.output().unwrap()).ends_with(0);
    let mut has_rows = false;
    for frame in said.stdout.split(['\r', '\n']) {
        assert!(frame.matches(" left").count() <= 1, "{frame}");
        if let Some((before, _)) = frame.split_once("/s, ") {
            let rate = before.rsplit(' ').next().unwrap();
            assert!(!rate.contains('.'), "{frame}");
            has_rows |= before.contains("/3,000");
        }
    }
    assert!(has_rows, "{}", said.stdout);
}
