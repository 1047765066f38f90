//! One step's `migrate` outside a transaction, for statements that refuse to run in one.
//!
//! Each of its statements commits by itself, so that nothing can be rolled back: the journal learns that the step was
//! started before the first, and that it is done after the last. In between, a crash leaves it started, and it runs
//! again from its beginning.

use std::collections::BTreeSet;

use super::{Interruption, Loaded, Run, cancelled};
use crate::database::{Durability, Error};
use crate::engine::event::Event;
use crate::engine::failure::{Blame, Failure};
use crate::engine::program::{Program, section};
use crate::engine::recover::{self, Lost};
use crate::engine::transaction::{Ran, StepTransaction};
use crate::journal::{self, Lease, Phase};

impl Run<'_> {
    pub(super) async fn try_migrate_outside(
        &mut self,
        loaded: &Loaded,
        attempt: u32,
    ) -> Result<(), Interruption> {
        let label = &loaded.step.label;
        let failed = |failure: Failure| Interruption::Failed(failure.of(label, Phase::Migrate));
        let was_started = self.record_of(loaded).is_some();
        if was_started {
            self.context.observer.notify(&Event::Warning {
                message: format!(
                    "{label} runs outside a transaction and was cut off before: it runs again from its beginning"
                ),
            });
        }
        let mut transaction = self
            .begin(
                Durability::Flushed,
                &loaded.step,
                Phase::Migrate,
                loaded.rows,
                attempt,
            )
            .await
            .map_err(failed)?;
        let result = match start(&mut transaction, &self.lease).await {
            Ok(known) => {
                let known = if was_started { BTreeSet::new() } else { known };
                let (result, back) = self.perform_outside(loaded, transaction, &known).await;
                transaction = back;
                result
            }
            Err(error) => Err(Failure::from_database(error)),
        };
        let result = match result {
            Ok(()) => finish(&mut transaction, &self.lease).await,
            Err(failure) => Err(failure),
        };
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => {
                let failure = Failure {
                    is_kept: true,
                    ..failure.of(label, Phase::Migrate)
                };
                Err(self.write_failure(&mut transaction, failure).await)
            }
        };
        self.take_back(transaction);
        result
    }

    /// Runs the statements of one phase of the step, and looks at what they left. `known` are the indexes that were invalid before.
    pub(super) async fn perform_outside(
        &self,
        loaded: &Loaded,
        mut transaction: StepTransaction,
        known: &BTreeSet<String>,
    ) -> (Result<(), Failure>, StepTransaction) {
        let begun = async {
            let session = &mut transaction.session;
            session.begin_read().await?;
            let before = journal::fingerprint(&mut **session, &self.lease, None, None).await?;
            session.rollback().await?;
            session.begin_without_transaction().await?;
            self.lease.demand_held(&mut **session).await?;
            crate::database::Result::Ok(before)
        };
        let before = match begun.await {
            Ok(before) => before,
            Err(error) => return (Err(Failure::from_database(error)), transaction),
        };
        let (mut result, mut transaction) =
            loaded.perform(self.engine, transaction, &self.stop).await;
        if self.stop.is_cancelled() {
            result = Err(cancelled());
        }
        let looked = recover::look_after_step(
            &mut *transaction.session,
            &self.lease,
            Lost::OfRun,
            &self.stop,
            async |session| {
                session.begin_read().await?;
                let invalid = session.invalid_indexes().await?;
                let after = journal::fingerprint(session, &self.lease, None, Some(&before)).await?;
                session.rollback().await?;
                Ok((invalid, after))
            },
        );
        let (invalid, after) = match looked.await {
            Ok(looked) => looked,
            Err(error) => return (Err(not_looked_at(result, error)), transaction),
        };
        let left: Vec<&str> = invalid
            .iter()
            .filter(|index| !known.contains(*index) && may_be_of(loaded, transaction.phase, index))
            .map(String::as_str)
            .collect();
        if !left.is_empty() {
            result = Err(name_invalid(result, &left));
        }
        if !before.is_kept_in(&after) {
            result = Err(tampered_outside());
        }
        (result, transaction)
    }
}

/// Writes down that the step is about to run, and returns the indexes that are invalid already.
async fn start(
    transaction: &mut StepTransaction,
    lease: &Lease,
) -> crate::database::Result<BTreeSet<String>> {
    let known = transaction.session.invalid_indexes().await?;
    transaction.commit_started(lease, Ran::Nothing).await?;
    transaction.is_outside = true;
    Ok(known.into_iter().collect())
}

async fn finish(transaction: &mut StepTransaction, lease: &Lease) -> Result<(), Failure> {
    let durability = Durability::Deferred;
    transaction
        .session
        .begin(durability)
        .await
        .map_err(Failure::from_database)?;
    let committed = transaction.commit_migrated(lease, Ran::Nothing).await;
    committed.map_err(Failure::from_database)
}

/// The failure of a step after which nobody could look at the journal.
pub(in crate::engine) fn not_looked_at(result: Result<(), Failure>, error: Error) -> Failure {
    let failure = result
        .err()
        .unwrap_or_else(|| Failure::from_database(error));
    Failure {
        message: format!(
            "{}; whether the step has changed the journal could not be looked at afterwards",
            failure.message
        ),
        ..failure
    }
}

/// The journal is another one after a step that nothing can roll back.
pub(in crate::engine) fn tampered_outside() -> Failure {
    Failure::new(
        "database",
        Blame::Step,
        "the step tampered with the host: it changed the journal, which belongs to the host, or the database or the role as a \
         whole (rights, settings); what it did outside a transaction cannot be rolled back: restore the tables that begin with \
         `wasmigrate_` from a backup, or take the rights and settings back",
    )
}

/// Whether an index may be one that the step makes: a component's text does not tell.
pub(in crate::engine) fn may_be_of(loaded: &Loaded, phase: Phase, index: &str) -> bool {
    let name = index.rsplit('.').next().unwrap_or(index);
    match &loaded.program {
        Program::Sql(sql) => {
            section(sql, phase).is_some_and(|section| section.text.contains(name.trim_matches('"')))
        }
        Program::Component(_) | Program::Transformation(_) => true,
    }
}

/// Names the invalid indexes that a step left behind, with or without another failure.
pub(in crate::engine) fn name_invalid(result: Result<(), Failure>, left: &[&str]) -> Failure {
    let message = format!(
        "it left an invalid index behind, which costs at every write and serves no query: {}",
        left.join(", ")
    );
    let drops: Vec<String> = left
        .iter()
        .map(|index| format!("DROP INDEX CONCURRENTLY {index}"))
        .collect();
    let advice = format!("before the next try: {}", drops.join("; "));
    match result {
        Ok(()) => Failure::new("database", Blame::Step, format!("{message}; {advice}")),
        Err(failure) => Failure {
            message: format!("{}; {message}; {advice}", failure.message),
            ..failure
        },
    }
}
