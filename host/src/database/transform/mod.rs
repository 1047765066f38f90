//! The SQL of transformations: a table that gets derived columns, row by row, while the application keeps using it.
//!
//! [`TransformedTable`] is the table with everything that is done to it, in the words that both databases share. What they
//! say differently is behind [`Transforming`], which each of them implements in its own room. When to do what, and how often to
//! try, is the engine's.

mod borders;
mod captured;
mod chunk;
mod definition;
mod dialect;
mod read;
mod schema;
mod table;
mod watched;

use super::{Authority, Result, Session, Value, quote};

pub use chunk::Chunk;
pub use definition::{ColumnDefinition, TableDefinition};
pub(super) use definition::{Form, integer_of, text_of, unique_columns};
pub use dialect::Transforming;
pub use table::{Derivation, DerivedColumn, TransformedTable};
pub use watched::Watched;

/// Names in quotes, with commas between.
pub(super) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(quote).collect();
    names.join(", ")
}

/// All rows of a small result whose query holds words of the step's.
pub(super) async fn step_rows(
    session: &mut dyn Session,
    query: &str,
    parameters: &[Value],
) -> Result<Vec<Vec<Value>>> {
    use_exact_texts(session).await?;
    let cursor = session.query(Authority::Step, query, parameters).await?;
    let mut rows = Vec::new();
    loop {
        let batch = session.fetch(cursor, 1_000, 8 << 20).await?;
        if batch.row_count == 0 {
            break;
        }
        rows.extend(batch.into_rows());
    }
    session.close(cursor).await;
    Ok(rows)
}

/// Lets values be read so that they can be written back as they were, until the transaction ends. Whatever reads keys or
/// inputs asks for it first.
async fn use_exact_texts(session: &mut dyn Session) -> Result<()> {
    let transforming = session.server().transforming;
    transforming.use_exact_texts(session).await
}

/// Runs statements of the host whose results nobody looks at, and in which a column's type may be one of the application's.
pub(super) async fn send(
    session: &mut dyn Session,
    statements: impl IntoIterator<Item = String> + Send,
) -> Result<()> {
    let statements: Vec<String> = statements.into_iter().collect();
    for statement in statements {
        session
            .execute(Authority::Application, &statement, &[])
            .await?;
    }
    Ok(())
}
