//! What a new script holds before anybody has written it, and the types that editors read.

/// Where the types are, for scripts beside which `lib` stands.
pub(super) const TYPES: &str = "lib/wasmigrate.d.ts";

/// What scripts may call.
const DECLARATIONS: &str =
    include_str!("../../../../guest-migrations/runners/javascript/wasmigrate.d.ts");

/// The names of a script's files in its directory, and what they hold.
pub(super) fn files(stem: &str, name: &str, with_reset: bool) -> Vec<(String, String)> {
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
    vec![
        (format!("{stem}.js"), text),
        (TYPES.to_owned(), DECLARATIONS.to_owned()),
    ]
}
