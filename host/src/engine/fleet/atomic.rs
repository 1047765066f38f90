//! All tenants in one transaction.
//!
//! On PostgreSQL it is one. Where each tenant has a file of its own, all of their transactions stay open until every one of
//! them could be committed, and are then committed one after the other, the target's own last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::batch::Batch;
use super::crew::{Crew, finish, outcome_of};
use super::drive::{concerned, end};
use super::ledger::Ledger;
use super::teller::Teller;
use super::work::{Piece, Stage, Work};
use super::{FileFailure, Tenant, sources};
use crate::database::{Access, Authority, Durability, JOURNAL_PREFIX, Kind, Session, quote};
use crate::engine::failure::{Blame, Failure};
use crate::engine::retries::await_next_try;
use crate::engine::run_output::RunOutput;
use crate::engine::transaction::RunContext;
use crate::journal::{self, AttemptRecord, Lease, Outcome};

/// What failed, and the piece that it is of, where there is one.
pub(super) type Failed = (Option<Piece>, Failure);

/// One of the databases that a run changes together.
struct Place {
    /// None while a file has it.
    session: Option<Box<dyn Session>>,
    ledger: Ledger,
    /// None in a dry run.
    lease: Option<Lease>,
}

/// The transactions of one try.
pub(super) struct Atomic<'a> {
    crew: &'a Crew<'a>,
    work: Work,
    new_tenant: Option<&'a str>,
    /// The target, or the target (0) and its tenants (their numbers and 1).
    places: BTreeMap<usize, Place>,
    contexts: BTreeMap<Option<usize>, Arc<RunContext>>,
    output: Arc<RunOutput>,
}

/// Runs all stages in one transaction, with as many tries as it is worth, and ends the run.
pub(super) async fn run(
    crew: &Crew<'_>,
    session: Box<dyn Session>,
    work: Work,
    new_tenant: Option<&str>,
    stages: &[Stage],
    lease: &Lease,
    output: &Arc<RunOutput>,
) -> Result<(), (Outcome, FileFailure)> {
    let mut session = session;
    let mut attempt = 1;
    let mut failures: Vec<AttemptRecord> = Vec::new();
    loop {
        let began_at = journal::now();
        let mut atomic = Atomic::new(crew, session, work, new_tenant);
        atomic.output = Arc::clone(output);
        let tried = atomic.all(stages, attempt, lease, &failures).await;
        let Err((piece, failure)) = tried else {
            return Ok(());
        };
        output.rolled_back();
        session = match atomic.take_session() {
            Some(session) => session,
            None => return Err((Outcome::Interrupted, named(crew, piece, failure))),
        };
        if failure.is_lost_connection() && was_committed(&mut *session, lease).await {
            return Ok(());
        }
        if let Some(piece) = &piece {
            failures.extend(crew.attempt(piece, attempt, began_at, &failure));
        }
        let pause = crew.engine.options.retries.pause(&failure, attempt);
        let Some(pause) = pause.filter(|_| !crew.stop.is_cancelled()) else {
            let outcome = outcome_of(&failure);
            write_failures(&mut *session, &failures, lease).await;
            end(&mut *session, lease, output, outcome, Some(&failure)).await;
            return Err((outcome, named(crew, piece, failure)));
        };
        attempt += 1;
        let step = failure.step.as_deref().unwrap_or_default();
        // A run that is stopped meanwhile is found to be at the next try.
        await_next_try(&*crew.observer, step, &failure, attempt, pause, crew.stop).await;
    }
}

/// Whether a run's only transaction came through although its connection was lost.
async fn was_committed(session: &mut dyn Session, lease: &Lease) -> bool {
    let looked = async {
        session.rollback().await?;
        session.begin(Durability::Deferred).await?;
        journal::end_lost_transactions(session, lease.run).await?;
        let runs = journal::read_runs(session, lease.run + 1, 1).await?;
        session.rollback().await?;
        crate::database::Result::Ok(runs)
    };
    let looked = looked.await;
    looked.is_ok_and(|runs| {
        runs.iter()
            .any(|run| run.id == lease.run && run.outcome == Some(Outcome::Done))
    })
}

