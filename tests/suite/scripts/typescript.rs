//! Steps in TypeScript: the types are taken out, and all else is as in JavaScript.

use std::fs;

use super::either::imports::library;
use super::passes_its_tests;
use crate::place::Place;
use crate::service::process::Service;
use crate::service::remote::Desk;
use crate::tenants::{Tenants as _, target};

const PURCHASES: &str = r#"/// <reference path="lib/wasmigrate.d.ts" />
import { info, type Database, type Row } from 'wasmigrate';
import type { Purchase } from './lib/purchase.ts';
import { parsed } from './lib/purchase.ts';

export const summary = 'parses order lines' satisfies string;

type Position = { readonly last: number };

class Counter<T extends { cents: number }> {
  private last?: T;
  declare ignored: string;
  #cents: number = 0;
  public add(this: Counter<T>, each: T): void {
    this.last = each;
    this.#cents += each.cents!;
  }
  get cents(): number {
    return this.#cents as number;
  }
}

function widened(value: number): number;
function widened(value: string): string;
function widened(value: unknown): unknown {
  return value;
}

export function migrate(db: Database, resume?: Position): void {
  db.execute('CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, cents BIGINT NOT NULL)');
  const counter = new Counter<Purchase>();
  for (const rows of db.batches('SELECT id, line FROM order_line ORDER BY id', [], 2)) {
    const purchases = (rows as Row[]).map(<T extends Row>(row: T): Purchase => parsed(row.id, row['line']));
    for (const each of purchases) counter.add(each);
    db.load('purchase', ['id', 'customer', 'cents'], purchases);
  }
  info(widened('cents:'), counter.cents);
}

export function reset(db: Database): void {
  db.execute('DROP TABLE purchase');
}

export const finalize = (db: Database): void => {
  db.execute('DROP TABLE order_line');
};
"#;

const PURCHASE: &str = r#"export interface Purchase {
  id: number;
  customer: string;
  cents: number;
}

export function parsed(id: number, line: string): Purchase {
  const [customer = '', cents = ''] = line.split('|') as [string?, string?];
  return { id, customer, cents: Number.parseInt(cents, 10) || 0 };
}
"#;

fn purchases() -> Place {
    let place = Place::new()
        .with_sql(
            "0001_lines.sql",
            "-- wasmigrate:migrate
             CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
             INSERT INTO order_line VALUES (1, 'Żofia|120'), (2, '李|7'), (3, 'a|1');
             -- wasmigrate:reset
             DROP TABLE order_line;",
        )
        .with_sql("0002_purchases.ts", PURCHASES);
    library(&place, "purchase.ts", PURCHASE);
    place
}

#[test]
fn a_script_in_typescript_is_a_step_in_all_its_phases() {
    let place = purchases();
    place.run(&["plan"]).ends_with(0).and_says("0002_purchases");
    place.run(&["migrate"]).ends_with(0).and_says("cents: 128");
    assert_eq!(
        place.texts("SELECT customer || ' ' || cents FROM purchase ORDER BY id"),
        ["Żofia 120", "李 7", "a 1"]
    );
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["steps"][1]["kind"], "ts", "{status}");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("purchase"));
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("order_line"));
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_script_in_typescript_passes_its_tests() {
    passes_its_tests(&purchases());
}

#[test]
fn a_transformation_in_typescript_goes_through_a_table() {
    let place = Place::new()
        .with_data(
            "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO person VALUES (1, 'Ada Lovelace'), (2, 'Plato')",
        )
        .with_sql(
            "0001_people.ts",
            "import { transform, type Row } from 'wasmigrate';\n\n\
             const given = (name: string): string | null => (name.includes(' ') ? name.split(' ')[0]! : null);\n\n\
             export default transform({\n  table: 'person',\n  inputs: ['name'],\n  derives: { given_name: 'TEXT' },\n  \
             row({ name }: Row): Row {\n    return { given_name: given(name as string) };\n  },\n});\n",
        );
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT coalesce(given_name, '-') FROM person ORDER BY id"),
        ["Ada", "-"]
    );
}

/// The types in front of it are longer than what stands in their place.
const FAILING: &str = "\
import type { Database } from 'wasmigrate';

