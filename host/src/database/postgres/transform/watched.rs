//! What tells whether the capture has noticed every change, see [`Watched`]; and how values are written so that nothing of
//! them is lost.

use crate::database::postgres::text::quote_text;
use crate::database::transform::{TransformedTable, Watched, text_of};
use crate::database::{Result, Session, Value};

/// The settings in which every value is read back as it was: <https://www.postgresql.org/docs/current/runtime-config-client.html>
pub(super) const EXACT_TEXTS: &str = "SELECT pg_catalog.set_config('extra_float_digits', '3', true),
    pg_catalog.set_config('DateStyle', 'ISO', true), pg_catalog.set_config('IntervalStyle', 'postgres', true)";

/// The triggers as they are. A row of the catalog gets another `xmin` with each change of it, and another `oid` when it is made
/// anew.
pub(super) async fn read(session: &mut dyn Session, table: &TransformedTable) -> Result<Watched> {
    let Some(number) = &table.number else {
        return Ok(Watched::default());
    };
    let names = ["insert", "update"].map(|suffix| trigger(table, suffix));
    let query = format!(
        "SELECT made.tgrelid::pg_catalog.text, made.tgname::pg_catalog.text,
           pg_catalog.concat_ws(':', made.oid, made.xmin, made.tgenabled), made.tgrelid = {number}::pg_catalog.oid
         FROM pg_catalog.pg_trigger AS made
         WHERE made.tgname IN ({}) AND (made.tgrelid = {number}::pg_catalog.oid
           OR made.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({number}::pg_catalog.oid::pg_catalog.regclass)))",
        names.clone().map(|name| quote_text(&name)).join(", ")
    );
    let mut watched = Watched {
        is_complete: true,
        ..Watched::default()
    };
    for row in session.rows(&query, &[]).await? {
        let [part, name, version] = [0, 1, 2].map(|column| text_of(row.get(column)));
        match row.get(3) {
            Some(Value::Boolean(true)) => watched.table.insert(name, version),
            _ => watched.parts.insert(format!("{part} {name}"), version),
        };
    }
    // Those that act in replicas, too.
    let is_always = |name: &String| watched.table.get(name).is_some_and(|it| it.ends_with(":A"));
    watched.is_complete = names.iter().all(is_always);
    let query = format!(
        "SELECT attname::pg_catalog.text, attnum::pg_catalog.text FROM pg_catalog.pg_attribute
         WHERE attrelid = {number}::pg_catalog.oid AND attname = ANY ($1::pg_catalog.text[])"
    );
    let derived = table.derived.iter().map(|column| &column.name);
    let names = table.watched.iter().chain(derived);
    let columns: Vec<String> = names.map(|name| element(name)).collect();
    let columns = format!("{{{}}}", columns.join(","));
    for row in session.rows(&query, &[columns.as_str().into()]).await? {
        let [name, place] = [0, 1].map(|column| text_of(row.get(column)));
        watched.table.insert(format!("column {name}"), place);
    }
    let database = "SELECT oid::pg_catalog.text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    let found = session.rows(database, &[]).await?;
    watched.database = text_of(found.first().and_then(|row| row.first()));
    Ok(watched)
}

fn trigger(table: &TransformedTable, suffix: &str) -> String {
    format!("capture_of_step_{}_{suffix}", table.index)
}

/// A text as an element of an array.
fn element(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
