//! What was repaired. A repair is a run, and each change of the journal that it makes is a line of its output.

use super::cells::{columns, number, text};
use super::schema;
use super::tables::tables;
use crate::database::{Result, Session};

/// The command of a run that repairs.
pub const REPAIR: &str = "repair";

/// One change of the journal, made by an operator.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RepairRecord {
    /// The run that made it.
    pub run: i64,
    /// When it was made, in milliseconds since 1970.
    pub at: i64,
    /// What was changed, with the earlier SHA-256 and the reason.
    pub line: String,
}

/// The newest repairs, the newest first.
pub async fn read_repairs(session: &mut dyn Session, most: u32) -> Result<Vec<RepairRecord>> {
    if schema::version(session).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            "SELECT run, written_at, line FROM wasmigrate_output
             WHERE run IN (SELECT id FROM wasmigrate_run WHERE command = $1)
             ORDER BY run DESC, sequence LIMIT $2",
            &[REPAIR.into(), most.into()],
        )
        .await?;
    let repairs = rows.into_iter().map(|row| {
        let [run, at, line] = columns(row)?;
        Ok(RepairRecord {
            run: number(&run),
            at: number(&at),
            line: text(&line),
        })
    });
    repairs.collect()
}
