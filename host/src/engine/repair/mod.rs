//! Repairing the journal: an operator says for good what differences between it and the files are right.
//!
//! Nothing of the target changes but our journal: one transaction under the lease, which is a run of its own in the history.
//! Each change is a line of its output, with what the journal said before and why that was changed.

mod chosen;
mod sources;
mod steps;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::adopt::{self, Record};
use super::{Engine, Observer, RunError, tenants};
use crate::catalog::Digests;
use crate::database::{self, Access, Moved, Session, Stop};
use crate::journal::{self, RepairRecord};
use chosen::Chosen;

/// How many repairs the overview holds; the history has them all.
const REPAIRS_SHOWN: u32 = 20;

/// What to repair; nothing to only see what differs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RepairOrder {
    /// Applied steps whose changed or renamed files are accepted.
    pub accept: Vec<String>,
    /// Applied steps whose files are gone for good.
    pub remove: Vec<String>,
    /// Whether to write down anew the digests of files that differ in their line ends alone.
    pub normalise: bool,
    /// Whether to move the journal to where a new one would be.
    pub move_journal: bool,
    /// Why; the history shows it.
    pub reason: Option<String>,
}

impl RepairOrder {
    /// Whether it names nothing to repair.
    pub fn is_empty(&self) -> bool {
        self.accept.is_empty() && self.remove.is_empty() && !self.normalise && !self.move_journal
    }

    fn check(&self) -> Result<(), RunError> {
        let is_said = |reason: &&String| !reason.trim().is_empty();
        match self.reason.as_ref().filter(is_said) {
            None if !self.accept.is_empty() || !self.remove.is_empty() => Err(RunError::Refused(
                "a repair is written down for good: say why with `--reason`".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// What was repaired, or differs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Repair {
    /// The run; none when nothing was repaired.
    pub run: Option<i64>,
    /// What was repaired in that run, or else all that differs.
    pub differences: Vec<Difference>,
    /// The schemas from which and to which the journal was moved in that run.
    #[serde(default)]
    pub moved: Option<(String, String)>,
    /// What the operator has to do about it.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A difference between the journal and a file.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// The step, as `NNNN_name`, or the file's path relative to the base.
    pub name: String,
    /// What differs.
    pub what: Differs,
    /// The path that the journal knows it by, when it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The SHA-256 in the journal.
    pub applied: String,
    /// The SHA-256 that a repair writes down; none when the file is gone.
    pub now: Option<String>,
    /// Why it cannot be repaired now, when it cannot.
    pub obstacle: Option<String>,
    /// Whether it is a seed of another environment, whose file is not looked for: nothing is known to differ.
    #[serde(skip)]
    is_elsewhere: bool,
    /// The step's index, or its place in the order.
    #[serde(skip)]
    index: u64,
    /// Its file's name.
    #[serde(skip)]
    file_name: String,
}

/// In what a file differs from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Differs {
    /// It has other contents.
    Changed,
    /// It is gone.
    Missing,
    /// It has another name.
    Renamed,
    /// Its lines end in another way, or it has a byte order mark more or less: it is the same file.
    LineEnds,
}

impl Engine {
    /// Writes down for good which differences between the journal and the files are right; says what differs when the order
    /// names nothing.
    pub async fn repair(
        &self,
        order: &RepairOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Repair, RunError> {
        repair(self, order, observer, stop).await
    }

    /// The newest changes of the journal that operators made.
    pub(super) async fn repairs(&self) -> Result<Vec<RepairRecord>, database::Error> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let repairs = journal::read_repairs(&mut *session, REPAIRS_SHOWN).await?;
        session.rollback().await?;
        Ok(repairs)
    }
}

/// Repairs what the order says, or says what differs.
async fn repair(
    engine: &Engine,
    order: &RepairOrder,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Repair, RunError> {
    order.check()?;
    {
        // Who is refused, or has nothing to do, must not even open the target for writing.
        let mut session = engine.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let mut differences = differences(engine, &mut *session).await?;
        session.rollback().await?;
        if order.is_empty() {
            differences.retain(|difference| !difference.is_elsewhere);
            return Ok(Repair {
                differences,
                ..Repair::default()
            });
        }
        if Chosen::of(order, &differences)?.is_empty() && !order.move_journal {
            return Ok(Repair::default());
        }
    }
    let (mut session, snapshot) = adopt::take_turn(engine, &*observer, stop).await?;
    let differences = differences(engine, &mut *session).await?;
    let chosen = Chosen::of(order, &differences)?;
    let moved = match order.move_journal {
        true => session.move_journal().await?,
        false => None,
    };
    if moved.is_some() {
        let tenancy = engine.options.tenancy.as_ref();
        tenants::refuse_journal_at_tenants(tenancy, &mut *session).await?;
    }
    if chosen.is_empty() && moved.is_none() {
        return Ok(Repair::default());
    }
    // What the target should look like is what the last run left: a repair of the journal says nothing about it.
    let last = snapshot.last_run.as_ref().map(|run| run.id);
    let kept = journal::read_schema(&mut *session).await?;
    let kept = kept.filter(|(run, _)| Some(*run) == last);
    let kept = kept.map(|(_, schema)| schema);
    let begun = Record::begin(&mut *session, journal::REPAIR, &engine.options);
    let mut record = begun.await?;
    match &engine.options.tenancy {
        Some(tenancy) => {
            sources::write(engine, tenancy, &chosen, &mut record, &mut *session).await?
        }
        None => {
            steps::write(engine, &snapshot, &chosen, &mut record, &mut *session, stop).await?;
        }
    }
    let is_abandoned = |difference: &Difference| {
        difference.what == Differs::Missing
            && snapshot.transformations.contains_key(&difference.index)
    };
    let schema = match chosen.iter().any(is_abandoned) {
        // Its columns are gone.
        true => Some(journal::whole_schema(&mut *session).await?),
        false => kept,
    };
    if let Some(Moved { from, to, shut_out }) = &moved {
        let reason = order.reason.iter().map(|reason| format!(": {reason}"));
        let reason: String = reason.collect();
        record.tell(
            None,
            &format!("the journal was moved from the schema {from} to {to}{reason}"),
        );
        for role in shut_out {
            record.tell(None, &shut_out_line(role, to));
        }
    }
    let run = record.commit_with(&mut *session, schema.as_ref()).await?;
    Ok(Repair {
        run: Some(run),
        differences: chosen.into_differences(),
        warnings: moved
            .iter()
            .flat_map(|moved| {
                moved
                    .shut_out
                    .iter()
                    .map(|role| shut_out_line(role, &moved.to))
            })
            .collect(),
        moved: moved.map(|Moved { from, to, .. }| (from, to)),
    })
}

/// Says which role can read the journal no longer.
fn shut_out_line(role: &str, schema: &str) -> String {
    format!(
        "{role} could read the journal and has no right to its new schema: let the owner run `GRANT USAGE ON SCHEMA {schema} \
         TO {role}`"
    )
}

/// All that differs, by files that are all read.
async fn differences(
    engine: &Engine,
    session: &mut dyn Session,
) -> Result<Vec<Difference>, RunError> {
    let digests = Digests::forgetful();
    match &engine.options.tenancy {
        Some(tenancy) => sources::differences(engine, tenancy, &digests, session).await,
        None => steps::differences(engine, &digests, session).await,
    }
}
