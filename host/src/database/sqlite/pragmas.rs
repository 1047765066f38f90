//! What pragmas tell of tables. They are asked as statements: a table, which a step may make, comes before the table-valued
//! function of the same name (<https://www.sqlite.org/vtab.html#epovtab>).

use super::super::{Result, Session, Value};

/// The rows of a pragma about a table or an index of the target.
pub(super) async fn ask(
    session: &mut dyn Session,
    pragma: &str,
    name: &str,
) -> Result<Vec<Vec<Value>>> {
    session.rows(&statement(pragma, name), &[]).await
}

/// The statement that asks it.
pub(super) fn statement(pragma: &str, name: &str) -> String {
    format!("PRAGMA main.{pragma}('{}')", name.replace('\'', "''"))
}
