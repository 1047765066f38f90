//! What a new script holds before anybody has written it, and the types that editors read.

use super::wanted::NewStep;

/// Where the types are that editors read: beside what JavaScript imports, and where Python finds them.
pub(super) const TYPES: [&str; 2] = [JAVASCRIPT_TYPES, PYTHON_TYPES];
const JAVASCRIPT_TYPES: &str = "lib/wasmigrate.d.ts";
const PYTHON_TYPES: &str = "wasmigrate.pyi";

/// A transformation, in JavaScript and TypeScript alike.
const TRANSFORMATION: &str = include_str!("templates/transform.js");
const PYTHON_TRANSFORMATION: &str = include_str!("templates/transform.py");

/// What scripts may call.
const DECLARATIONS: &str =
    include_str!("../../../../guest-migrations/runners/javascript/wasmigrate.d.ts");

/// The names of the files of a script in JavaScript in its directory, and what they hold.
pub(super) fn javascript(stem: &str, name: &str, step: NewStep) -> Vec<(String, String)> {
    let summary = name.replace('_', " ");
    if step.is_transformation {
        return with_types(
            format!("{stem}.js"),
            TRANSFORMATION.replace("WHAT_IT_DOES", &summary),
        );
    }
    let mut text = format!(
        "/// <reference path=\"{JAVASCRIPT_TYPES}\" />\n\
         import {{ info }} from 'wasmigrate';\n\n\
         export const summary = '{summary}';\n\n\
         /**\n \
          * What the running application tolerates: new tables and columns, copies of data.\n \
          * @param {{import('wasmigrate').Database}} db\n \
          */\n\
         export function migrate(db) {{\n  info('nothing to do yet');\n}}\n\n\
         /**\n \
          * The short cut-over: constraints, renames, drops.\n \
          * @param {{import('wasmigrate').Database}} db\n \
          */\n\
         export function finalize(db) {{}}\n"
    );
    if step.with_reset {
        text.push_str(
            "\n/**\n * What takes back `migrate`.\n * @param {import('wasmigrate').Database} db\n */\n\
             export function reset(db) {}\n",
        );
    }
    with_types(format!("{stem}.js"), text)
}

/// The same in TypeScript.
pub(super) fn typescript(stem: &str, name: &str, step: NewStep) -> Vec<(String, String)> {
    let summary = name.replace('_', " ");
    if step.is_transformation {
        return with_types(
            format!("{stem}.ts"),
            TRANSFORMATION.replace("WHAT_IT_DOES", &summary),
        );
    }
    let mut text = format!(
        "/// <reference path=\"{JAVASCRIPT_TYPES}\" />\n\
         import {{ info, type Database }} from 'wasmigrate';\n\n\
         export const summary = '{summary}';\n\n\
         /** What the running application tolerates: new tables and columns, copies of data. */\n\
         export function migrate(db: Database): void {{\n  info('nothing to do yet');\n}}\n\n\
         /** The short cut-over: constraints, renames, drops. */\n\
         export function finalize(db: Database): void {{}}\n"
    );
    if step.with_reset {
        text.push_str(
            "\n/** What takes back `migrate`. */\nexport function reset(db: Database): void {}\n",
        );
    }
    with_types(format!("{stem}.ts"), text)
}

/// The same in Python.
pub(super) fn python(stem: &str, name: &str, step: NewStep) -> Vec<(String, String)> {
    let summary = name.replace('_', " ");
    if step.is_transformation {
        let text = PYTHON_TRANSFORMATION.replace("WHAT_IT_DOES", &summary);
        return with_stubs(stem, text);
    }
    let mut text = format!(
        "\"\"\"{summary}\"\"\"\n\n\
         from wasmigrate import Database, info\n\n\n\
         def migrate(db: Database) -> None:\n    \
         \"\"\"What the running application tolerates: new tables and columns, copies of data.\"\"\"\n    \
         info(\"nothing to do yet\")\n\n\n\
         def finalize(db: Database) -> None:\n    \
         \"\"\"The short cut-over: constraints, renames, drops.\"\"\"\n"
    );
    if step.with_reset {
        text.push_str(
            "\n\ndef reset(db: Database) -> None:\n    \"\"\"What takes back `migrate`.\"\"\"\n",
        );
    }
    with_stubs(stem, text)
}

/// What scripts in Python may call.
const PYTHON_STUBS: &str =
    include_str!("../../../../guest-migrations/runners/python/wasmigrate.pyi");

fn with_stubs(stem: &str, text: String) -> Vec<(String, String)> {
    vec![
        (format!("{stem}.py"), text),
        (PYTHON_TYPES.to_owned(), PYTHON_STUBS.to_owned()),
    ]
}

fn with_types(file_name: String, text: String) -> Vec<(String, String)> {
    vec![
        (file_name, text),
        (JAVASCRIPT_TYPES.to_owned(), DECLARATIONS.to_owned()),
    ]
}
