//! Taking over a target that was migrated before: by hand, or by another tool.
//!
//! `baseline` writes steps down as applied; `import` does so for those that another tool's own table names, when they are
//! still the files that it ran. Neither runs anything, and nothing of the target changes but our journal: one transaction
//! under the lease, which is a run of its own in the history.

mod baseline;
mod files;
mod import;
mod matching;
mod migrator;
mod record;
mod steps;
mod unadopted;

use serde::{Deserialize, Serialize};

use super::{Engine, Observer, RunError, WAIT_INTERVAL};
use crate::database::{self, Access, Durability, ErrorKind, Session, Stop};
use crate::foreign::Tool;
use crate::journal::{self, LeaseRecord, Snapshot};

pub(super) use baseline::baseline;
pub(super) use import::import;
pub(super) use unadopted::{refuse_unadopted, settle, unadopted};

/// What was written down as applied without being run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Adoption {
    /// The run; none when there was nothing to write down, and in a dry run.
    pub run: Option<i64>,
    /// What was written down, or would be, in its order.
    pub files: Vec<AdoptedFile>,
    /// What its operator ought to know.
    pub remarks: Vec<String>,
}

/// One file that was written down as applied.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AdoptedFile {
    /// The step, as `NNNN_name`, or the file's path relative to the base.
    pub name: String,
    /// For which tenant; none for the target itself.
    pub tenant: Option<String>,
    /// When it was applied, in milliseconds since 1970; none when nobody knows.
    pub applied_at: Option<i64>,
}

/// What to write down as applied.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineOrder {
    /// The last step; none for all of them, 0 for none of them.
    pub through: Option<u32>,
    /// Why; the history shows it.
    pub reason: Option<String>,
    /// Whether only to say what would be written down.
    pub dry_run: bool,
}

/// Whose history to take over.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// The tool.
    pub from: Tool,
    /// Its table; none for the one that it makes by default.
    #[serde(default)]
    pub table: Option<String>,
    /// Whether only to say what would be written down.
    #[serde(default)]
    pub dry_run: bool,
}

/// A session in an open transaction, during which nobody else takes the lease, and what the journal says in it.
async fn take_turn(
    engine: &Engine,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(Box<dyn Session>, Snapshot), RunError> {
    loop {
        if stop.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let lease = engine.snapshot(stop).await?.lease;
        if let Some(lease) = lease.filter(LeaseRecord::is_live) {
            engine.wait_for(lease, observer, stop).await?;
            continue;
        }
        match open(engine, stop).await {
            Ok(Some(turn)) => return Ok(turn),
            Ok(None) => tokio::time::sleep(WAIT_INTERVAL).await,
            Err(error) if error.kind == ErrorKind::Busy => {
                // Another host's long transaction, in which it cannot renew its lease.
                let lease = engine.snapshot(stop).await?.lease;
                let Some(lease) = lease.filter(|lease| !lease.is_known_dead()) else {
                    return Err(error.into());
                };
                engine.wait_for(lease, observer, stop).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// None when somebody has taken the lease since.
async fn open(
    engine: &Engine,
    stop: &Stop,
) -> Result<Option<(Box<dyn Session>, Snapshot)>, database::Error> {
    let mut session = engine.database.open(Access::Write, stop).await?;
    session.begin(Durability::Flushed).await?;
    session.lock_target().await?;
    journal::prepare(&mut *session).await?;
    if !journal::shut_out_the_dead(&mut *session).await? {
        return Ok(None);
    }
    let snapshot = journal::read(&mut *session).await?;
    let is_free = !snapshot.lease.as_ref().is_some_and(LeaseRecord::is_live);
    Ok(is_free.then_some((session, snapshot)))
}
