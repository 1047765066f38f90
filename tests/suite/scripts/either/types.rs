//! What cannot be taken out of TypeScript as types, and files that hold nothing else.

use super::imports::library;
use crate::place::Place;

fn refused(script: &str) -> Place {
    Place::new()
        .with_sql("0001_t.sql", "CREATE TABLE t (id BIGINT);")
        .with_sql("0002_bad.ts", script)
}

#[test]
fn what_has_a_meaning_when_it_runs_is_refused_with_its_place() {
    for (line, says) in [
        ("enum Kind { A, B }", "enum is more than a type"),
        ("const enum Kind { A, B }", "enum"),
        ("namespace Named { export const x = 1; }", "namespace"),
        (
            "class Made { constructor(private readonly name: string) {} }",
            "parameter property",
        ),
        ("import fs = require('fs');", "import"),
        ("export = 7;", "export"),
        ("const cast = <string>summary;", "assertion"),
    ] {
        let place = refused(&format!(
            "export function migrate() {{}}\nexport const summary = 'x';\n  {line}\n"
        ));
        let said = place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("0002_bad.ts, line 3, column ");
        let text = format!("{said:?}").to_lowercase();
        assert!(text.contains(says), "{line}: {said:#?}");
        assert!(!place.has_table("t"), "{line}");
    }
}

#[test]
fn a_mistake_in_the_syntax_is_told_with_its_place() {
    for (script, place) in [
        ("export function migrate(db: ) {\n}\n", "line 1, column 29"),
        (
            "export function migrate() {\n  const x: string == 'a';\n}\n",
            "line 2, column",
        ),
        ("export function migrate() {\n", "line "),
        // What only JavaScript objects to is told by its runner.
        (
            "export function migrate() {\n  const x: number = 1;\n  const x: number = 2;\n}\n",
            "line 3",
        ),
    ] {
        refused(script)
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("0002_bad.ts, {place}"));
    }
    let place = refused("import { x } from './lib/x.ts';\nexport function migrate() {}\n");
    library(&place, "x.ts", "export const x = 1;\nenum Kind { A }\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("0002_bad")
        .and_says("(lib/x.ts, line 2, column 1)");
}

#[test]
fn a_type_that_is_imported_as_a_value_is_refused_with_the_way_out() {
    refused("import { Database } from 'wasmigrate';\nexport function migrate(db: Database) {}\n")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("0002_bad")
        .and_says("`import type`");
}

#[test]
fn files_of_types_alone_are_no_steps() {
    let place = Place::new()
        .with_sql(
            "0001_a.ts",
            "import type { Named } from './lib/named.d.ts';\nexport const migrate = (): Named => ({ name: 'a' });\n",
        )
        .with_sql("0001_a.d.ts", "export interface Beside {}\n")
        .with_sql("index.ts", "export {};\n");
    library(
        &place,
        "named.d.ts",
        "export interface Named { name: string }\nexport function undone(): void;\n",
    );
    library(&place, "0001_numbered.ts", "export const x: number = 1;\n");
    place.run(&["migrate"]).ends_with(0).and_says("0001_a");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn what_is_no_step_of_ours_is_refused() {
    Place::new()
        .with_sql(
            "1700000000000-Users.ts",
            "import { MigrationInterface } from 'typeorm';\nexport class Users implements MigrationInterface {}\n",
        )
        .run(&["migrate"])
        .ends_with(2)
        .and_says("a script may import 'wasmigrate'");
}

#[test]
fn deep_nesting_ends_with_a_named_cause() {
    for deep in ["(", "[", "{a:", "x<"] {
        let script = format!(
            "export function migrate() {{}}\nconst x: any = {};\n",
            deep.repeat(200_000)
        );
        let said = refused(&script).run(&["migrate"]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(matches!(said.status, Some(1 | 2)), "{deep}");
        assert!(
            ["limits.stack_kib", "limits.memory_mib", "0002_bad.ts, line"]
                .iter()
                .any(|cause| text.contains(cause)),
            "{deep}: {}",
            text.chars().take(600).collect::<String>()
        );
    }
}
