//! Steps that obey tables of their database: what is in `closed` makes them wait, what is in `broken` makes them fail.
//!
//! A step that waits fails in a way that is worth another try, and the host tries again until the test deletes the row.
//! So a step sees what the test has done on databases, too, that show a transaction nothing new; and between two tries
//! nobody holds the database's lock, so the test gets it. Only a check is not tried again: one that waits is held in an
//! endless loop, until it is cancelled.

use crate::hostile::component::{Component, sql};
use crate::place::Place;

/// A body that never ends.
const ENDLESS: &str = "(loop $again (br $again))";

/// What a broken step says.
pub const TROUBLE: &str = "the tide is out";

/// A place with the tables that steps obey, and more tries than a test has patience.
pub fn obeyed(place: Place) -> Place {
    place
        .with_variable("WASMIGRATE_ATTEMPTS", "1000")
        .with_data(Place::in_sql_of("PRAGMA journal_mode = WAL", ""))
        .with_data(
            "CREATE TABLE closed (phase TEXT NOT NULL);
             CREATE TABLE broken (phase TEXT NOT NULL);
             CREATE TABLE passed (phase TEXT NOT NULL);",
        )
}

impl Place {
    pub fn with_component(self, file_name: &str, component: Component) -> Self {
        self.write_step(file_name, &component.build());
        self
    }

    /// Steps wait in this phase until it is opened.
    pub fn close(&self, phase: &str) {
        self.obey("INSERT INTO closed VALUES (?)", phase);
    }

    pub fn open(&self, phase: &str) {
        self.obey("DELETE FROM closed WHERE phase = ?", phase);
    }

    /// Steps fail in this phase until it is mended.
    pub fn break_down(&self, phase: &str) {
        self.obey("INSERT INTO broken VALUES (?)", phase);
    }

    pub fn fix(&self, phase: &str) {
        self.obey("DELETE FROM broken WHERE phase = ?", phase);
    }

    fn obey(&self, statement: &str, phase: &str) {
        self.connect()
            .run(&statement.replace('?', &format!("'{phase}'")));
    }
}

/// A step that makes a table, renames it when it is finalized, and obeys in each phase.
pub fn work() -> Component {
    Component::new()
        .with("check", obeys("check"))
        .with(
            "migrate",
            obeys("migrate") + &sql("CREATE TABLE work (id INTEGER)"),
        )
        .with(
            "finalize",
            obeys("finalize") + &sql("ALTER TABLE work RENAME TO done"),
        )
        .with("reset", obeys("reset") + &sql("DROP TABLE work"))
}

/// A step that obeys in each phase, and then says so.
pub fn gate() -> Component {
    Component::new()
        .with("migrate", obeys("migrate") + &says("behind the gate"))
        .with(
            "finalize",
            obeys("finalize") + &says("finalized behind the gate"),
        )
}

/// A step that says these lines while it migrates, and `<first> finalized` at its end.
pub fn speaker(lines: &[&str]) -> Component {
    let finalized = says(&format!("{} finalized", lines[0]));
    let migrate: String = lines.iter().map(|line| says(line)).collect();
    Component::migrating(migrate).with("finalize", finalized)
}

/// A step whose check never ends.
pub fn endless_check() -> Component {
    Component::new().with("check", says("checking") + ENDLESS)
}

/// Writes a line.
pub fn says(line: &str) -> String {
    format!("(call $output (i32.const 1) {{{{{line}}}}})\n")
}

/// Writes a line that is shown on request only.
pub fn whispers(line: &str) -> String {
    format!("(call $output (i32.const 0) {{{{{line}}}}})\n")
}

/// Says how many rows are done.
pub fn progresses(done: u64) -> String {
    format!("(call $progress (i64.const {done}) (i32.const 0) (i64.const 0))\n")
}

/// Announces a number of rows, as the body of `count`.
pub fn counts(rows: u64) -> String {
    // The answer lies where nothing else does: a result that is ok, an option that is some, the number.
    format!(
        "(i32.store8 (i32.const 3408) (i32.const 1)) (i64.store (i32.const 3416) (i64.const {rows}))
         (return (i32.const 3400))"
    )
}

/// Waits while its phase is closed, fails while it is broken.
pub fn obeys(phase: &str) -> String {
    let gives_up = |table: &str, words: &str, retryable: u8| {
        // A null, which `passed` does not take, where the phase is in the table.
        let statement = format!(
            "INSERT INTO passed SELECT CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE phase = '{phase}') THEN NULL ELSE '{phase}' END"
        );
        format!(
            "(if (call $sql {{{{{statement}}}}}) (then (return (call $fail {{{{{words}}}}} (i32.const {retryable})))))\n"
        )
    };
    gives_up("closed", "the gate is closed", 1) + &gives_up("broken", TROUBLE, 0)
}
