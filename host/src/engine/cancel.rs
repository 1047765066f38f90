//! A run that is told to end, on whichever host.

use std::time::Duration;

use super::{Engine, RunError};
use crate::database::{Access, Durability, Error, ErrorKind, Stop};
use crate::journal::{self, Fenced, LeaseRecord, OperatorsWord};

/// How long to wait for a writer who may write for as long as the run goes on.
const WAIT: Duration = Duration::from_secs(2);

impl Engine {
    /// Tells the run in progress on another host, which holds this lease, to end. That one hears it within a second.
    pub async fn cancel(&self, run: i64, lease: &LeaseRecord) -> Result<(), RunError> {
        request(self, run, lease).await
    }

    /// Writes down who has told a run of this host to end.
    pub async fn note_cancel(&self, run: i64) -> Result<(), RunError> {
        note(self, run).await
    }

    /// The run that a request became, with all that was asked for then; none when it became none.
    pub async fn run_of_request(&self, key: &str) -> Result<Option<(i64, String)>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let run = journal::run_of_request(&mut *session, key).await?;
        session.rollback().await?;
        Ok(run)
    }
}

/// Tells a run to end that goes on in another host: that one looks in the journal, and rolls its step back.
async fn request(engine: &Engine, run: i64, lease: &LeaseRecord) -> Result<(), RunError> {
    let there = |why: &str| {
        RunError::Refused(format!(
            "run {run} is in progress in {}{why}: cancel it there",
            lease.holder
        ))
    };
    match write(engine, run).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(there(
            ", which is of an earlier version and takes no commands from others",
        )),
        // Where there is one writer at a time, that is the run.
        Err(error) if matches!(error.kind, ErrorKind::Busy | ErrorKind::Stopped) => Err(there("")),
        Err(error) if error.kind == ErrorKind::Conflict => {
            Err(RunError::Refused(format!("run {run} has ended")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the word; false where the journal has no place for it.
async fn write(engine: &Engine, run: i64) -> Result<bool, Error> {
    let stop = Stop::default();
    stop.set_deadline(Some(WAIT));
    let mut session = engine.database.open(Access::Write, &stop).await?;
    let begun = Fenced::begin(&mut *session, &OperatorsWord, Durability::Flushed);
    let mut fenced = begun.await?;
    if !journal::knows_orders(fenced.session()).await? {
        return Ok(false);
    }
    journal::request_cancel(fenced.session(), run, &engine.options.commander).await?;
    fenced.commit().await?;
    Ok(true)
}

/// Writes down who has told a run of this host to end.
async fn note(engine: &Engine, run: i64) -> Result<(), RunError> {
    let stop = Stop::default();
    let mut session = engine.database.open(Access::Write, &stop).await?;
    let begun = Fenced::begin(&mut *session, &OperatorsWord, Durability::Flushed);
    let mut fenced = begun.await?;
    let by = &engine.options.commander;
    journal::write_order(fenced.session(), run, journal::CANCEL, by).await?;
    Ok(fenced.commit().await?)
}