pub(super) async fn write_failures(
    session: &mut dyn Session,
    failures: &[AttemptRecord],
    lease: &Lease,
) {
    let written = async {
        session.rollback().await?;
        session.begin(Durability::Deferred).await?;
        for failure in failures {
            journal::write_failure(session, failure).await?;
        }
        lease.fence(session).await?;
        session.commit().await
    };
    let written: crate::database::Result<()> = written.await;
    if let Err(error) = written {
        tracing::warn!(
            "why run {} failed could not be written down: {error}",
            lease.run
        );
    }
}

/// The failure with its file and tenant.
pub(super) fn named(crew: &Crew<'_>, piece: Option<Piece>, failure: Failure) -> FileFailure {
    match piece {
        Some(piece) => crew.file_failure(&piece, failure),
        None => crew.unnamed(failure),
    }
}

impl<'a> Atomic<'a> {
    /// Nothing is begun yet, but in a dry run, whose transaction is open.
    pub(super) fn new(
        crew: &'a Crew<'a>,
        session: Box<dyn Session>,
        work: Work,
        new_tenant: Option<&'a str>,
    ) -> Self {
        let target = Place {
            session: Some(session),
            ledger: Ledger::default(),
            lease: crew.lease.clone(),
        };
        Self {
            crew,
            work,
            new_tenant,
            places: BTreeMap::from([(0, target)]),
            contexts: BTreeMap::new(),
            output: Arc::default(),
        }
    }

    /// The target's session.
    fn take_session(&mut self) -> Option<Box<dyn Session>> {
        self.places.remove(&0)?.session
    }

    async fn all(
        &mut self,
        stages: &[Stage],
        attempt: u32,
        lease: &Lease,
        failures: &[AttemptRecord],
    ) -> Result<(), Failed> {
        let begun = self.session(0)?.begin(Durability::Flushed).await;
        begun.map_err(of_nobody)?;
        self.perform(stages, attempt).await?;
        self.look().await?;
        if self.crew.stop.is_cancelled() {
            return Err((None, cancelled()));
        }
        self.write(stages, lease, failures)
            .await
            .map_err(of_nobody)?;
        for place in self.places.values_mut().rev() {
            if let Some(session) = &mut place.session {
                session.commit().await.map_err(of_nobody)?;
            }
        }
        self.output.committed();
        Ok(())
    }

    /// Runs all pieces.
    pub(super) async fn perform(&mut self, stages: &[Stage], attempt: u32) -> Result<(), Failed> {
        self.add_tenant().await.map_err(|failure| (None, failure))?;
        let mut teller = Teller::new(self.crew, attempt, concerned(stages).len());
        let pieces: Vec<&Piece> = stages.iter().flatten().collect();
        let mut rest = pieces.as_slice();
        while let Some(piece) = rest.first() {
            let (done, performed) = match self.batch(rest) {
                Some(batch) => (batch.len(), self.together(&batch, &mut teller).await),
                None => {
                    teller.begins(piece);
                    let performed = self.piece(piece, attempt).await;
                    (
                        1,
                        performed.map_err(|failure| (Some((*piece).clone()), failure)),
                    )
                }
            };
            if let Err((piece, failure)) = performed {
                teller.ended(outcome_of(&failure));
                return Err((piece, failure));
            }
            rest = rest.get(done..).unwrap_or_default();
        }
        teller.ended(Outcome::Done);
        Ok(())
    }

