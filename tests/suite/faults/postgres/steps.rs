//! What runs: small steps, none of which would bear being applied twice.
//!
//! Each phase of each step leaves a row in a table that takes any number of them, and says a line, both `PHASE STEP`.

use crate::hostile::component::{Component, must, sql as statement};
use crate::place::Place;

/// The table of effects. It has no key, so that what was done twice shows.
const EFFECTS: &str = "CREATE TABLE public.effect (what TEXT NOT NULL)";

/// What a phase of a step does.
fn effect(what: &str) -> String {
    format!(
        "INSERT INTO public.effect VALUES ('{what}');\nDO $$ BEGIN RAISE NOTICE '{what}'; END $$;\n"
    )
}

/// A step in SQL with all phases.
fn step(number: u32) -> String {
    format!(
        "-- wasmigrate:migrate\nCREATE TABLE made_{number} (id BIGINT);\n{}\
         -- wasmigrate:finalize\nALTER TABLE made_{number} ADD COLUMN is_final BOOLEAN;\n{}\
         -- wasmigrate:reset\nDROP TABLE made_{number};\n{}",
        effect(&format!("migrate {number}")),
        effect(&format!("finalize {number}")),
        effect(&format!("reset {number}")),
    )
}

/// A place that was migrated before, so that no fault meets the making of the journal, which takes more than half of the
/// exchanges of so small a run.
fn migrated_before(place: Place) -> Place {
    let place = place.with_sql("0000_begin.sql", "SELECT 1;");
    place.run(&["finalize"]).ends_with(0);
    place
}

/// Three steps in SQL, the first that the place sees.
pub fn sql(place: Place) -> Place {
    let place = place.with_data(EFFECTS);
    (1..=3).fold(place, |place, number| {
        place.with_sql(&format!("000{number}_step.sql"), &step(number))
    })
}

/// Five steps that are over at once, and share commits, before and after one that does not.
pub fn brief(place: Place) -> Place {
    let place = migrated_before(place).with_data(EFFECTS);
    let place = (1..=5).fold(place, |place, number| {
        let effect = format!("INSERT INTO public.effect VALUES ('migrate {number}');");
        place.with_sql(
            &format!("000{number}_step.sql"),
            &format!("CREATE TABLE made_{number} (id BIGINT);\n{effect}"),
        )
    });
    place.with_sql("0003_step.sql", &step(3))
}

/// A component with three checkpoints, which begins where the last one was, and a step after it.
pub fn checkpoints(place: Place) -> Place {
    let mut body =
        String::from("(if (local.get 0) (then (local.set $i (i32.load8_u (local.get 1)))))\n");
    for stage in 0..4 {
        let effect = statement(&format!("INSERT INTO effect VALUES ('stage {stage}')"));
        let next = stage + 1;
        let checkpoint = must("$checkpoint_at");
        body.push_str(&format!(
            "(if (i32.le_u (local.get $i) (i32.const {stage})) (then {effect}\n\
             (call $output (i32.const 1) {{{{stage {stage}}}}})\n\
             (i32.store8 (i32.const 3000) (i32.const {next}))\n{}))\n",
            if stage < 3 { checkpoint.as_str() } else { "" }
        ));
    }
    let component = Component::migrating(body).defining(
        "(func $checkpoint_at (result i32)
           (call $report_checkpoint (i32.const 3000) (i32.const 1) (i32.const 1024))
           (call $refused))",
    );
    let place = migrated_before(place)
        .with_data(EFFECTS)
        .with_sql("0002_step.sql", &step(2));
    place.write_step("0001_stages.wasm", &component.build());
    place
}

/// A step outside a transaction, which may run more than once, between two that may not.
pub fn outside(place: Place) -> Place {
    migrated_before(place)
        .with_data(EFFECTS)
        .with_data("CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT); INSERT INTO account VALUES (1, 2);")
        .with_sql("0001_step.sql", &step(1))
        .with_sql(
            "0002_outside.sql",
            "-- wasmigrate:no-transaction\n\
             DROP INDEX CONCURRENTLY IF EXISTS by_balance;\n\
             CREATE INDEX CONCURRENTLY by_balance ON account (balance);\n\
             INSERT INTO effect SELECT 'outside' WHERE NOT EXISTS (SELECT FROM effect WHERE what = 'outside');",
        )
        .with_sql("0003_step.sql", &step(3))
}

/// Three tenants with two files each, and one for the target.
pub fn tenants(place: Place) -> Place {
    let place = place
        .with_data(EFFECTS)
        .with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single")
        .with_variable("WASMIGRATE_SOURCES_TENANT_MIGRATIONS", "tenants");
    let base = place.path().join("migrations");
    for directory in ["single", "tenants"] {
        std::fs::create_dir_all(base.join(directory)).unwrap();
    }
    // A copy of the place has no directories of its own.
    let place = place.with_variable("WASMIGRATE_SOURCES_BASE", base.to_str().unwrap());
    for tenant in ["acme", "beta", "gamma"] {
        place.run(&["tenants", "add", tenant]).ends_with(0);
    }
    place.write_step("single/001_step.sql", step(1).as_bytes());
    for number in [2, 3] {
        let step = step(number)
            .replace("made_", "{schema}.made_")
            .replace("migrate 2", "migrate 2 {schema}")
            .replace("migrate 3", "migrate 3 {schema}")
            .replace("finalize 2", "finalize 2 {schema}")
            .replace("finalize 3", "finalize 3 {schema}");
        place.write_step(&format!("tenants/00{number}_step.sql"), step.as_bytes());
    }
    place
}

/// A table of customers that is gone through in several ranges, with a trigger that counts how often each row is written.
pub fn customers(place: Place) -> Place {
    use crate::transform::customers::{audited, on};
    audited(on(migrated_before(place), 150))
        .with_data(EFFECTS)
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "2")
        .with_sql("0002_step.sql", &step(2))
}

/// A table of words, some of which are set aside.
pub fn words(place: Place) -> Place {
    migrated_before(place)
        .with_data(EFFECTS)
        .with_data(
            "CREATE TABLE word (id BIGINT PRIMARY KEY, text TEXT NOT NULL);
             INSERT INTO word SELECT i, CASE WHEN i % 50 = 7 THEN '' ELSE 'word ' || i END FROM generate_series(1, 150) AS i;",
        )
        .with_variable("WASMIGRATE_TRANSFORM_WORKERS", "1")
        .with_variable("WASMIGRATE_TRANSFORM_ON_BAD_ROW", "quarantine")
        .with_guest("0001_shout.wasm", "shout")
        .with_sql("0002_step.sql", &step(2))
}
