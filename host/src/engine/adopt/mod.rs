//! Taking over a target that was migrated before: by hand, or by another tool.
//!
//! `baseline` writes steps down as applied; `import` does so for those that another tool's own table names, when they are
//! still the files that it ran. Neither runs anything, and nothing of the target changes but our journal: one transaction
//! under the lease, which is a run of its own in the history.

mod ahead;
mod baseline;
mod files;
mod findings;
mod import;
mod matching;
mod migrator;
mod record;
mod request;
mod settled;
mod steps;
mod unadopted;

use serde::{Deserialize, Serialize};

use super::acquire::{self, Job, Locked, Turn};
use super::step_reference::StepReference;
use super::{Engine, Observer, RunError};
use crate::database::{Session, Stop};
use crate::foreign::Tool;
use crate::journal::{self, LeaseRecord, Pause, Snapshot};

pub(super) use baseline::baseline;
pub(super) use import::import;
pub(super) use record::Record;
pub(super) use unadopted::{refuse_other_list, refuse_unadopted, settle, unadopted};

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
    /// The last step; none for all of them. 0 is none of them, unless there is a step 0; so is `none`.
    pub through: Option<StepReference>,
    /// Why; the history shows it.
    pub reason: Option<String>,
    /// Whether only to say what would be written down.
    pub dry_run: bool,
    /// Whether steps may be left out that come before one that is written down.
    pub out_of_order: bool,
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
    /// Whether steps may be left out that come before one that is written down.
    #[serde(default)]
    pub out_of_order: bool,
}

/// A change of the journal alone, of which the caller finds out under the lock whether there is any.
struct Change<'e>(&'e Engine);

impl Job for Change<'_> {
    type Found = Snapshot;
    type Refusal = RunError;

    async fn look(&mut self, session: &mut dyn Session) -> Result<Snapshot, RunError> {
        Ok(journal::read(session).await?)
    }

    fn pause(found: &Snapshot) -> Option<&Pause> {
        found.pause.as_ref()
    }

    fn lease(found: &Snapshot) -> Option<&LeaseRecord> {
        found.lease.as_ref()
    }

    fn wants(&mut self, _found: &Snapshot) -> Result<bool, RunError> {
        Ok(true)
    }

    async fn permit(&mut self, _found: &Snapshot) -> Result<(), RunError> {
        Ok(())
    }

    fn waits(&self) -> bool {
        self.0.options.wait
    }
}

/// A session in an open transaction, during which nobody else takes the lease, and what the journal says in it.
pub(super) async fn take_turn(
    engine: &Engine,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<(Box<dyn Session>, Snapshot), RunError> {
    match acquire::lock(engine, &mut Change(engine), observer, stop).await? {
        Turn::Locked(Locked { session, found }) => Ok((session, found)),
        Turn::Nothing(_) => Err(RunError::Refused("there is nothing to do".to_owned())),
    }
}
