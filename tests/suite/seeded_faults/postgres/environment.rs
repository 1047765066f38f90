//! What means something else in another time zone, or where dates are written in another form.

use crate::place::Place;
use crate::seeded_faults::{caught, clean, fixture, test};

/// Tries a step that takes its environment for granted, and one that does not.
#[track_caller]
fn exhibit(wrong: &str, right: &str, says: &str) {
    let place = Place::new().with_sql(
        "0001_event.sql",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP, seen TIMESTAMPTZ, span INTERVAL);",
    );
    let events = "id,at,seen,span
1,2024-03-04 20:00:00,2024-03-04 20:00:00+00,1 day 02:00:00
2,2024-05-06 01:00:00,2024-05-06 01:00:00+00,3 days
";
    fixture(&place, "event.csv", events);
    let declared = place.path().join("migrations/0002_step.test.toml");
    std::fs::write(declared, "reversible = false\n").unwrap();
    place.write_step("0002_step.sql", wrong.as_bytes());
    caught(test(&place, &["2"]), "environment", says);
    place.write_step("0002_step.sql", right.as_bytes());
    clean(test(&place, &["2"]));
}

#[test]
fn times_that_get_the_zone_of_the_session() {
    exhibit(
        "ALTER TABLE event ALTER COLUMN at TYPE TIMESTAMPTZ;",
        "ALTER TABLE event ALTER COLUMN at TYPE TIMESTAMPTZ USING at AT TIME ZONE 'UTC';",
        "in another time zone the result is another: the table event: 2 rows differ in at",
    );
}

#[test]
fn days_of_the_zone_of_the_session() {
    exhibit(
        "ALTER TABLE event ADD COLUMN day DATE;
UPDATE event SET day = seen::date;",
        "ALTER TABLE event ADD COLUMN day DATE;
UPDATE event SET day = (seen AT TIME ZONE 'UTC')::date;",
        "differs in day",
    );
}

#[test]
fn dates_as_the_session_writes_them() {
    exhibit(
        "ALTER TABLE event ADD COLUMN day TEXT;
UPDATE event SET day = at::date::text;",
        "ALTER TABLE event ADD COLUMN day TEXT;
UPDATE event SET day = to_char(at, 'YYYY-MM-DD');",
        "where dates and intervals are written in another form the result is another",
    );
}

#[test]
fn intervals_as_the_session_writes_them() {
    exhibit(
        "ALTER TABLE event ADD COLUMN hours TEXT;
UPDATE event SET hours = span::text;",
        "ALTER TABLE event ADD COLUMN hours NUMERIC;
UPDATE event SET hours = round(extract(epoch FROM span) / 3600);",
        "where dates and intervals are written in another form the result is another",
    );
}
