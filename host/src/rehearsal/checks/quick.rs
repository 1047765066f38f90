//! The quick way to find that nothing goes wrong with generated rows: on as few databases as possible, with what is undone
//! and done again on the same one. Where something is not as it should be, this does not say what.

use std::sync::Arc;

use super::super::declarations::{Declarations, except};
use super::super::fixture::{self, TableRows};
use super::super::injection::InjectionPlan;
use super::super::injector::FaultInjector;
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::{Words, differences};
use super::super::trial::snapshot;
use super::super::{Error, parallel};
use super::data_case::DataCase;
use crate::database::Content;
use crate::engine::Command;

/// Nobody reads them.
const WORDS: Words = Words {
    extra: "is there",
    missing: "is missing",
};

/// What the step leaves of the rows in an empty database before it, which is used up; none where something goes wrong.
pub(super) fn result(
    data_case: &DataCase<'_>,
    database: &ScratchDatabase,
    rows: &[TableRows],
    declarations: &Declarations,
) -> Result<Option<Content>, Error> {
    if parallel::wait(fixture::load_tables(rows, database))?.is_err() {
        return Ok(None);
    }
    let quick = Quick {
        data_case,
        declarations,
        before: snapshot(&*database.database())?,
    };
    let comes_back = quick.has_reset() && declarations.lossy().is_empty();
    match comes_back && !data_case.changes_in_finalize {
        true => quick.on_one(database),
        false => quick.on_another(database),
    }
}

struct Quick<'q> {
    data_case: &'q DataCase<'q>,
    declarations: &'q Declarations,
    before: Content,
}

impl Quick<'_> {
    fn has_reset(&self) -> bool {
        self.declarations.is_reversible() && self.data_case.trial.step.role.has_phases()
    }

    /// Where a reset leaves nothing, the second run begins as the first one did.
    fn on_one(&self, database: &ScratchDatabase) -> Result<Option<Content>, Error> {
        if !self.runs(database, Command::Migrate) {
            return Ok(None);
        }
        let result = snapshot(&*database.database())?;
        let is_same = self.is_undone(database)? && self.comes_to(database, &result)?;
        Ok(is_same.then_some(result))
    }

    fn on_another(&self, database: &ScratchDatabase) -> Result<Option<Content>, Error> {
        let other = database.copy()?;
        if !self.runs(database, Command::Migrate) {
            return Ok(None);
        }
        if self.has_reset() && !self.is_undone(&database.copy()?)? {
            return Ok(None);
        }
        if !self.runs(database, Command::Finalize) {
            return Ok(None);
        }
        let result = snapshot(&*database.database())?;
        Ok(self.comes_to(&other, &result)?.then_some(result))
    }

    fn runs(&self, database: &ScratchDatabase, command: Command) -> bool {
        let done = self.data_case.trial.run(database.database(), command);
        done.is_ok()
    }

    fn is_undone(&self, database: &ScratchDatabase) -> Result<bool, Error> {
        if !self.runs(database, Command::Reset) {
            return Ok(false);
        }
        let mut left = differences(&self.before, &snapshot(&*database.database())?, WORDS);
        except(&mut left, self.declarations.lossy());
        Ok(left.is_empty())
    }

    /// Whether rows in another order, and in batches of one, give the same.
    fn comes_to(&self, database: &ScratchDatabase, expected: &Content) -> Result<bool, Error> {
        let plan = InjectionPlan {
            most_rows: Some(1),
            ..InjectionPlan::default()
        };
        let injector = FaultInjector::new(database.reversed(), plan);
        let done = (self.data_case.trial).run(Arc::clone(&injector) as _, Command::Finalize);
        if done.is_err() {
            return Ok(false);
        }
        let mut different = differences(expected, &snapshot(&*database.database())?, WORDS);
        except(&mut different, self.declarations.volatile());
        Ok(different.is_empty())
    }
}
