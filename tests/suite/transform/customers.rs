//! A table of any number of customers, made by the database, and what must be found in it after the step `normalize`.

use super::Customer;
use crate::application::{self, Kind};
use crate::place::Place;

/// A place with so many customers, from 1, and the step.
pub fn place(rows: i64) -> Place {
    on(Place::new(), rows)
}

/// The same in a place that is there already.
pub fn on(place: Place, rows: i64) -> Place {
    place
        .with_data(&format!(
            "CREATE TABLE customer (
                id BIGINT PRIMARY KEY, name TEXT NOT NULL, email TEXT, debit BIGINT NOT NULL, credit BIGINT NOT NULL
             );
             INSERT INTO customer
             WITH {numbers}
             SELECT n, CASE WHEN n % 7 = 0 THEN 'Family' || n ELSE ' Given N. ' || n || '  Family' || n END,
             CASE WHEN n % 11 = 0 THEN NULL ELSE ' User' || n || '@Example.ORG ' END, n % 97, n * 3 FROM number;",
            numbers = Place::in_sql_of(
                "RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT ROWS)",
                "number (n) AS (SELECT generate_series(1, ROWS))",
            )
            .replace("ROWS", &rows.to_string()),
        ))
        .with_guest("0001_normalize.wasm", "normalize")
}

/// Lets a trigger of the application's own count how often each row is written.
pub fn audited(place: Place) -> Place {
    place.with_data(Place::in_sql_of(
        "CREATE TABLE written (customer BIGINT NOT NULL);
         CREATE TRIGGER audit AFTER UPDATE ON customer BEGIN INSERT INTO written VALUES (NEW.id); END;",
        "CREATE TABLE written (customer BIGINT NOT NULL);
         CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN INSERT INTO written VALUES (NEW.id); RETURN NULL; END $$;
         CREATE TRIGGER audit AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION audit();",
    ))
}

/// Demands that each of so many rows was written once.
#[track_caller]
pub fn each_is_written_once(place: &Place, rows: i64) {
    let counted = "SELECT count(*) || ' ' || count(DISTINCT customer) FROM written";
    assert_eq!(place.one::<String>(counted), format!("{rows} {rows}"));
}

/// Demands that no trace of the capture of changes is left.
#[track_caller]
pub fn no_capture_is_left(place: &Place) {
    let objects = match application::kind() {
        Kind::Sqlite => "SELECT name FROM sqlite_master WHERE name LIKE 'capture%'",
        Kind::Postgres => {
            "SELECT relname FROM pg_class WHERE relname LIKE 'capture%'
             UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'capture%'
             UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'capture%'"
        }
    };
    assert_eq!(place.texts(objects), [""; 0]);
}

impl Customer {
    /// The row of this number before anybody changed it.
    pub fn original(id: i64) -> Self {
        Self {
            name: match id % 7 {
                0 => format!("Family{id}"),
                _ => format!(" Given N. {id}  Family{id}"),
            },
            email: (id % 11 != 0).then(|| format!(" User{id}@Example.ORG ")),
            debit: id % 97,
            credit: id * 3,
        }
    }

    /// Given name, family name, address and balance.
    pub fn migrated(&self) -> [Option<String>; 4] {
        let migrated = self.normalized();
        [
            migrated.given_name,
            Some(migrated.family_name),
            migrated.email,
            Some(migrated.balance.to_string()),
        ]
    }
}

/// Every customer, with what the step derived, before the finalize or behind it.
pub const MIGRATED: &str =
    "SELECT id, given_name, family_name, address, balance FROM customer ORDER BY id";
pub const FINALIZED: &str =
    "SELECT id, given_name, family_name, email, balance FROM customer ORDER BY id";

/// Demands that the rows of a query are those of these customers, migrated.
#[track_caller]
pub fn are_exact(place: &Place, query: &str, customers: impl Iterator<Item = (i64, Customer)>) {
    let rows = place.connect().rows(query);
    let mut count = 0;
    for (row, (id, customer)) in rows.iter().zip(customers) {
        let mut expected = vec![Some(id.to_string())];
        expected.extend(customer.migrated());
        assert_eq!(*row, expected, "of {customer:?}");
        count += 1;
    }
    assert_eq!(count, rows.len(), "rows that nobody knows of");
}
