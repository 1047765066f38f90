//! The least that a step can do: one statement, from the setting `one.statement` where there is one.

use wasmigrate_sdk::{prelude::*, settings};

struct One;

impl Step for One {
    const SUMMARY: &'static str = "runs one statement";

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        match settings::get("one.statement") {
            Some(statement) => database.execute(&statement, params![])?,
            None => database.execute("INSERT INTO one (value) VALUES (1)", params![])?,
        };
        Ok(())
    }
}
export!(One);
