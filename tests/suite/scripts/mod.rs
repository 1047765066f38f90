//! Steps that are scripts.

mod either;
mod everywhere;
pub mod python;
mod transform;
mod typescript;
mod values;

use crate::place::Place;

/// Reads messy lines in batches and writes what they mean, with a checkpoint, its finalize and its reset.
const PURCHASES: &str = r#"
import { info, progress } from 'wasmigrate';

export const summary = 'parses order lines';

export function count(db) {
  return db.value('SELECT count(*) FROM order_line');
}

export function migrate(db, resume) {
  if (resume === undefined) {
    parse(db);
    db.checkpoint({ parsed: true });
  }
  info('customers:', db.execute(
    'INSERT INTO total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer'));
}

export function finalize(db) {
  db.execute('DROP TABLE order_line');
}

export function reset(db) {
  for (const table of ['total', 'purchase', 'bad_line']) db.execute(`DROP TABLE IF EXISTS ${table}`);
}

function parse(db) {
  db.execute('CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, cents BIGINT NOT NULL)');
  db.execute('CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)');
  db.execute('CREATE TABLE total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)');
  let done = 0;
  for (const rows of db.batches('SELECT id, line FROM order_line ORDER BY id', [], 7)) {
    const good = [], bad = [];
    for (const { id, line } of rows) {
      const [, customer, cents] = /^(.*)\|([0-9]+)$/u.exec(line) ?? [];
      if (customer) good.push({ id, customer, cents: Number(cents) });
      else bad.push([id, `no price in ${line}`]);
    }
    db.load('purchase', ['id', 'customer', 'cents'], good);
    db.executeMany('INSERT INTO bad_line (id, reason) VALUES ($1, $2)', bad);
    progress((done += rows.length));
  }
  console.log(`${done} lines`, { done });
}
"#;

fn purchases() -> Place {
    Place::new()
        .with_data(
            "CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
             INSERT INTO order_line VALUES
                 (1, 'Żofia|120'), (2, 'Żofia|30'), (3, '李|7'), (4, 'nobody'), (5, 'a|1'), (6, 'b|2'), (7, 'c|3'), (8, 'd|4'),
                 (9, 'e|5'), (10, 'f|6'), (11, 'g|7'), (12, 'h|8'), (13, 'i|9'), (14, 'j|10'), (15, 'k|11')",
        )
        .with_sql("0001_purchases.js", PURCHASES)
}

#[test]
fn a_script_is_a_step_in_all_its_phases() {
    let place = purchases();
    place.run(&["plan"]).ends_with(0).and_says("0001_purchases");
    let said = place
        .run(&["migrate", "--json"])
        .ends_with(0)
        .and_says("15 lines")
        .and_says("customers: 13");
    assert!(said.stdout.contains(r#"\"done\":15"#), "{said:#?}");
    assert_eq!(
        place.texts("SELECT customer || ' ' || cents FROM total ORDER BY cents DESC LIMIT 2"),
        ["Żofia 150", "k 11"]
    );
    assert_eq!(
        place.texts("SELECT id || ' ' || reason FROM bad_line"),
        ["4 no price in nobody"]
    );
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["steps"][0]["kind"], "js", "{status}");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("purchase"));
    assert!(place.has_table("order_line"));
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("order_line"));
    assert_eq!(place.one::<i64>("SELECT count(*) FROM purchase"), 14);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn scripts_sql_and_components_follow_each_other() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (x BIGINT);")
        .with_sql(
            "0002_b.js",
            "export function migrate(db) { db.execute('INSERT INTO a VALUES ($1)', [7]); }",
        )
        .with_sql("0003_c.sql", "INSERT INTO a SELECT x + 1 FROM a;")
        .with_sql(
            "0004_d.js",
            "export async function migrate(db) { await null; db.execute('INSERT INTO a VALUES ($1)', [db.value('SELECT sum(x) FROM a')]); }",
        );
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT CAST(x AS TEXT) FROM a ORDER BY a.x"),
        ["7", "8", "15"]
    );
    let place = Place::new().with_sql("0001_a.js", "export const migrate = () => {};");
    place.run(&["reset"]).ends_with(0);
}

