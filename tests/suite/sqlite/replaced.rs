//! The file is removed, or another is put in its place, while a run is at work.

use crate::hosts::host::Host;
use crate::place::Place;

/// Two steps, the second of which takes some time.
fn place() -> Place {
    Place::new()
        .with_data("CREATE TABLE before (id INTEGER PRIMARY KEY)")
        .with_sql("0001_quick.sql", "CREATE TABLE quick (id INTEGER);")
        .with_sql(
            "0002_slow.sql",
            "CREATE TABLE slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)
             SELECT max(i) FROM n;",
        )
}

/// Runs `migrate`, and does something to the directory while the second step is at work.
#[track_caller]
fn is_noticed(disturb: impl Fn(&Place), words: &str) {
    let place = place();
    let mut host = Host::start(&place, &["migrate"]);
    while host.until("step_started")["step"] != "0002_slow" {}
    disturb(&place);
    host.end().ends_with(1).and_says(words);
}

#[test]
fn a_file_that_was_removed_takes_no_commits() {
    is_noticed(
        |place| {
            std::fs::remove_file(place.database()).unwrap();
        },
        "was removed while the run was at work",
    );
}

#[test]
fn a_file_that_was_replaced_takes_no_commits() {
    is_noticed(
        |place| {
            let other = place.path().join("other.db");
            std::fs::write(&other, b"").unwrap();
            std::fs::rename(other, place.database()).unwrap();
        },
        "was replaced by another file while the run was at work",
    );
}
