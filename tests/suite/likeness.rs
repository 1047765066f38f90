//! Comments that look like the beginning of a section and are none: what is below them is not run to migrate.

use crate::place::Place;

const LINES: [&str; 62] = [
    "-- BEGIN DOWN",
    "-- START DOWN",
    "-- END UP",
    "--region Down",
    "-- #region Down",
    "-- BEGIN ROLLBACK",
    "-- MIGRATE BACK",
    "-- rolling back",
    "-- For rollback run:",
    "-- on rollback",
    "-- reversal",
    "-- inverse",
    "-- The following undoes this migration",
    "-- SQL in this section is executed when the migration is rolled back",
    "-- SQL section 'Down' is executed when this migration is rolled back",
    "/* To be run on rollback */",
    "-- tearing down",
    "-- downwards",
    "-- uninstall",
    "-- revert app from pg",
    "-- Revert app:users from sqlite",
    "-- migrate:reset",
    "-- migrate:finalize",
    "-- migrate:dwon",
    "-- migrations:down",
    "-- reset",
    "-- RESET:",
    "-- finalize",
    "-- :reset",
    "-- wasmigrte:reset",
    "-- wasm-migrate:reset",
    "-- wasmigration:reset",
    "-- Down Migrations",
    "-- rambler dwon",
    "-- shmig down",
    "-- Dwon",
    "-- DOWNGRADE",
    "-- downgrade --",
    "-- sqlx:down",
    "-- diesel:down",
    "-- name: down",
    "-- Down (1_a)",
    "-- To undo:",
    "-- how to roll back",
    "-- ROLLBACK INSTRUCTIONS",
    "-- backout",
    "-- back out",
    "--reset",
    "  -- reset",
    "---- reset ----",
    "-- Backward",
    "-- Backwards:",
    "-- Reverse",
    "-- Teardown",
    "-- Tear down:",
    "-- To undo, run:",
    "-- down below",
    "-- undo the above",
    "/* Reverse */",
    "/* reset */",
    "/* migrate:reset */",
    "SELECT 1; -- migrate:reset",
];

#[test]
fn what_is_below_a_mark_with_a_mistake_is_not_run() {
    for above in [
        "",
        "-- wasmigrate:migrate\n",
        "-- migrate:up\n",
        "-- Up Migration\n",
    ] {
        for line in LINES {
            let text = format!("{above}CREATE TABLE a (b INTEGER);\n{line}\nDROP TABLE a;\n");
            let place = Place::new().with_sql("0001_a.sql", &text);
            let number = 2 + above.lines().count();
            place.run(&["plan"]).ends_with(2).and_says(&format!(
                "`0001_a.sql`, line {number}: this comment looks like"
            ));
            assert!(place.is_untouched(), "{line}");
        }
    }
    let place = Place::new().with_sql("0001_a.sql", "-- wasmigrte:no-transaction\nSELECT 1;\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("line 1: this comment looks like a line of wasmigrate with a mistake in it");
}

#[test]
fn remarks_stay_remarks() {
    let text = "-- Rollback: DROP TABLE a;
-- To undo:
--   DROP TABLE a;
-- To undo: drop the table
-- Reset the counter, TODO: rollback
-- migrate: users
CREATE TABLE a (b INTEGER); -- reset
INSERT INTO a VALUES (1);
-- Step 2: reset counters
UPDATE a SET b = 0;
-- Reset passwords
-- reverse index for lookups
-- Backward compatibility
-- order: reverse
-- Drop down list
-- done
-- reset everything
UPDATE a
   -- reversal
   SET b = 2;
-- so that what is in the table is not lost
-- on rollback
UPDATE a SET b = 2;
-- reversals
-- roll back to the savepoint
INSERT INTO a SELECT 3 WHERE '
-- reset
' <> '';

-- ==========================
-- ROLLBACK INSTRUCTIONS
-- ==========================
-- 1. DROP TABLE a;
/*
reset
DROP TABLE a;
*/
-- reset
-- wasmigrate:reset
-- To undo:
DROP TABLE a;
-- downgrade
";
    let text = text.replacen("CREATE", "-- wasmigrate:migrate\nCREATE", 1);
    let place = Place::new().with_sql("0001_a.sql", &text);
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT b FROM a ORDER BY b"), ["2", "3"]);
    place.run(&["reset"]).ends_with(0);
    // In a file that undoes as a whole, they say what it is.
    let place = Place::new()
        .with_sql("0001_a.up.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0001_a.down.sql", "-- Rollback instructions\nDROP TABLE a;");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("a"));
}