#[test]
fn inspect_says_what_a_script_is_without_a_database() {
    let place = purchases();
    let step = place.step("0001_purchases.js");
    let step = step.to_str().unwrap();
    let said = place
        .run(&["inspect", step])
        .ends_with(0)
        .and_says("parses order lines")
        .and_says("read and change the database");
    assert!(!said.stdout.contains("runner"), "{said:#?}");
    assert!(!said.stdout.contains("WASI"), "{said:#?}");
    let inspection = place.run(&["inspect", "--json", step]).ends_with(0).json();
    assert_eq!(inspection["summary"], "parses order lines");
    assert_eq!(inspection["transactional"], true);
    let phases = serde_json::json!({"finalize": true, "reset": true});
    assert_eq!(inspection["phases"], phases);
}

#[test]
fn a_script_passes_its_tests() {
    let place = Place::new()
        .with_sql(
            "0001_lines.sql",
            "CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
             INSERT INTO order_line VALUES (1, 'Żofia|120'), (2, 'Żofia|30'), (3, '李|7'), (4, 'nobody'), (5, 'a|1');",
        )
        .with_sql("0002_purchases.js", PURCHASES);
    passes_its_tests(&place);
}

/// Demands that the second step passes what is tried.
#[track_caller]
fn passes_its_tests(place: &Place) {
    let said = place.run(&["test", "2"]).ends_with(0);
    for check in [
        "survives crashes",
        "reset undoes",
        "deterministic",
        "confined",
    ] {
        assert!(said.stdout.contains(&format!("✓ {check}")), "{said:#?}");
    }
}

#[test]
fn all_scripts_share_one_runner() {
    let mut place = Place::new().with_own_cache();
    for number in 1..=100 {
        place = place.with_sql(
            &format!("{number:04}_s.js"),
            &format!(
                "export function migrate(db) {{ db.execute('CREATE TABLE t{number} (x BIGINT)'); }}"
            ),
        );
    }
    place.run(&["migrate"]).ends_with(0);
    let compiled = std::fs::read_dir(place.path().join("cache"))
        .unwrap()
        .flat_map(|entry| walk(&entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "cwasm"))
        .count();
    assert_eq!(compiled, 1);
}

fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    if path.is_dir() {
        let inner = std::fs::read_dir(path).unwrap();
        return inner
            .flat_map(|entry| walk(&entry.unwrap().path()))
            .collect();
    }
    vec![path.to_owned()]
}

#[test]
fn a_changed_script_is_a_changed_step() {
    let place = Place::new().with_sql("0001_a.js", "export function migrate() {\n}\n");
    place.run(&["migrate"]).ends_with(0);
    // Another system's line ends are the same to the language.
    place.write_step(
        "0001_a.js",
        b"\xef\xbb\xbfexport function migrate() {\r\n}\r\n",
    );
    place.run(&["verify"]).ends_with(0);
    place.write_step("0001_a.js", b"export function migrate() {\n} // changed\n");
    place.run(&["migrate"]).ends_with(2).and_says("0001_a");
    place.run(&["migrate", "--allow-changed"]).ends_with(0);
}

#[test]
fn history_names_the_runner() {
    let place = purchases();
    place.run(&["migrate"]).ends_with(0);
    let said = place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("run by the JavaScript runner of wasmigrate");
    assert!(said.stdout.contains(", sha256:"), "{said:#?}");
}

#[test]
fn a_script_is_begun_with_its_types_and_runs() {
    let place = Place::new();
    place
        .run(&["new", "It's Added", "--lang", "js", "--reset"])
        .ends_with(0)
        .and_says("made migrations/0001_it_s_added.js")
        .and_says("made migrations/lib/wasmigrate.d.ts");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do yet");
    place.run(&["reset"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    let said = place
        .run(&["new", "second", "--lang", "js"])
        .ends_with(0)
        .and_says("made migrations/0002_second.js");
    assert!(!said.stdout.contains("d.ts"), "{said:#?}");
    place
        .run(&["new", "third"])
        .ends_with(0)
        .and_says("made migrations/0003_third.sql");
}
