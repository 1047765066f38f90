//! Role: a step needs no more rights than an owner of the database has. Where the server of the test lets a superuser in, which
//! many a server of developers does, whatever only a superuser may do would show in production alone.

use std::time::Instant;

use super::checks::Case;
use super::report::{Check, CheckReport, Part, skipped};
use super::trials::{Owned, Trials};
use super::{Error, milliseconds};
use crate::catalog::StepFile;
use crate::engine::Command;

const ADVICE: &str = "on the servers of others the role of the migration is no superuser: do it in a way that an owner may, or let an \
                      administrator do it before";

impl Trials<'_> {
    /// Such a database before the first step.
    pub(super) fn first_owned(&self) -> Result<Owned, Error> {
        if self.fixtures.iter().any(super::fixture::Fixture::is_base) {
            return Ok(Owned::No("a fixture makes tables, which nobody else owns"));
        }
        let mut why = "SQLite has no roles";
        for server in self.servers.iter().filter(|server| server.has_schemas()) {
            if server.is_superuser()? {
                let database = server.make()?;
                database.let_owner_in()?;
                return Ok(Owned::At(database));
            }
            why = "the role of the server is an ordinary one anyway";
        }
        Ok(Owned::No(why))
    }

    /// Tries a step as an owner who is no superuser, where it succeeded otherwise.
    pub(super) fn try_as_owner(
        &mut self,
        step: &StepFile,
        cases: &[Case],
    ) -> Result<CheckReport, Error> {
        let began = Instant::now();
        let owned = std::mem::replace(&mut self.owned, Owned::No("a step before it failed"));
        let database = match owned {
            Owned::At(database) => database,
            Owned::No(why) => {
                self.owned = Owned::No(why);
                return Ok(skipped(Check::Role, why));
            }
        };
        let case = cases.iter().find(|case| case.kind == database.kind());
        let Some((case, step)) = case.zip(self.step(step.index, database.kind())) else {
            self.owned = Owned::At(database);
            return Ok(skipped(Check::Role, "the step did not run there"));
        };
        let trial = self.trial(step);
        if let Err(stumble) = trial.run_those_before(database.as_owner()) {
            let why = format!("a step before it needs more rights: {}", stumble.message);
            return Ok(skipped(Check::Role, why));
        }
        let mut part = Part::default();
        match trial.run(database.as_owner(), Command::Finalize) {
            Ok(()) => self.owned = Owned::At(database),
            Err(stumble) => {
                let what = "it fails for an owner of the database who is no superuser";
                part.findings
                    .push(stumble.finding(&case.place(), what, ADVICE));
            }
        }
        part.milliseconds = milliseconds(began.elapsed());
        let summary = "as an owner of the database who is no superuser".to_owned();
        Ok(part.report(Check::Role, summary))
    }
}
