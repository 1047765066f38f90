//! Components that mean harm, or were written by somebody in a hurry.
//!
//! Each is shipped as the only step of a place with data, and run by the real binary. Whatever it tries, the command ends
//! with the right status and names the cause, the data is as it was, the step is still pending, and the host works on.

mod attempts;
pub mod batches;
mod cancel;
pub mod component;
mod contract;
pub mod either;
mod limits;
mod postgres;
mod sqlite;
mod statements;
mod transactions;
mod transform;
pub mod transformation;

use component::Component;

use crate::application::{self, Kind};
use crate::place::{Place, Said};

const STEP: &str = "0001_hostile.wasm";

/// A hostile step in its place, before it runs.
pub struct Attack {
    place: Place,
}

/// A hostile step that was run.
pub struct Repelled {
    place: Place,
    said: Said,
}

/// Ships a component.
pub fn attack(component: Component) -> Attack {
    attack_with_file(&component.build())
}

/// Ships a file, whatever it is.
pub fn attack_with_file(bytes: &[u8]) -> Attack {
    let place = Place::new().with_data(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL);
         INSERT INTO account VALUES (1, 'Ada', 100), (2, 'Grace', 200), (3, 'Edsger', 300);
         CREATE TABLE audit (note TEXT);",
    );
    place.write_step(STEP, bytes);
    Attack { place }
}

impl Attack {
    /// Sets a limit, by its name in the configuration.
    pub fn under(mut self, limit: &str, value: u64) -> Self {
        let variable = format!("WASMIGRATE_{}", limit.replace('.', "_").to_uppercase());
        self.place = self.place.with_variable(&variable, &value.to_string());
        self
    }

    /// Runs `migrate`, which fails while the step runs.
    #[track_caller]
    pub fn fails(self) -> Repelled {
        self.ends(1, "failed")
    }

    /// Runs `migrate`, which refuses the step before anything runs.
    #[track_caller]
    pub fn gets_refused(self) -> Repelled {
        self.ends(2, "nothing was changed")
    }

    #[track_caller]
    fn ends(self, status: i32, word: &str) -> Repelled {
        self.leaves_all_as_it_was("migrate", status, word, "pending")
    }

    /// Runs `migrate`, which does what the step says, and then `command`, which fails and changes nothing.
    #[track_caller]
    pub fn migrates_but_fails_to(self, command: &str) -> Repelled {
        self.place.run(&["migrate"]).ends_with(0);
        self.leaves_all_as_it_was(command, 1, "failed", "migrated")
    }

    #[track_caller]
    fn leaves_all_as_it_was(
        self,
        command: &str,
        status: i32,
        word: &str,
        progress: &str,
    ) -> Repelled {
        let before = self.place.content();
        let said = self.place.run(&[command]).ends_with(status).and_says(word);
        assert_eq!(self.place.content(), before, "the data changed: {said:#?}");
        let now = self.place.run(&["status", "--json"]).ends_with(0).json();
        assert_eq!(now["steps"][0]["progress"], progress, "{now}");
        Repelled {
            place: self.place,
            said,
        }
    }

    /// Runs `migrate`, which does what the step says.
    #[track_caller]
    pub fn succeeds(self) -> Repelled {
        let said = self.place.run(&["migrate"]).ends_with(0);
        Repelled {
            place: self.place,
            said,
        }
    }
}

impl Repelled {
    /// Demands words in what the operator reads.
    #[track_caller]
    pub fn saying(mut self, text: &str) -> Self {
        self.said = self.said.and_says(text);
        self
    }

    /// Puts a healthy step in the place of the hostile one: the target and the host must have taken no harm.
    #[track_caller]
    pub fn and_the_host_works_on(self) -> Place {
        std::fs::remove_file(self.place.step(STEP)).unwrap();
        let place = self.place.with_sql(
            "0001_healthy.sql",
            "CREATE TABLE healthy (id INTEGER); INSERT INTO audit VALUES ('healthy');",
        );
        place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("0001_healthy migrated");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM audit"), 1);
        if let Kind::Sqlite = application::kind() {
            assert_eq!(place.one::<String>("PRAGMA integrity_check"), "ok");
        }
        place
    }
}
