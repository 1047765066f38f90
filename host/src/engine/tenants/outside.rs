//! A file that runs outside a transaction, for one tenant.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::finish;
use super::forged::is_forged;
use super::owners;
use super::shared::lock;
use super::work::Task;
use super::worker::Worker;
use crate::database::{Durability, Session, quote};
use crate::engine::failure::Failure;
use crate::engine::recover;
use crate::engine::runner::outside::{may_be_of, name_invalid, not_looked_at, tampered_outside};
use crate::journal::{self, AppliedRecord, Fenced, Fingerprint, Phase};

/// What the journal held at a look.
struct JournalSeen {
    /// What workers write.
    rows: Vec<AppliedRecord>,
    /// All else.
    fingerprint: Fingerprint,
}

impl Worker<'_> {
    /// Runs a file outside a transaction: it is written down as started first, and its session has a transaction again
    /// afterwards.
    pub(super) async fn outside(
        &self,
        context: &Arc<crate::engine::step_output::RunContext>,
        mut session: Box<dyn Session>,
        task: &Task,
        attempt: u32,
    ) -> (Result<(Task, AppliedRecord), Failure>, Box<dyn Session>) {
        let tenancy = self.shared.tenancy;
        let mut record = tenancy.record(task);
        let was_started = task.record.is_some();
        let started = async {
            // Of one that was cut off, what it left is its own.
            let known = match was_started {
                true => BTreeSet::new(),
                false => self.invalid_indexes(&mut *session, task).await?,
            };
            let mut fenced = Fenced::join(&mut *session, &self.lease).await?;
            if !was_started {
                journal::write_applied(fenced.session(), std::slice::from_ref(&record)).await?;
            }
            fenced.commit().await?;
            session.begin_read().await?;
            owners::check_again(tenancy, &mut *session, std::iter::once(task)).await?;
            let before = self.look_at_journal(&mut *session, None).await?;
            session.rollback().await?;
            session.begin_without_transaction().await?;
            self.lease.demand_held(&mut *session).await?;
            crate::database::Result::Ok((known, before))
        };
        let (known, before) = match started.await {
            Ok(started) => started,
            Err(error) => return (Err(Failure::from_database(error)), session),
        };
        lock(&self.shared.committed).insert((task.file, task.tenant), Some(record.clone()));
        let task = Task {
            record: Some(record.clone()),
            ..task.clone()
        };
        let migrate = Task {
            phases: &[Phase::Migrate],
            ..task.clone()
        };
        let performed = tenancy
            .perform_outside(context, session, &migrate, attempt, &self.stop)
            .await;
        session = performed.session;
        let kept = |failure: Failure| Failure {
            is_kept: true,
            ..failure
        };
        let mut result = performed.result.map(|_| ());
        let looked = recover::look_after_step(
            &mut *session,
            &self.lease,
            self.lost(),
            &self.stop,
            async |session| {
                session.begin(Durability::Deferred).await?;
                let invalid = self.invalid_indexes(session, &task).await?;
                let after = self.look_at_journal(session, Some(&before)).await?;
                Ok((invalid, after))
            },
        );
        match looked.await {
            Ok((_, after)) if self.is_other(&before, &after, &record.tenant) => {
                let failure = tampered_outside();
                result = Err(tenancy.say(failure, &task, Phase::Migrate, &self.stop));
            }
            Ok((invalid, _)) => {
                let left: Vec<&str> = invalid.difference(&known).map(String::as_str).collect();
                if !left.is_empty() {
                    let failure = name_invalid(result, &left);
                    result = Err(tenancy.say(failure, &task, Phase::Migrate, &self.stop));
                }
            }
            Err(error) => result = Err(not_looked_at(result, error)),
        }
        if let Err(failure) = result {
            return (Err(kept(failure)), session);
        }
        let rest = match task.phases {
            [Phase::Migrate, rest @ ..] => rest,
            rest => rest,
        };
        tenancy.announced.done(&record);
        finish(&mut record, &[Phase::Migrate], tenancy.run());
        if !rest.is_empty() {
            let finalize = Task {
                phases: rest,
                record: Some(record.clone()),
                ..task.clone()
            };
            let performed = tenancy
                .perform(context, session, &finalize, attempt, &self.stop)
                .await;
            session = performed.session;
            match performed.result {
                Ok(finalized) => record = finalized,
                Err(failure) => return (Err(kept(failure)), session),
            }
        }
        (Ok((task, record)), session)
    }

    /// What the journal holds: before a file runs, and after. What others had started before, they may end meanwhile.
    async fn look_at_journal(
        &self,
        session: &mut dyn Session,
        before: Option<&JournalSeen>,
    ) -> crate::database::Result<JournalSeen> {
        let run = self.lease.run;
        let rows = journal::read_applied_beside(session, run).await?;
        let then = before.map_or(&rows, |before| &before.rows).iter();
        let beside = then.filter(|row| row.run != run).map(|row| row.id);
        let beside: Vec<i64> = beside.collect();
        let fingerprint = {
            let before = before.map(|before| &before.fingerprint);
            journal::fingerprint(session, &self.lease, Some(&beside), before).await?
        };
        Ok(JournalSeen { rows, fingerprint })
    }

    fn is_other(&self, before: &JournalSeen, after: &JournalSeen, tenant: &str) -> bool {
        let announced = &self.shared.tenancy.announced;
        !before.fingerprint.is_kept_in(&after.fingerprint)
            || is_forged(&before.rows, &after.rows, tenant, announced)
    }

    /// The invalid indexes that a file may have made: those that it names, where its tenant is. Others work beside it.
    async fn invalid_indexes(
        &self,
        session: &mut dyn Session,
        task: &Task,
    ) -> crate::database::Result<BTreeSet<String>> {
        let tenancy = self.shared.tenancy;
        let tenant = tenancy.tenant(task);
        let schemas = tenant.map(|tenant| [tenant.schema.clone(), quote(&tenant.schema)]);
        let is_here = |index: &str| {
            let Some(schemas) = &schemas else { return true };
            let is_in = |schema: &String| {
                let rest = index.strip_prefix(schema.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            schemas.iter().any(is_in)
        };
        let loaded = tenancy.loaded.get(&task.file);
        let mut invalid = session.invalid_indexes().await?;
        invalid.retain(|index| {
            is_here(index) && loaded.is_some_and(|loaded| may_be_of(loaded, Phase::Migrate, index))
        });
        Ok(invalid.into_iter().collect())
    }
}
