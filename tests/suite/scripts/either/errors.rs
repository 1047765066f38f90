//! What goes wrong in a script is told with its place.

use crate::place::Place;

fn migrating(script: &str) -> Place {
    Place::new()
        .with_sql("0001_t.sql", "CREATE TABLE t (id BIGINT UNIQUE);")
        .with_sql("0002_bad.js", script)
}

#[test]
fn an_exception_is_told_with_file_line_and_function() {
    let place = migrating(
        "export function migrate(db) {\n  helper(db.value('SELECT max(id) FROM t'));\n}\n\nfunction helper(name) {\n  \
         name.toUpperCase();\n}\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("TypeError")
        .and_says("0002_bad.js, line 6")
        .and_says("in helper");
    // Who called it is in the output.
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("migrate (0002_bad.js:2");
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["state"], "migration_failed", "{status}");
}

#[test]
fn a_databases_error_is_told_with_its_parts_and_statement() {
    let place = migrating(
        "export function migrate(db) {\n  const once = () => db.execute('INSERT INTO t (id) VALUES ($1)', [1]);\n  once();\n  once();\n}\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0002_bad.js, line 2")
        .and_says("INSERT INTO t (id) VALUES");
    let place = migrating(
        "export function migrate(db) {
           db.execute('INSERT INTO t (id) VALUES (1)');
           try {
             db.savepoint(() => db.execute('INSERT INTO t (id) VALUES (1)'));
           } catch (error) {
             console.log(error.name, error.kind, typeof error.code, error.constraint !== undefined);
           }
           db.execute('INSERT INTO t (id) VALUES (2)');
         }",
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("DatabaseError constraint-violated string true");
    assert_eq!(place.one::<i64>("SELECT sum(id) FROM t"), 3);
}

#[test]
fn what_cannot_be_read_refuses_the_run_before_anything_changes() {
    for (script, says) in [
        ("export function migrate(db) {\n  const = 1;\n}\n", "line 2"),
        (
            "export const x = 1;\n",
            "exports neither a function `migrate`",
        ),
        (
            "export const migrate = 7;\n",
            "exports neither a function `migrate`",
        ),
        (
            "exports.up = function (knex) {};\n",
            "this is a module for Node.js",
        ),
        (
            "const knex = require('knex');\n",
            "this is a module for Node.js",
        ),
        (
            "export const up = (pgm) => {};\n",
            "exports neither a function `migrate`",
        ),
        (
            "import fs from 'fs';\nexport function migrate() {}\n",
            "a script may import 'wasmigrate'",
        ),
        (
            "import './lib/x.js';\nexport function migrate() {}\n",
            "which is not there",
        ),
        (
            "await new Promise(() => {});\nexport function migrate() {}\n",
            "never comes",
        ),
        ("throw new Error('at once');\n", "at once"),
        ("", "exports neither a function `migrate`"),
        (
            "export function migrate() {}\nexport const reset = 1;\n",
            "`reset` is no function",
        ),
        (
            "export function migrate() {}\nexport const summary = 1;\n",
            "`summary` is a text",
        ),
        (
            "export function migrate() {}\nexport const transactional = 1;\n",
            "true or false",
        ),
    ] {
        let place = migrating(script);
        place.run(&["migrate"]).and_says("0002_bad").and_says(says);
        assert!(!place.has_table("t"), "{script}");
    }
}

#[test]
fn anything_may_be_thrown() {
    for (thrown, says) in [
        ("'a text'", "a text was thrown"),
        ("undefined", "undefined was thrown"),
        ("null", "null was thrown"),
        ("{ toString() { throw 1; } }", "was thrown"),
        (
            "new class Odd extends Error { name = 'Odd'; }('strange')",
            "Odd: strange",
        ),
        ("Object.create(null)", "was thrown"),
        (
            "Object.assign(new Error('later'), { retryable: true })",
            "later",
        ),
    ] {
        migrating(&format!("export function migrate() {{ throw {thrown}; }}"))
            .run(&["migrate"])
            .ends_with(1)
            .and_says(says);
    }
}

#[test]
fn a_script_without_reset_is_told_before_anything_is_undone() {
    let place =
        migrating("export function migrate(db) { db.execute('INSERT INTO t VALUES (1)'); }");
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).and_says("it has no reset");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM t"), 1);
    let status = place.run(&["status", "--json"]).json();
    assert_eq!(status["state"], "finalization_required", "{status}");
}

#[test]
fn a_forgotten_await_loses_nothing() {
    let place = migrating(
        "async function work(db, id) {\n  await null;\n  db.execute('INSERT INTO t (id) VALUES ($1)', [id]);\n}\n\
         export function migrate(db) {\n  work(db, 7);\n}\n",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT id FROM t"), 7);
    let place = migrating(
        "async function work(db, id) {\n  await null;\n  throw new Error('lost');\n}\n\
         export async function migrate(db) {\n  work(db, 7);\n}\n",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("a promise that nobody waits for was rejected: lost (0002_bad.js, line 3");
    // One that is asked for later, and an import that may fail, are nobody's fault.
    migrating(
        "export async function migrate(db) {\n  const failing = Promise.reject(new Error('later'));\n  await null;\n  \
         try { await failing; } catch { db.execute('INSERT INTO t (id) VALUES (1)'); }\n}\n",
    )
    .run(&["migrate"])
    .ends_with(0);
}
