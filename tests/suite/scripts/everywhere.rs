//! Scripts run wherever other steps do: for tenants, in sources, in a service, in `wasmigrate test`.

use std::fs;

use super::either::imports::library;
use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;
use crate::tenants::{Tenants as _, target};

/// Fails in line 17, in a function that line 5 calls.
const FAILING: &str = "\
import { info } from 'wasmigrate';

export function migrate(db) {
  db.execute('CREATE TABLE kept (id BIGINT)');
  for (const name of ['Ada', null]) info(shortened(name));
}

export function reset() {}

/**
 * The first letter of a name.
 *
 * @param {string} name
 * @returns {string}
 */
function shortened(name) {
  if (name === null) throw new Error('a person without a name');
  return name.slice(0, 1);
}
";

#[test]
fn an_error_is_told_with_its_line_on_the_terminal_and_by_the_service() {
    let told = "(0001_fails.js, line 17, column ";
    let here = Place::new().with_sql("0001_fails.js", FAILING);
    here.run(&["migrate"])
        .ends_with(1)
        .and_says("0001_fails, migrate: a person without a name (0001_fails.js, line 17")
        .and_says(told)
        .and_says("in shortened");
    let there = Place::new().with_sql("0001_fails.js", FAILING);
    let service = Service::start(&there);
    Desk::of(&service)
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_fails │ A")
        .and_says(told);
    let run = service.get("/api/v1/runs/1").json();
    assert_eq!(run["error"]["step"], "0001_fails", "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains(told), "{run}");
    // Who called it is in the output.
    let output = service.output(1).join("\n");
    assert!(output.contains("migrate (0001_fails.js:5"), "{output}");
    let status = service.get("/api/v1/status").json();
    assert_eq!(status["steps"][0]["kind"], "js", "{status}");
    assert!(!there.has_table("kept"));
}

#[test]
fn a_service_runs_scripts_and_says_what_they_are() {
    let place = Place::new().with_sql(
        "0001_names.js",
        "import { names } from './lib/names.js';\nexport const summary = 'fills names';\n\
         export function migrate(db) {\n  db.execute('CREATE TABLE t (x TEXT)');\n  db.load('t', ['x'], names);\n}\n\
         export function reset(db) {\n  db.execute('DROP TABLE t');\n}\n",
    );
    library(&place, "names.js", "export const names = [['a'], ['b']];\n");
    let service = Service::start(&place);
    let step = service.get("/api/v1/steps/1").json();
    assert_eq!(step["summary"], "fills names", "{step}");
    let desk = Desk::of(&service);
    desk.run(&["plan", "--dry-run"]).ends_with(0);
    desk.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM t"), 2);
    library(&place, "names.js", "export const names = [['c']];\n");
    desk.run(&["verify"]).ends_with(2).and_says("0001_names");
    library(&place, "names.js", "export const names = [['a'], ['b']];\n");
    desk.run(&["reset"]).ends_with(0);
    desk.run(&["finalize"]).ends_with(0);
    desk.run(&["verify"]).ends_with(0);
}

#[test]
fn scripts_in_sources_run_for_each_tenant() {
    for how in [
        &["finalize", "--atomic"][..],
        &["finalize", "--parallel", "2"],
    ] {
        let place = target()
            .with_tenants(&["acme", "beta"])
            .with_sql(
                "tenants/001_begin.sql",
                "CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL);",
            )
            .with_sql(
                "tenants/002_count.js",
                "import { setting } from 'wasmigrate';\nimport { first } from './lib/values.js';\n\
                 export function migrate(db) {\n  const rows = [{ value: first, who: setting('tenant') }];\n  \
                 db.load('counted', ['value', 'who'], rows);\n}\n\
                 export function finalize(db) {\n  db.execute('UPDATE counted SET value = value + 1 WHERE who = $1', [setting('tenant')]);\n}\n",
            )
            .with_sql("single/001_target.js", "export function migrate(db) {\n  db.execute('CREATE TABLE once (id BIGINT)');\n}\n");
        let values = place.step("tenants/lib/values.js");
        fs::create_dir(values.parent().unwrap()).unwrap();
        fs::write(&values, "export const first = 7;\n").unwrap();
        place.run(how).ends_with(0);
        assert!(place.has_table("once"));
        for tenant in ["acme", "beta"] {
            assert_eq!(place.sum(tenant), "8", "{tenant}");
        }
        fs::write(&values, "export const first = 8;\n").unwrap();
        place.run(how).ends_with(2).and_says("002_count");
        assert_eq!(place.sum("acme"), "8");
    }
}

#[test]
fn a_test_of_a_script_has_what_it_imports() {
    let place = Place::new()
        .with_sql(
            "0001_lines.sql",
            "CREATE TABLE line (id BIGINT PRIMARY KEY, text TEXT NOT NULL);
             INSERT INTO line VALUES (1, 'a'), (2, 'b'), (3, 'c');",
        )
        .with_sql(
            "0002_copies.js",
            "import { twice } from './lib/text.js';\n\
             export function migrate(db, resume) {\n  \
               if (resume === undefined) {\n    \
                 db.execute('CREATE TABLE copy (id BIGINT PRIMARY KEY, text TEXT NOT NULL)');\n    \
                 resume = { last: -(2n ** 63n) };\n  \
               }\n  \
               for (;;) {\n    \
                 const rows = db.query('SELECT id, text FROM line WHERE id > $1 ORDER BY id LIMIT 500', [resume.last]);\n    \
                 if (rows.length === 0) return;\n    \
                 db.load('copy', ['id', 'text'], rows.map(({ id, text }) => [id, twice(text)]));\n    \
                 resume = { last: BigInt(rows.at(-1).id) };\n    \
                 db.checkpoint(resume);\n  \
               }\n}\n\
             export function reset(db) {\n  db.execute('DROP TABLE copy');\n}\n",
        );
    library(
        &place,
        "text.js",
        "export const twice = (text) => text + text;\n",
    );
    let said = place.run(&["test", "2"]).ends_with(0);
    for check in ["survives crashes", "reset undoes", "deterministic"] {
        assert!(said.stdout.contains(&format!("✓ {check}")), "{said:#?}");
    }
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT text FROM copy ORDER BY id"),
        ["aa", "bb", "cc"]
    );
}

