//! A run that is cut off at a point, and the next one that continues it.

use std::sync::Arc;

use super::super::declarations::Declarations;
use super::super::injection::InjectionPlan;
use super::super::injector::FaultInjector;
use super::super::points::{Point, Seen};
use super::super::snapshot::{Words, differences};
use super::super::trial::{Trial, snapshot};
use super::super::{Error, parallel};
use super::{Case, told};
use crate::database::{Access, Database, Durability, SequenceState, Stop};
use crate::engine::Command;

const WORDS: Words = Words {
    extra: "is there only after a crash",
    missing: "is missing after a crash",
};

/// Continues a run that was cut off, to the end; says what is not as if nothing had happened.
pub(super) fn ends_differently(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    database: &Arc<dyn Database>,
) -> Result<Option<String>, Error> {
    if let Err(stumble) = trial.run(Arc::clone(database), Command::Finalize) {
        return Ok(Some(stumble.message));
    }
    let found = snapshot(&**database)?;
    let mut different = differences(&case.undisturbed.finalized, &found, WORDS);
    case.except_incomparable(trial, declarations, &mut different)?;
    Ok((!different.is_empty()).then(|| told(&different)))
}

/// Lets a host die after a point, and the next one take over. Returns what was seen until then.
pub(super) fn cut_off(
    trial: &Trial<'_>,
    database: &Arc<dyn Database>,
    number: usize,
    point: &Point,
    commands: &[Command],
) -> Result<Seen, Error> {
    let plan = InjectionPlan {
        death: Some((number, point.clone())),
        ..InjectionPlan::default()
    };
    let injector = FaultInjector::new(Arc::clone(database), plan);
    for command in commands {
        // It ends as runs of dead hosts do.
        let _ = trial.run(Arc::clone(&injector) as _, *command);
    }
    let seen = injector.seen();
    if let Some(sequences) = seen
        .sequences
        .as_ref()
        .filter(|sequences| !sequences.is_empty())
    {
        parallel::wait(set_back(&**database, sequences))?
            .map_err(|error| Error::Setup(format!("cannot set sequences back: {error}")))?;
    }
    trial.take_over(Arc::clone(database))?;
    Ok(seen)
}

/// Sets sequences to where they stood at the last commit. The numbers that a lost transaction took are gaps, which are the
/// database's way and no fault of the step.
async fn set_back(
    database: &dyn Database,
    sequences: &[SequenceState],
) -> crate::database::Result<()> {
    let mut session = database.open(Access::Write, &Stop::default()).await?;
    session.begin(Durability::Deferred).await?;
    session.set_sequences(sequences).await?;
    session.commit_throwaway().await
}
