//! What a new script holds before anybody has written it, and the types that editors read.

/// Where the types are, for scripts beside which `lib` stands.
pub(super) const TYPES: &str = "lib/wasmigrate.d.ts";

/// What scripts may call.
const DECLARATIONS: &str =
    include_str!("../../../../guest-migrations/runners/javascript/wasmigrate.d.ts");

/// The names of the files of a script in JavaScript in its directory, and what they hold.
pub(super) fn javascript(stem: &str, name: &str, with_reset: bool) -> Vec<(String, String)> {
    let summary = name.replace('_', " ");
    let mut text = format!(
        "/// <reference path=\"{TYPES}\" />\n\
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
    if with_reset {
        text.push_str(
            "\n/**\n * What takes back `migrate`.\n * @param {import('wasmigrate').Database} db\n */\n\
             export function reset(db) {}\n",
        );
    }
    with_types(format!("{stem}.js"), text)
}

/// The same in TypeScript.
pub(super) fn typescript(stem: &str, name: &str, with_reset: bool) -> Vec<(String, String)> {
    let summary = name.replace('_', " ");
    let mut text = format!(
        "/// <reference path=\"{TYPES}\" />\n\
         import {{ info, type Database }} from 'wasmigrate';\n\n\
         export const summary = '{summary}';\n\n\
         /** What the running application tolerates: new tables and columns, copies of data. */\n\
         export function migrate(db: Database): void {{\n  info('nothing to do yet');\n}}\n\n\
         /** The short cut-over: constraints, renames, drops. */\n\
         export function finalize(db: Database): void {{}}\n"
    );
    if with_reset {
        text.push_str(
            "\n/** What takes back `migrate`. */\nexport function reset(db: Database): void {}\n",
        );
    }
    with_types(format!("{stem}.ts"), text)
}

fn with_types(file_name: String, text: String) -> Vec<(String, String)> {
    vec![
        (file_name, text),
        (TYPES.to_owned(), DECLARATIONS.to_owned()),
    ]
}
