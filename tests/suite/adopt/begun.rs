//! Databases that another tool began with a baseline, or whose first files are squashed into one by now.

use crate::place::Place;

const HISTORY: &str = "CREATE TABLE flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50),
     description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER,
     installed_by VARCHAR(100) NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
     execution_time INT NOT NULL, success BOOLEAN NOT NULL)";

/// What the baseline makes; a second time, it cannot.
const ALL: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);";
const FOURTH: &str = "CREATE TABLE d (id INTEGER PRIMARY KEY);";
const FIFTH: &str = "CREATE TABLE e (id INTEGER PRIMARY KEY);";

/// A target of Flyway with these rows in its table, and all of the baseline there.
fn flyway(rows: &[(&str, &str, &str)]) -> Place {
    let place = Place::new().with_data(HISTORY).with_data(ALL);
    for (rank, (version, kind, script)) in rows.iter().enumerate() {
        place.connect().run(&format!(
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by,
             execution_time, success) VALUES ({rank}, '{version}', 'x', '{kind}', '{script}', NULL, 'app', 1, TRUE)"
        ));
    }
    place
}

fn with_files(place: Place, files: &[(&str, &str)]) -> Place {
    for (file_name, sql) in files {
        place.write_step(file_name, sql.as_bytes());
    }
    place
}

fn import(place: &Place) {
    place.run(&["import", "--from", "flyway"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    // A second time there is nothing to do.
    let again = place.run(&["import", "--from", "flyway", "--json"]);
    assert_eq!(again.ends_with(0).json()["run"], serde_json::Value::Null);
}

#[test]
fn a_database_that_flyway_began_with_a_baseline_goes_on_after_it() {
    for kind in ["SQL_BASELINE", "BASELINE"] {
        let script = match kind {
            "BASELINE" => "<< Flyway Baseline >>",
            _ => "B3__all.sql",
        };
        let rows = [("3", kind, script), ("4", "SQL", "V4__d.sql")];
        for applied in [1, 2] {
            let place = with_files(
                flyway(&rows[..applied]),
                &[
                    ("B3__all.sql", ALL),
                    ("V4__d.sql", FOURTH),
                    ("V5__e.sql", FIFTH),
                ],
            );
            if applied == 2 {
                place.connect().run(FOURTH);
            }
            import(&place);
            place
                .run(&["plan"])
                .ends_with(0)
                .and_says(&format!("{} pending", 3 - applied));
            place.run(&["finalize"]).ends_with(0);
            assert!(place.has_table("d") && place.has_table("e"), "{kind}");
        }
    }
}

#[test]
fn a_baseline_that_has_changed_since_flyway_ran_it_is_not_taken_over() {
    let place = with_files(
        flyway(&[("3", "SQL_BASELINE", "B3__all.sql")]),
        &[("B3__all.sql", ALL)],
    )
    .with_data("UPDATE flyway_schema_history SET checksum = 7");
    place
        .run(&["import", "--from", "flyway"])
        .ends_with(2)
        .and_says("`B3__all.sql` has changed since flyway applied it");
}

#[test]
fn the_single_files_may_be_there_beside_the_baseline() {
    let place = with_files(
        flyway(&[("2", "SQL_BASELINE", "B2__all.sql")]),
        &[
            ("B2__all.sql", ALL),
            ("V1__a.sql", ALL),
            ("V2__b.sql", "SELECT missing;"),
            ("V4__d.sql", FOURTH),
        ],
    );
    import(&place);
    place.run(&["finalize"]).ends_with(0).and_says("V4__d");
    assert!(place.has_table("d"));
}

/// The tool ran the single files, which are squashed by now.
#[test]
fn a_baseline_stands_for_files_that_are_gone() {
    let rows = [
        ("1", "SQL", "V1__a.sql"),
        ("2", "SQL", "V2__b.sql"),
        ("3", "SQL", "V3__c.sql"),
    ];
    let place = with_files(
        flyway(&rows),
        &[("B3__all.sql", ALL), ("V4__d.sql", FOURTH)],
    );
    import(&place);
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("d"));

    let place = Place::new()
        .with_data(ALL)
        .with_data(
            "CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY);
             CREATE TABLE ar_internal_metadata (key VARCHAR(255) PRIMARY KEY, value VARCHAR(255));
             INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240102000000')",
        )
        .with_sql("20240102000000_all.baseline.sql", ALL)
        .with_sql("20240103000000_d.sql", FOURTH);
    place.run(&["import", "--from", "rails"]).ends_with(0);
    place.run(&["verify"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("d"));
}

/// It holds more than the database has.
#[test]
fn a_baseline_of_later_files_is_neither_taken_over_nor_run() {
    for rows in [
        &[("2", "BASELINE", "<< Flyway Baseline >>")][..],
        &[("1", "SQL", "V1__a.sql"), ("2", "SQL", "V2__b.sql")],
    ] {
        let place = with_files(flyway(rows), &[("B3__all.sql", ALL), ("V4__d.sql", FOURTH)]);
        place
            .run(&["import", "--from", "flyway"])
            .ends_with(2)
            .and_says("B3__all.sql");
        place.run(&["migrate"]).ends_with(2);
        assert!(!place.has_table("d"));
    }
}
