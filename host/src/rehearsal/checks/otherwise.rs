//! Other circumstances for a run: another time, rows that are stored in another order, and another environment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::{Error, parallel};
use super::Case;
use crate::catalog::StepKind;
use crate::database::{Access, Database, Durability, Elsewhere, Stop};

/// Where the clock counts seconds, a time that a step keeps differs only in another one than that of the undisturbed run.
pub(super) fn wait_for_another_time(case: &Case) {
    if !case.base.database().capabilities().clock_counts_seconds {
        return;
    }
    let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let next = Duration::from_secs(since_1970(case.undisturbed.ended).as_secs() + 1);
    std::thread::sleep(next.saturating_sub(since_1970(SystemTime::now())));
}

/// Stores the rows of every table again, the last first.
pub(super) fn turn_around(database: &dyn Database) -> Result<(), Error> {
    let turned = parallel::wait(async {
        let mut session = database.open(Access::Write, &Stop::default()).await?;
        session.begin(Durability::Deferred).await?;
        session.reverse_stored_rows().await?;
        session.commit_throwaway().await
    });
    turned?.map_err(|error: crate::database::Error| {
        Error::Setup(format!("cannot store rows in another order: {error}"))
    })
}

/// What is different elsewhere for a step of this kind. What a component makes of the text of a date is its own.
pub(super) fn elsewhere(kind: StepKind) -> Vec<Elsewhere> {
    match kind {
        StepKind::Sql => vec![Elsewhere::TimeZone, Elsewhere::Forms, Elsewhere::Plans],
        _ => vec![Elsewhere::TimeZone, Elsewhere::Plans],
    }
}