    /// The next pieces, when they are SQL for the target's own session.
    fn batch<'p>(&self, rest: &[&'p Piece]) -> Option<Batch<'p>> {
        if self.work == Work::Sync {
            return None;
        }
        let is_here = |piece: &Piece| match self.crew.tenant(piece) {
            Some(tenant) => self.crew.engine.database.tenant(&tenant.name).is_none(),
            None => true,
        };
        Batch::next(self.crew, rest, is_here)
    }

    /// Runs SQL of several pieces without waiting for each.
    async fn together(&mut self, batch: &Batch<'_>, teller: &mut Teller<'_>) -> Result<(), Failed> {
        let contexts: Vec<_> = batch.pieces().map(|piece| self.context(piece)).collect();
        let Some(place) = self.places.get_mut(&0) else {
            return Err((None, no_session()));
        };
        let Some(session) = &mut place.session else {
            return Err((None, no_session()));
        };
        let records = batch
            .perform(self.crew, &contexts, &mut **session, &mut |piece| {
                teller.begins(piece);
            })
            .await?;
        for (piece, record) in batch.pieces().zip(records) {
            place.ledger.note(piece, record);
        }
        Ok(())
    }

    fn context(&mut self, piece: &Piece) -> Arc<RunContext> {
        match self.contexts.get(&piece.tenant) {
            Some(context) => Arc::clone(context),
            None => {
                let context = self.crew.context(self.crew.tenant(piece), &self.output);
                self.contexts.insert(piece.tenant, Arc::clone(&context));
                context
            }
        }
    }

    async fn piece(&mut self, piece: &Piece, attempt: u32) -> Result<(), Failure> {
        if self.crew.stop.is_cancelled() {
            return Err(cancelled());
        }
        let number = self.place(piece).await?;
        if self.work == Work::Sync {
            let mut record = self.crew.record(piece);
            finish(&mut record, piece.phases, self.crew.run());
            if let Some(place) = self.places.get_mut(&number) {
                place.ledger.note(piece, record);
            }
            return Ok(());
        }
        let context = self.context(piece);
        let Some(place) = self.places.get_mut(&number) else {
            return Err(no_session());
        };
        let session = place.session.take().ok_or_else(no_session)?;
        let performed = self
            .crew
            .perform(&context, session, piece, attempt, self.crew.stop)
            .await;
        place.session = Some(performed.session);
        place.ledger.note(piece, performed.result?);
        Ok(())
    }

    /// The place that a piece changes, with its transaction open.
    async fn place(&mut self, piece: &Piece) -> Result<usize, Failure> {
        let Some(tenant) = self.crew.tenant(piece) else {
            return Ok(0);
        };
        let Some(database) = self.crew.engine.database.tenant(&tenant.name) else {
            return Ok(0);
        };
        let number = piece.tenant.map_or(0, |tenant| tenant + 1);
        if self.places.contains_key(&number) {
            return Ok(number);
        }
        let opened = async {
            let lease = self.crew.lease.as_ref().map(Lease::for_tenant);
            let access = match lease {
                Some(_) => Access::Write,
                None => Access::Rehearsal,
            };
            let mut session = database.open(access, self.crew.stop).await?;
            if let Some(lease) = &lease {
                enter(&mut *session, lease).await?;
            }
            session.begin(Durability::Flushed).await?;
            crate::database::Result::Ok(Place {
                session: Some(session),
                ledger: Ledger::default(),
                lease,
            })
        };
        let place = opened.await.map_err(Failure::from_database)?;
        self.places.insert(number, place);
        Ok(number)
    }

    /// Makes the schema of the new tenant, and adds it to the operator's list.
    async fn add_tenant(&mut self) -> Result<(), Failure> {
        let Some(name) = self.new_tenant else {
            return Ok(());
        };
        let crew = self.crew;
        let schema = crew
            .tenants
            .last()
            .map(|tenant: &Tenant| quote(&tenant.schema));
        let session = self.session(0).map_err(|(_, failure)| failure)?;
        let added = async {
            session.enter_schema(None).await?;
            if let Some(schema) = schema.filter(|_| session.server().kind == Kind::Postgres) {
                let statement = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
                session.execute(Authority::Step, &statement, &[]).await?;
            }
            if let Some(insert) = &crew.options.tenant_insert {
                session
                    .execute(Authority::Step, insert, &[name.into()])
                    .await?;
            }
            Ok(())
        };
        added.await.map_err(|error| {
            let failure = Failure::from_database(error);
            Failure {
                message: format!("the tenant `{name}` cannot be added: {}", failure.message),
                ..failure
            }
        })
    }

    /// Looks at what all files did, as before every commit.
    pub(super) async fn look(&mut self) -> Result<(), Failed> {
        for place in self.places.values_mut() {
            if let Some(session) = &mut place.session {
                session.verify().await.map_err(of_nobody)?;
                session.settle().await.map_err(of_nobody)?;
            }
        }
        Ok(())
    }

    /// Writes into the open transactions what the journal is to know.
    async fn write(
        &mut self,
        stages: &[Stage],
        lease: &Lease,
        failures: &[AttemptRecord],
    ) -> crate::database::Result<()> {
        let crew = self.crew;
        for (number, place) in &mut self.places {
            let (Some(session), Some(fence)) = (&mut place.session, &place.lease) else {
                continue;
            };
            let session = &mut **session;
            if *number > 0 {
                write_sources(crew, stages, session).await?;
            }
            place.ledger.write(session, crew.run()).await?;
            if *number == 0 {
                if let Some(name) = self
                    .new_tenant
                    .filter(|_| crew.options.tenant_insert.is_none())
                {
                    journal::write_tenant(session, name).await?;
                }
                for failure in failures {
                    journal::write_failure(session, failure).await?;
                }
                self.output.write(session, lease).await?;
                journal::keep_schema(session, lease.run).await?;
                journal::end_run(session, lease.run, Outcome::Done, None).await?;
            }
            fence.fence(session).await?;
            if *number == 0 {
                lease.release(session).await?;
            }
        }
        Ok(())
    }

    /// Rolls everything back; returns how many rows of each table were changed.
    pub(super) async fn roll_back(&mut self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for place in self.places.values_mut() {
            if let Some(session) = &mut place.session {
                if let Ok(changed) = session.rows_changed().await {
                    for (table, rows) in changed {
                        if !table.contains(JOURNAL_PREFIX) {
                            *all.entry(table).or_default() += rows;
                        }
                    }
                }
                // A connection that is lost has rolled back.
                let _ = session.rollback().await;
            }
        }
        all
    }

    fn session(&mut self, number: usize) -> Result<&mut dyn Session, Failed> {
        let place = self.places.get_mut(&number);
        match place.and_then(|place| place.session.as_mut()) {
            Some(session) => Ok(&mut **session),
            None => Err((None, no_session())),
        }
    }
}

