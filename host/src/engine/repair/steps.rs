//! Repairs of steps.

use super::chosen::Chosen;
use super::{Difference, Differs};
use crate::catalog::{Digests, Role, StepKind, is_of_baseline, step_label};
use crate::database::{self, Session, Stop};
use crate::engine::adopt::Record;
use crate::engine::{Engine, RunError, transform};
use crate::journal::{self, Snapshot, StepRecord, StepState};

pub(super) async fn differences(
    engine: &Engine,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<Vec<Difference>, RunError> {
    let snapshot = journal::read(session).await?;
    let catalog = engine.fitting(&engine.catalog()?, &snapshot);
    let mut differences = Vec::new();
    for record in snapshot.steps.values() {
        let file = catalog.steps.get(&record.index);
        let is_elsewhere = file.is_none() && catalog.is_seed_of_others(record.index, &record.name);
        let (what, now) = match file {
            None if catalog.is_squashed(record.index) => continue,
            None => (Differs::Missing, None),
            // The baseline was applied in the place of this step.
            Some(file)
                if is_of_baseline(record.index, &record.name) && file.role != Role::Baseline =>
            {
                continue;
            }
            // It runs again when it has changed. A seed does not, which may be accepted.
            Some(file) if file.role == Role::Repeatable => continue,
            Some(file) => {
                let now = digests.of(file).map_err(RunError::files)?;
                let normal = digests.normal(file).map_err(RunError::files)?;
                let is_settled = digests
                    .is_settled(file, &record.digest)
                    .map_err(RunError::files)?;
                let is_same = digests
                    .is_same(file, &record.digest)
                    .map_err(RunError::files)?;
                match is_same {
                    false => (Differs::Changed, Some(now)),
                    true if is_settled => continue,
                    true => (Differs::LineEnds, Some(normal)),
                }
            }
        };
        differences.push(Difference {
            name: step_label(record.index, &record.name),
            what,
            before: None,
            applied: record.digest.clone(),
            now,
            obstacle: file
                .and_then(|_| obstacle(&snapshot, record))
                .map(str::to_owned),
            is_elsewhere,
            index: record.index,
            file_name: file.map_or_else(String::new, |file| file.file_name.clone()),
        });
    }
    Ok(differences)
}

/// Why a step whose file is another one now cannot be repaired.
fn obstacle(snapshot: &Snapshot, record: &StepRecord) -> Option<&'static str> {
    if snapshot.transformations.contains_key(&record.index) {
        return Some(
            "its transformation is in progress, and rows were computed by the earlier file: restore the file and `finalize` or \
             `reset`, or run `migrate` with `--replace` or `--restart`",
        );
    }
    (record.state == StepState::Started).then_some(
        "it was begun and is not done: what is left of it would run from another file; restore the file and run `migrate` or \
         `reset`, or run `migrate --allow-changed`",
    )
}

/// Writes down what was chosen.
pub(super) async fn write(
    engine: &Engine,
    snapshot: &Snapshot,
    chosen: &Chosen,
    record: &mut Record,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<(), RunError> {
    let catalog = engine.fitting(&engine.catalog()?, snapshot);
    for difference in chosen.iter() {
        let Some(before) = snapshot.steps.get(&difference.index) else {
            continue;
        };
        let file = catalog.steps.get(&difference.index);
        match (&difference.now, file) {
            (Some(digest), Some(file)) => {
                let kind = file.kind;
                let after = StepRecord {
                    name: file.name.clone(),
                    digest: digest.clone(),
                    revision: before.revision + 1,
                    // Whoever has signed the other content has not signed this one.
                    signer: None,
                    ..before.clone()
                };
                replace(session, kind, before, &after).await?;
            }
            _ => {
                if let Some(begun) = snapshot.transformations.get(&difference.index) {
                    let abandoned = transform::abandon(difference.index, begun, session, stop);
                    abandoned
                        .await
                        .map_err(|failure| RunError::Step(Box::new(failure)))?;
                }
                journal::remove_step(session, before).await?;
            }
        }
        record.tell(Some(difference.index), &chosen.line(difference));
    }
    Ok(())
}

async fn replace(
    session: &mut dyn Session,
    kind: StepKind,
    before: &StepRecord,
    after: &StepRecord,
) -> database::Result<()> {
    journal::write_step(session, kind.as_str(), after, Some(before.version())).await
}