interface Named {
  // ünï©ode 🦀
  name: string;
}

export function migrate(db: Database): void {
  helper({ name: 'Ada' } as Named);
}

export function reset() {}

type Later = Record<string, /* 🦀 */ Named>;

function helper(named: Named, others: Array<Later> = []): never {
  const kept: /* ü🦀 */ string = named.name!; throw new Error(`no ${kept}`);
}
";

#[test]
fn an_error_is_told_with_line_and_column_of_the_file_as_it_was_written() {
    // Counted as editors count them.
    let line = FAILING.lines().nth(16).unwrap();
    let before = line.split_once("Error(").unwrap().0;
    let column = before.encode_utf16().count() + 1;
    let told = format!("no Ada (0001_fails.ts, line 17, column {column}, in helper)");
    let here = Place::new().with_sql("0001_fails.ts", FAILING);
    here.run(&["migrate"]).ends_with(1).and_says(&told);
    here.run(&["history", "--output"])
        .ends_with(0)
        .and_says("migrate (0001_fails.ts:9:");
    let there = Place::new().with_sql("0001_fails.ts", FAILING);
    let service = Service::start(&there);
    Desk::of(&service)
        .run(&["migrate"])
        .ends_with(1)
        .and_says(&told);
    let run = service.get("/api/v1/runs/1").json();
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains(&told), "{run}");
}

#[test]
fn the_digest_is_that_of_the_files_as_they_were_written() {
    let place = purchases();
    let step = place.step("0002_purchases.ts");
    let inspected = place
        .run(&["inspect", "--json", step.to_str().unwrap()])
        .ends_with(0)
        .json();
    assert_eq!(inspected["summary"], "parses order lines");
    place.run(&["migrate"]).ends_with(0);
    // A type alone is a change.
    let changed = PURCHASE.replace("cents: number;", "cents: bigint;");
    library(&place, "purchase.ts", &changed);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("0002_purchases");
    library(&place, "purchase.ts", &PURCHASE.replace('\n', "\r\n"));
    place.run(&["verify"]).ends_with(0);
    fs::remove_file(place.step("lib/purchase.ts")).unwrap();
    place.run(&["verify"]).ends_with(2);
}

#[test]
fn scripts_in_typescript_run_for_each_tenant_and_in_a_service() {
    let script = "import { setting, type Database } from 'wasmigrate';\nimport { first } from './lib/values.ts';\n\
                  export function migrate(db: Database) {\n  \
                  db.load('counted', ['value', 'who'], [{ value: first, who: setting('tenant') as string }]);\n}\n";
    let place = target()
        .with_tenants(&["acme", "beta"])
        .with_sql(
            "tenants/001_begin.sql",
            "CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL);",
        )
        .with_sql("tenants/002_count.ts", script);
    let values = place.step("tenants/lib/values.ts");
    fs::create_dir(values.parent().unwrap()).unwrap();
    fs::write(&values, "export const first: number = 7;\n").unwrap();
    place.run(&["finalize", "--atomic"]).ends_with(0);
    assert_eq!(place.sum("beta"), "7");
    fs::write(&values, "export const first: bigint = 7;\n").unwrap();
    place
        .run(&["finalize", "--atomic"])
        .ends_with(2)
        .and_says("002_count");
    let place = purchases();
    let service = Service::start(&place);
    let step = service.get("/api/v1/steps/2").json();
    assert_eq!(step["summary"], "parses order lines", "{step}");
    Desk::of(&service).run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(cents) FROM purchase"), 128);
}

#[test]
fn a_step_in_typescript_is_begun_with_its_types_and_runs() {
    let place = Place::new();
    place
        .run(&["new", "It's Added", "--lang", "ts", "--reset"])
        .ends_with(0)
        .and_says("made migrations/0001_it_s_added.ts")
        .and_says("made migrations/lib/wasmigrate.d.ts");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do yet");
    place.run(&["reset"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    place
        .run(&["new", "next.ts", "--lang", "ts"])
        .ends_with(0)
        .and_says("made migrations/0002_next.ts");
    place
        .run(&["new", "both", "--lang", "ts", "--lang", "js"])
        .ends_with(2);
}
