//! Values on their way between scripts and the database.

use crate::application::{self, Kind};
use crate::place::Place;

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let place = Place::new().with_sql(
        "0001_v.js",
        r#"
export function migrate(db) {
  const types = db.kind === 'postgres'
    ? ['BIGINT', 'DOUBLE PRECISION', 'TEXT', 'BYTEA', 'BOOLEAN', 'NUMERIC']
    : ['BIGINT', 'REAL', 'TEXT', 'BLOB', 'BOOLEAN', 'NUMERIC'];
  const given = [
    [9223372036854775807n, 0.1, 'naïve 😀 \u0000'.slice(0, -2), new Uint8Array([0, 255, 128]), true, '1'],
    [-9223372036854775808n, -1e308, '', new Uint8Array(), false, '2'],
    [9007199254740993n, 5e-324, 'line\nbreak "quoted" \'single\'', new Uint8Array([10]), true, '3'],
    [9007199254740991, 1.5, ' ', new Uint8Array([1]), false, '4'],
    [0, 2.25, 'null', new Uint8Array([0]), true, '5'],
    [null, undefined, null, null, null, null],
  ];
  db.execute(`CREATE TABLE v (id BIGINT, i ${types[0]}, f ${types[1]}, t ${types[2]}, b ${types[3]}, o ${types[4]}, n ${types[5]})`);
  const names = ['id', 'i', 'f', 't', 'b', 'o', 'n'];
  db.load('v', names, given.map((row, id) => [id, ...row]));
  db.executeMany('INSERT INTO v (id, i, f, t, b, o, n) VALUES ($1, $2, $3, $4, $5, $6, $7)', given.map((row, id) => [id + 10, ...row]));
  given.forEach((row, id) => db.execute('INSERT INTO v (id, i, f, t, b, o, n) VALUES ($1, $2, $3, $4, $5, $6, $7)', [id + 20, ...row]));
  let wrong = 0;
  for (const read of [
    [...db.rows('SELECT id, i, f, t, b, o, n FROM v ORDER BY id')],
    db.query('SELECT id, i, f, t, b, o, n FROM v ORDER BY id'),
  ]) {
    for (const { id, ...row } of read) {
      const expected = given[id % 10];
      ['i', 'f', 't', 'b', 'o', 'n'].forEach((name, place) => {
        if (!same(expected[place] ?? null, row[name])) {
          wrong += 1;
          console.error(id, name, expected[place], row[name]);
        }
      });
    }
  }
  if (wrong > 0) throw new Error(`${wrong} are wrong`);
}

function same(expected, found) {
  if (expected instanceof Uint8Array) return found instanceof Uint8Array && String(expected) === String(found);
  if (typeof expected === 'boolean') return expected === Boolean(found);
  if (typeof expected === 'string' && /^[0-9]$/.test(expected)) return String(found) === expected;
  if (typeof expected === 'bigint') return found === expected;
  return Object.is(found, expected);
}
"#,
    );
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn a_value_that_means_nothing_to_a_database_is_refused() {
    for (value, says) in [
        ("{ a: 1 }", "JSON.stringify"),
        ("[1]", "JSON.stringify"),
        ("new Date(0)", "toISOString"),
        ("Symbol('x')", "$1 is a symbol"),
        ("() => 1", "$1 is a function"),
        ("Promise.resolve(1)", "await"),
        ("9223372036854775808n", "more than 64 bits"),
        ("'\\ud83d'", "surrogate"),
    ] {
        Place::new()
            .with_sql(
                "0001_v.js",
                &format!(
                    "export function migrate(db) {{\n  db.value('SELECT $1', [{value}]);\n}}\n"
                ),
            )
            .run(&["migrate"])
            .ends_with(1)
            .and_says(says)
            .and_says("$1")
            .and_says("0001_v.js, line 2");
    }
}

#[test]
fn what_a_database_cannot_store_is_no_null() {
    for (call, says) in [
        (
            "db.load('v', ['id', 'f'], [[1, 2], [2, NaN]])",
            "row 2 of the batch: the value of the column `f` is NaN",
        ),
        (
            "db.executeMany('INSERT INTO v VALUES ($1, $2)', [[1, NaN]])",
            "row 1 of the batch: the value of parameter 2 is NaN",
        ),
        (
            "db.execute('INSERT INTO v (f, id) VALUES ($2, $1)', [1, NaN])",
            "the value of parameter 2 is NaN",
        ),
        (
            "db.query('SELECT $1', [NaN])",
            "the value of parameter 1 is NaN",
        ),
    ] {
        let place = Place::new().with_data("CREATE TABLE v (id BIGINT, f DOUBLE PRECISION)");
        let place = place.with_sql(
            "0001_v.js",
            &format!("export function migrate(db) {{\n  {call};\n}}\n"),
        );
        let said = place.run(&["migrate"]);
        match application::kind() {
            Kind::Sqlite => {
                _ = said
                    .ends_with(1)
                    .and_says(says)
                    .and_says("which SQLite cannot store")
            }
            Kind::Postgres => _ = said.ends_with(0),
        }
        assert_eq!(
            place.one::<i64>("SELECT count(*) FROM v WHERE f IS NULL"),
            0
        );
    }
}