/// Makes a tenant's own journal, and writes the run's token into it.
pub(super) async fn enter(session: &mut dyn Session, lease: &Lease) -> crate::database::Result<()> {
    session.begin(Durability::Deferred).await?;
    journal::prepare(session).await?;
    lease.enter_tenant(session).await?;
    session.commit().await
}

/// Writes the files of a run into a tenant's own journal.
pub(super) async fn write_sources(
    crew: &Crew<'_>,
    stages: &[Stage],
    session: &mut dyn Session,
) -> crate::database::Result<()> {
    let known: BTreeSet<i64> = journal::read_sources(session)
        .await?
        .iter()
        .map(|record| record.id)
        .collect();
    for place in concerned(stages) {
        let (Some(file), Some(id)) = (crew.files.get(place), crew.ids.get(place)) else {
            continue;
        };
        if !file.kind().is_for_tenants() || known.contains(id) {
            continue;
        }
        if let Ok(source) = sources::read(crew.engine, &file.source) {
            let record = sources::record(*id, &source);
            journal::write_source(session, &record, &source.contents).await?;
        }
    }
    Ok(())
}

fn of_nobody(error: crate::database::Error) -> Failed {
    (None, Failure::from_database(error))
}

fn cancelled() -> Failure {
    Failure::new("cancelled", Blame::Operator, "cancelled by the operator")
}

fn no_session() -> Failure {
    Failure::new(
        "host",
        Blame::Host,
        "the session was not given back by a file",
    )
}
