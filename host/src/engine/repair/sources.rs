//! Repairs of files for the target and its tenants.

use super::chosen::Chosen;
use super::{Difference, Differs};
use crate::catalog::Digests;
use crate::database::Session;
use crate::engine::adopt::Record;
use crate::engine::tenants::{self, FileDifference, TenancyOptions};
use crate::engine::{Engine, RunError};

pub(super) async fn differences(
    engine: &Engine,
    options: &TenancyOptions,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<Vec<Difference>, RunError> {
    let found = tenants::differences(engine, options, digests, session).await?;
    Ok(found.into_iter().map(difference).collect())
}

fn difference(found: FileDifference) -> Difference {
    let obstacle = (found.is_begun && found.file.is_some()).then(|| {
        "it was begun for a tenant and is not done: restore the file and run `migrate` first, or run `migrate \
         --allow-changed`; for one that is no tenant any more, `wasmigrate tenants remove` forgets it"
            .to_owned()
    });
    let what = differs(&found);
    let (name, file_name) = match found.file {
        Some(file) => (file.key, file.file_name),
        None => (found.key.clone(), String::new()),
    };
    Difference {
        before: (what == Differs::Renamed).then_some(found.key),
        name,
        what,
        applied: found.applied,
        now: found.now,
        obstacle,
        is_elsewhere: false,
        index: found.index,
        file_name,
    }
}

fn differs(found: &FileDifference) -> Differs {
    match &found.file {
        None => Differs::Missing,
        Some(file) if file.key != found.key => Differs::Renamed,
        Some(_) if found.is_same => Differs::LineEnds,
        Some(_) => Differs::Changed,
    }
}

/// Writes down what was chosen.
pub(super) async fn write(
    engine: &Engine,
    options: &TenancyOptions,
    chosen: &Chosen,
    record: &mut Record,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    let found = tenants::differences(engine, options, &Digests::forgetful(), session).await?;
    for difference in chosen.iter() {
        let is_it = |found: &&FileDifference| {
            found.index == difference.index && differs(found) == difference.what
        };
        let Some(found) = found.iter().find(is_it) else {
            continue;
        };
        match &found.file {
            Some(file) => tenants::accept(engine, session, found, file).await?,
            None => tenants::remove(session, found).await?,
        }
        record.tell_of(&difference.name, &chosen.line(difference));
    }
    Ok(())
}
