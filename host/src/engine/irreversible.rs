//! Steps that cannot be undone, found before anything is.
//!
//! SQL says it by having no reset section, and a component by `has-reset`, which those that were built against 0.1 of the
//! contract have not. But a `reset` that gives up without having asked the database anything gives up whatever the database
//! holds. So it is called once on an empty database of its own, which changes nothing and shows it for components of every age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::failure::{Blame, Failure};
use super::loaded::Loaded;
use super::nowhere::nowhere;
use super::program::Program;
use super::transaction::StepTransaction;
use crate::database::Stop;
use crate::journal::Phase;
use crate::sandbox::Phases;

/// How long a `reset` may take to give up.
const DEADLINE: Duration = Duration::from_secs(2);

/// Why a file of sources is not undone outside a transaction.
pub(super) const ONE_BY_ONE: &str = "what undoes it refuses a transaction, or asks for none, and files of sources are reset in \
                                     transactions alone (write it without CONCURRENTLY)";

/// Refuses a step that has no reset. `settings` are those with which it would be reset.
pub(super) async fn refuse(
    engine: &Engine,
    loaded: &Loaded,
    settings: &Arc<BTreeMap<String, String>>,
    stop: &Stop,
) -> Result<(), Failure> {
    if let Some(failure) = &loaded.bars_reset {
        let message = format!("{}; nothing was reset", failure.message);
        return Err(Failure {
            code: "refused".to_owned(),
            message,
            ..failure.clone()
        });
    }
    let why = match &loaded.program {
        // What it did the host has done, and can undo.
        Program::Transformation(_) => None,
        Program::Sql(sql) if sql.is_undone_outside && engine.options.tenancy.is_some() => {
            Some(format!("{ONE_BY_ONE}, so that"))
        }
        Program::Sql(sql) => {
            let is_irreversible =
                loaded.program.has(Phase::Migrate) && !loaded.program.has(Phase::Reset);
            let why = match sql.reset_is_empty {
                true => {
                    "what undoes it has no statement (write `SELECT 1;` there if there is nothing to undo), so that"
                }
                false => "it has no section `-- wasmigrate:reset`, so that",
            };
            is_irreversible.then(|| why.to_owned())
        }
        Program::Component(_) => lacking(engine, loaded, settings, stop).await?,
    };
    match why {
        None => Ok(()),
        Some(why) => Err(Failure::new(
            "refused",
            Blame::Step,
            format!("{why} what it did cannot be undone; nothing was reset"),
        )
        .of(&loaded.step.label, Phase::Reset)),
    }
}

/// What is said of a step that was begun and is not done.
pub(super) fn half_done(label: &str) -> String {
    format!(
        "{label} was begun and is not done: `migrate` runs it to its end, with `--allow-changed` after its file was corrected to \
         what is left to do; `reset` undoes it, if it has a reset; or take its file away, and `wasmigrate repair --remove {label} \
         --reason …` forgets it"
    )
}

/// Why a component cannot be undone, by its own word; none when it does not say so.
async fn lacking(
    engine: &Engine,
    loaded: &Loaded,
    settings: &Arc<BTreeMap<String, String>>,
    stop: &Stop,
) -> Result<Option<String>, Failure> {
    let deadline = DEADLINE.min(engine.deadline());
    let (session, context) = nowhere(Arc::clone(settings), deadline, stop).await?;
    let transaction =
        StepTransaction::open(&context, session, &loaded.step, Phase::Reset, None, 1, None);
    stop.set_deadline(Some(deadline));
    let sandbox = engine.started_sandbox();
    let program = &loaded.program;
    let (phases, transaction) = program.phases(sandbox, transaction, stop).await;
    let (why, mut transaction) = match phases {
        Some(Phases { reset: false, .. }) => {
            (Some("it has no reset, so that".to_owned()), transaction)
        }
        _ => match program.perform(sandbox, transaction, stop).await {
            (Err(failure), transaction) if gives_up(&failure, &transaction) => {
                let why = format!("it says \"{}\", so that", failure.message);
                (Some(why), transaction)
            }
            // What it is, the reset itself will show.
            (_, transaction) => (None, transaction),
        },
    };
    stop.set_deadline(None);
    let rolled_back = transaction.session.rollback().await;
    rolled_back.map_err(Failure::from_database)?;
    Ok(why)
}

/// Whether a `reset` has failed by itself, whatever the database holds.
fn gives_up(failure: &Failure, transaction: &StepTransaction) -> bool {
    failure.code == "failed" && !failure.retryable && !transaction.has_asked
}
