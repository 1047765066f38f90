//! The lines of tenants with databases of their own.
//!
//! A run writes its lines into the target, which it commits only when its workers are done. A host that dies before that has
//! committed what the lines tell of. So each commit in a tenant's own database takes the tenant's lines along, and the next
//! host to lock the target gathers those of the dead one. Who wrote a line and the writer's own count tell which the target
//! has already.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::tenant_database::open_tenant;
use super::{RunError, TenancyOptions, list};
use crate::database::{Database, Result, Session};
use crate::engine::Engine;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, CopiedLine, Outcome, OutputLine, PendingOutput, RunRecord};

/// The lines of one tenant, for its own database. They wait for the target's commit all the same.
pub(super) struct OwnLines {
    pub(super) output: Arc<RunOutput>,
    pub(super) tenant: String,
    /// The count of the last line before the tenant's first.
    pub(super) after: i64,
}

#[async_trait]
impl PendingOutput for OwnLines {
    async fn write(&self, session: &mut dyn Session, run: i64) -> Result<()> {
        let writer = self.output.writer();
        let last = journal::last_written(session, run, writer).await?;
        let lines = self.output.lines_of(&self.tenant, last.max(self.after));
        journal::write_output(session, run, writer, &lines).await
    }

    fn committed(&self) {}

    fn rolled_back(&self) {}

    fn connection_lost(&self) {}
}

/// Writes into the target, in its open transaction, the lines that runs without an end have left in the databases of these
/// tenants. Nobody else is at work.
pub(super) async fn gather<'n>(
    engine: &Engine,
    tenants: impl Iterator<Item = &'n str>,
    session: &mut dyn Session,
) -> std::result::Result<(), RunError> {
    if !engine.database.capabilities().has_tenant_databases() {
        return Ok(());
    }
    let runs = journal::interrupted_runs(session).await?;
    for lines in left(engine, tenants, &runs, session).await?.values() {
        journal::gather_output(session, lines).await?;
    }
    Ok(())
}

/// At most `most` lines of a run without an end that only the tenants' own databases have, after those that the target has: as
/// they will stand there, once they are gathered. `session` reads the target.
pub(in crate::engine) async fn waiting(
    engine: &Engine,
    options: &TenancyOptions,
    run: &RunRecord,
    (after, most): (i64, u32),
    session: &mut dyn Session,
) -> std::result::Result<Vec<OutputLine>, RunError> {
    let was_cut_off = matches!(run.outcome, None | Some(Outcome::Interrupted));
    let is_apart = engine.database.capabilities().has_tenant_databases();
    if most == 0 || !was_cut_off || !is_apart || !journal::has_tenants(session).await? {
        return Ok(Vec::new());
    }
    let tenants = list::list(options, session, true).await?;
    let tenants = tenants.iter().map(String::as_str);
    let mut left = left(engine, tenants, &[run.id], session).await?;
    let mut place = journal::last_place(session, run.id).await?;
    let lines = left.remove(&run.id).unwrap_or_default().into_iter();
    let placed = lines.map(|CopiedLine { line, .. }| {
        place = line.sequence.max(place + 1);
        OutputLine {
            sequence: place,
            ..line
        }
    });
    let wanted = placed.filter(|line| line.sequence > after);
    Ok(wanted.take(most as usize).collect())
}

/// The lines of these runs that the target does not have, by run, in the order in which they were written.
async fn left<'n>(
    engine: &Engine,
    tenants: impl Iterator<Item = &'n str>,
    runs: &[i64],
    session: &mut dyn Session,
) -> std::result::Result<BTreeMap<i64, Vec<CopiedLine>>, RunError> {
    let mut left: BTreeMap<i64, Vec<CopiedLine>> = BTreeMap::new();
    if runs.is_empty() {
        return Ok(left);
    }
    for tenant in tenants {
        let is_there = |own: &Arc<dyn Database>| !own.is_gone() && !own.is_new();
        if !engine
            .database
            .tenant(tenant)
            .as_ref()
            .is_some_and(is_there)
        {
            continue;
        }
        let Some(mut own) = open_tenant(engine, tenant).await? else {
            continue;
        };
        let lines = journal::read_copied_output(&mut *own, runs).await?;
        own.rollback().await?;
        for line in lines {
            left.entry(line.run).or_default().push(line);
        }
    }
    for (run, lines) in &mut left {
        let written = journal::written_lines(session, *run).await?;
        lines.retain(|line| !written.contains(&(line.writer, line.line.sequence)));
        lines.sort_by_key(|line| (line.line.sequence, line.writer));
    }
    Ok(left)
}