#[test]
fn infinities_and_the_smallest_numbers_come_back() {
    let place = Place::new().with_sql(
        "0001_v.js",
        "export function migrate(db) {
  db.execute('CREATE TABLE v (id BIGINT, f DOUBLE PRECISION)');
  const all = [Infinity, -Infinity, 5e-324, 1.7976931348623157e308];
  db.load('v', ['id', 'f'], all.map((value, id) => [id, value]));
  const read = db.query('SELECT f FROM v ORDER BY id').map(row => row.f);
  if (!all.every((value, place) => Object.is(value, read[place]))) throw new Error(read.join());
}
",
    );
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn rows_that_do_not_fit_their_columns_are_refused() {
    for (rows, says) in [
        (
            "[{ id: 1, name: 'a' }, { id: 2, nmae: 'b' }]",
            "row 2 has no `name`",
        ),
        ("[[1, 'a'], [2]]", "row 2 has 1 values instead of 2"),
        ("[[1, 'a'], 7]", "row 2 is no array of values"),
        ("[[1, {}]]", "row 1: `name` is an object"),
    ] {
        let place = Place::new().with_sql(
            "0001_v.js",
            &format!(
                "export function migrate(db) {{\n  db.execute('CREATE TABLE v (id BIGINT, name TEXT)');\n  \
                 db.load('v', ['id', 'name'], {rows});\n}}\n"
            ),
        );
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says(says)
            .and_says("0001_v.js, line 3");
    }
}

#[test]
fn decimals_and_times_go_as_text_and_lose_nothing() {
    let place = Place::new().with_sql(
        "0001_v.js",
        r#"
export function migrate(db) {
  const exact = '12345678901234567890.123456789';
  const type = db.kind === 'postgres' ? 'NUMERIC' : 'TEXT';
  db.execute(`CREATE TABLE v (id BIGINT, n ${type}, at TEXT)`);
  db.load('v', ['id', 'n', 'at'], [{ id: 1, n: exact, at: new Date(0).toISOString() }]);
  db.execute('INSERT INTO v (at, n, id) VALUES ($3, $2, $1)', [2, exact, 'x']);
  for (const { id, n } of db.query('SELECT id, n FROM v')) {
    if (n !== exact) throw new Error(`${id}: ${n}`);
  }
}
"#,
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT at FROM v ORDER BY id"),
        ["1970-01-01T00:00:00.000Z", "x"]
    );
}

#[test]
fn text_becomes_bytes_and_text_again() {
    let place = Place::new().with_sql(
        "0001_v.js",
        r#"
export function migrate() {
  const bytes = new TextEncoder().encode('\ud800żółć 😀');
  if (String(bytes.slice(0, 5)) !== '239,191,189,197,188') throw new Error(String(bytes));
  const text = new TextDecoder().decode(bytes.subarray(3));
  if (text !== 'żółć 😀') throw new Error(text);
  if (new TextDecoder().decode(new Uint8Array([97, 255]).buffer) !== 'a\ufffd') throw new Error('loss');
  let refused;
  try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([97, 255])); } catch (error) { refused = error; }
  if (!(refused instanceof TypeError)) throw new Error(`${refused}`);
}
"#,
    );
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn settings_are_there_before_a_function_is_called() {
    let place = Place::new().with_sql(
        "0001_v.js",
        "import { info, setting } from 'wasmigrate';\nconst parts = setting('parts').split(',');\ninfo('read');\n\
         export function migrate(db) {\n  info(parts.length, 'parts');\n}\n",
    );
    place
        .run(&["migrate", "--set", "parts=a,b"])
        .ends_with(0)
        .and_says("2 parts");
    place
        .run(&["inspect", place.step("0001_v.js").to_str().unwrap()])
        .and_says("0001_v.js, line 2");
}

#[test]
fn clock_chance_and_settings_are_those_of_the_run() {
    let place = Place::new().with_sql(
        "0001_v.js",
        r#"
import { setting } from 'wasmigrate';
export function migrate(db, resume) {
  if (resume === undefined) {
    db.execute('CREATE TABLE v (x TEXT)');
    db.execute('INSERT INTO v VALUES ($1)', [`${Date.now()} ${Math.random()} ${setting('who')} ${setting('nobody')}`]);
    db.checkpoint();
    throw new Error('once');
  }
  db.execute('INSERT INTO v VALUES ($1)', [`${Date.now()} ${Math.random()} ${setting('who')} ${setting('nobody')}`]);
}
export function check() {}
"#,
    );
    place.run(&["migrate", "--set", "who=me"]).ends_with(1);
    place.run(&["migrate", "--set", "who=me"]).ends_with(0);
    let values = place.texts("SELECT x FROM v");
    assert_eq!(values.len(), 2);
    // A step that goes on is given the same again, so that it does the same again.
    assert_eq!(values[0], values[1]);
    assert!(values[0].ends_with(" me undefined"), "{values:?}");
}

#[test]
fn a_step_with_a_checkpoint_is_not_started_over() {
    let place = Place::new().with_sql(
        "0001_v.js",
        r#"
export function migrate(db, resume) {
  if (resume === undefined) {
    db.execute('CREATE TABLE v (x TEXT)');
    db.checkpoint();
    throw new Error('once');
  }
}
export function reset(db) { db.execute('DROP TABLE v'); }
"#,
    );
    place.run(&["migrate"]).ends_with(1).and_says("once");
    for (command, flag) in [
        ("migrate", "--restart"),
        ("finalize", "--restart"),
        ("migrate", "--replace"),
    ] {
        place
            .run(&[command, flag])
            .ends_with(2)
            .and_says("0001_v was begun and is no transformation")
            .and_says("`reset` undoes it, after which `migrate` begins anew");
    }
    let other = place.copy();
    place.run(&["migrate"]).ends_with(0);
    other.run(&["reset"]).ends_with(0);
    other.run(&["migrate"]).ends_with(1).and_says("once");
    // Nothing was begun.
    Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .run(&["migrate", "--restart"])
        .ends_with(2)
        .and_says("there is nothing to start over");
}