#[test]
fn a_repeatable_script_runs_again_when_its_import_has_changed() {
    let place = Place::new()
        .with_sql("0001_ran.sql", "CREATE TABLE ran (what TEXT NOT NULL);")
        .with_sql(
            "R__rights.js",
            "import { what } from './lib/what.js';\nexport function migrate(db) {\n  db.load('ran', ['what'], [[what]]);\n}\n",
        );
    library(&place, "what.js", "export const what = 'first';\n");
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
    library(&place, "what.js", "export const what = 'second';\n");
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.texts("SELECT what FROM ran"), ["first", "second"]);
}

#[test]
fn a_baseline_may_be_a_script() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (id BIGINT);")
        .with_sql(
            "0001_all.baseline.js",
            "export function migrate(db) {\n  db.execute('CREATE TABLE begun (id BIGINT)');\n}\n",
        )
        .with_sql("0002_b.js", "export function migrate() {}\n");
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("begun") && !place.has_table("a"));
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn what_undoes_a_script_is_in_the_script() {
    for (file_name, says) in [
        (
            "0001_a.down.js",
            "undoes another file, and is no SQL: put that into the step itself",
        ),
        ("0001_a.down.sql", "undoes `0001_a.js`, which undoes itself"),
    ] {
        let place = Place::new()
            .with_sql("0001_a.js", "export function migrate() {}\n")
            .with_sql(file_name, "DROP TABLE a;");
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(file_name)
            .and_says(says);
    }
}

#[test]
fn another_version_of_the_runner_is_no_change_of_the_step() {
    let place = Place::new().with_sql(
        "0001_a.js",
        "export function migrate(db) {\n  db.execute('CREATE TABLE a (id BIGINT)');\n}\n",
    );
    place.run(&["migrate"]).ends_with(0);
    // What another version of wasmigrate, with another runner, has written.
    let older = "run by the JavaScript runner of wasmigrate 0.0.9, sha256:00c0ffee";
    place.connect().run(&format!(
        "UPDATE wasmigrate_output SET line = '{older}' WHERE line LIKE 'run by the JavaScript runner of %'"
    ));
    place.write_step(
        "0002_b.js",
        b"export function migrate(db) {\n  db.execute('CREATE TABLE b (id BIGINT)');\n}\n",
    );
    place.run(&["verify"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(place.has_table("a") && place.has_table("b"));
    let said = place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says(older);
    let now = format!(
        "run by the JavaScript runner of wasmigrate {}, sha256:",
        env!("CARGO_PKG_VERSION")
    );
    assert!(said.stdout.contains(&now), "{said:#?}");
}
