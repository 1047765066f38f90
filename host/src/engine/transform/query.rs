//! Small results of queries that hold words of a step's.

use crate::database::{Authority, Result, Session, Value};

/// All rows of a small result whose query holds words of the step's.
pub(super) async fn step_rows(
    session: &mut dyn Session,
    query: &str,
    parameters: &[Value],
) -> Result<Vec<Vec<Value>>> {
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
