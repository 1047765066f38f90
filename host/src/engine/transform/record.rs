//! What the journal keeps of a transformation that was begun.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::database::{Session, Watched};
use crate::engine::failure::{Blame, Failure};
use crate::journal::TransformationRecord;
use crate::sandbox::Transformation;

/// The record as it is written.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    description: Transformation,
    /// The capture as it was set up; none in records of earlier versions.
    #[serde(default)]
    watched: Option<Watched>,
}

/// What a transformation said of itself when it was begun.
pub(super) fn recorded(record: &TransformationRecord) -> Result<Transformation, Failure> {
    Ok(read(&record.description)?.description)
}

fn read(text: &str) -> Result<Record, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the journal's description of the transformation: {error}");
        Failure::new("host", Blame::Host, message)
    })
}

/// The record of a transformation whose capture was just set up.
pub(super) async fn write(
    session: &mut dyn Session,
    plan: &Plan,
) -> crate::database::Result<String> {
    let transforming = session.server().transforming;
    let record = Record {
        description: plan.description.clone(),
        watched: Some(transforming.watched(session, &plan.table).await?),
    };
    Ok(serde_json::to_string(&record).unwrap_or_default())
}

/// A capture that was watching all the time since it was set up.
pub(super) struct Watch {
    /// The parts of the table that have come since.
    pub(super) new_parts: BTreeSet<String>,
    /// The record of the transformation, once the rows of these were gone through.
    pub(super) record: String,
}

/// Refuses to rely on a capture that was not watching all the time since it was set up: what changed meanwhile was not
/// computed, and nobody knows which rows that were.
pub(super) async fn demand_watch(
    session: &mut dyn Session,
    plan: &Plan,
    record: &str,
) -> Result<Watch, Failure> {
    let watch = watch(session, plan, record).await?;
    watch.ok_or_else(|| unwatched(plan))
}

/// The same; none when changes were not captured all the time.
pub(super) async fn watch(
    session: &mut dyn Session,
    plan: &Plan,
    record: &str,
) -> Result<Option<Watch>, Failure> {
    let transforming = session.server().transforming;
    let now = transforming.watched(session, &plan.table).await;
    let now = now.map_err(Failure::from_database)?;
    let then = read(record)?;
    let (is_unbroken, new_parts) = match &then.watched {
        Some(watched) => (watched.is_unbroken_until(&now), watched.new_parts(&now)),
        None => (now.is_complete, BTreeSet::new()),
    };
    Ok(is_unbroken.then(|| {
        let gone_through = Record {
            watched: Some(now),
            ..then
        };
        Watch {
            new_parts,
            record: serde_json::to_string(&gone_through).unwrap_or_default(),
        }
    }))
}

/// Why nothing can be cut over of a table whose changes were not captured all the time.
pub(super) fn unwatched(plan: &Plan) -> Failure {
    Failure::new(
        "failed",
        Blame::Operator,
        format!(
            "changes of the table {} were not noticed all the time since the step began: a trigger `capture_of_step_{}_…` was \
             dropped, disabled or made anew (by DISABLE TRIGGER, a rebuild of the table, a column of another name or one that was added again, or a partition \
             that was detached and attached again), so that rows may have values that are out of date; nothing was dropped. \
             `wasmigrate migrate --restart` computes all rows anew; after a migrate that was done, `wasmigrate reset` and \
             `wasmigrate migrate` do",
            plan.table.name, plan.table.index
        ),
    )
}
