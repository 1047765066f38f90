//! What a step can try on PostgreSQL alone: to leave its transaction, to change the journal, to reach files and other
//! sessions.
//!
//! Each try is made twice, by a component and by a step written in SQL, on a target whose journal knows of a run already.
//! The step fails with words that say why, data and journal are as they were, and the next step does its work.

mod captures;
mod commit;
mod histories;
mod journal;
mod leaks;
mod names;
mod neighbours;
mod others;
mod outside;
mod prepared;
mod reach;
mod schemas;
mod shadows;
mod tenants;
mod texts;
mod throwaway;
mod transaction;
mod views;

use super::component::{Component, sql, writes};
use crate::place::{Place, Said};

/// Everything of the journal that no failed step may change: the shape of its tables, and what is known of the first run.
const JOURNAL: &str = "SELECT concat_ws(' ', class.oid, relname, relkind, relowner, relacl, relhasrules, relhastriggers,
        relhassubclass, relrowsecurity, relreplident, reloptions, (
            SELECT string_agg(concat_ws(' ', attname, atttypid, attnotnull, attacl, pg_get_expr(adbin, adrelid)), ',' ORDER BY attnum)
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = class.oid AND attnum > 0
        ), (
            SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY oid) FROM pg_constraint WHERE conrelid = class.oid
        )) FROM pg_class AS class WHERE relname LIKE 'wasmigrate\\_%' AND relnamespace = 'wasmigrate'::regnamespace
    UNION ALL SELECT to_jsonb(step)::text FROM wasmigrate_step AS step
    UNION ALL SELECT to_jsonb(run)::text FROM wasmigrate_run AS run WHERE id = 1
    UNION ALL SELECT to_jsonb(attempt)::text FROM wasmigrate_attempt AS attempt WHERE run = 1
    UNION ALL SELECT to_jsonb(output)::text FROM wasmigrate_output AS output WHERE run = 1
    UNION ALL SELECT to_jsonb(journal)::text FROM wasmigrate_journal AS journal
    ORDER BY 1";

const COMPONENT: &str = "0002_hostile.wasm";
const SCRIPT: &str = "0002_hostile.sql";

/// A target on which one step was migrated.
struct Target {
    place: Place,
    data: String,
    journal: Vec<String>,
}

impl Target {
    fn new() -> Self {
        Self::with("")
    }

    /// The same, whose first step runs this SQL.
    fn with(sql: &str) -> Self {
        let place = Place::new()
            .with_data(
                "CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL);
                 INSERT INTO account VALUES (1, 'Ada', 100), (2, 'Grace', 200), (3, 'Edsger', 300);
                 CREATE TABLE audit (note TEXT);",
            )
            .with_sql("0001_first.sql", &format!("CREATE TABLE first (id INTEGER);\n{sql}"));
        place.run(&["migrate"]).ends_with(0);
        let (data, journal) = (place.content(), place.texts(JOURNAL));
        Self {
            place,
            data,
            journal,
        }
    }

    /// Runs a step, which fails with these words.
    #[track_caller]
    fn repels_step(&self, file_name: &str, bytes: &[u8], words: &str) -> Said {
        self.place.write_step(file_name, bytes);
        let said = self.place.run(&["migrate"]).and_says(words);
        // What its text tells is refused before it runs.
        assert!(matches!(said.status, Some(1 | 2)), "{said:#?}");
        std::fs::remove_file(self.place.step(file_name)).unwrap();
        assert_eq!(
            self.place.content(),
            self.data,
            "the data changed: {said:#?}"
        );
        let journal = self.place.texts(JOURNAL);
        assert_eq!(journal, self.journal, "the journal changed: {said:#?}");
        said
    }

    /// Runs the statements in a component and in a script; each fails with these words.
    #[track_caller]
    fn repels(&self, statements: &[&str], words: &str) {
        self.component_repels(statements, words);
        self.script_repels(statements, words);
    }

    #[track_caller]
    fn component_repels(&self, statements: &[&str], words: &str) {
        let calls: String = statements.iter().map(|statement| sql(statement)).collect();
        let component = Component::migrating(writes() + &calls).build();
        self.repels_step(COMPONENT, &component, words);
    }

    #[track_caller]
    fn script_repels(&self, statements: &[&str], words: &str) {
        let script = format!(
            "UPDATE account SET balance = 0;\nCREATE TABLE loot (amount INTEGER);\n{};\n",
            statements.join(";\n")
        );
        self.repels_step(SCRIPT, script.as_bytes(), words);
    }

    /// The next step does its work, and all is recorded once.
    #[track_caller]
    fn and_works_on(self) -> Place {
        let healthy =
            sql("CREATE TABLE healthy (id INTEGER)") + &sql("INSERT INTO audit VALUES ('healthy')");
        self.place
            .write_step("0002_healthy.wasm", &Component::migrating(healthy).build());
        self.place
            .run(&["migrate"])
            .ends_with(0)
            .and_says("0002_healthy migrated");
        self.place.run(&["finalize"]).ends_with(0);
        let place = self.place;
        assert_eq!(place.texts("SELECT note FROM audit"), ["healthy"]);
        assert_eq!(
            place.texts(
                "SELECT step_index || ' ' || name || ' ' || state FROM wasmigrate_step ORDER BY 1"
            ),
            ["1 first finalized", "2 healthy finalized"]
        );
        place
    }

    /// Runs the statements in a component: nothing speaks against them.
    #[track_caller]
    fn permits_once(self, statements: &[&str]) -> Place {
        let calls: String = statements.iter().map(|statement| sql(statement)).collect();
        self.place
            .write_step("0002_once.wasm", &Component::migrating(calls).build());
        self.place.run(&["migrate"]).ends_with(0);
        self.place
    }

    /// Runs the statements in a component, and then in a script: nothing speaks against them.
    #[track_caller]
    fn permits(self, statements: &[&str]) -> Place {
        let calls: String = statements.iter().map(|statement| sql(statement)).collect();
        self.place
            .write_step("0002_component.wasm", &Component::migrating(calls).build());
        self.place.write_step(
            "0003_script.sql",
            format!("{};", statements.join(";\n")).as_bytes(),
        );
        self.place.run(&["migrate"]).ends_with(0);
        self.place
    }
}

/// A statement that nothing in the text of the step gives away: `JOURNAL` stands for the beginning of the full names of the
/// journal's tables, `BARE` for that without their schema, which is what the schema is called, too.
fn hidden(statement: &str) -> String {
    format!(
        "DO $hidden$ BEGIN EXECUTE replace(replace($text${statement}$text$, 'JOURNAL', 'BARE.BARE'), 'BARE', 'wasmi' || 'grate'); END $hidden$"
    )
}
