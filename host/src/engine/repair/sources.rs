//! Repairs of files for the target and its tenants.

use super::chosen::Chosen;
use super::{Difference, Differs};
use crate::catalog::Digests;
use crate::database::Session;
use crate::engine::adopt::Record;
use crate::engine::tenants::{self, ChangedFile, TenancyOptions};
use crate::engine::{Engine, RunError};
use crate::journal;

/// A file that is gone makes no difference: the journal has kept what was in it.
pub(super) async fn differences(
    engine: &Engine,
    options: &TenancyOptions,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<Vec<Difference>, RunError> {
    let changed = tenants::changed_files(engine, options, digests, session).await?;
    Ok(changed.into_iter().map(difference).collect())
}

fn difference(changed: ChangedFile) -> Difference {
    let obstacle = changed.is_begun.then(|| {
        "it was begun for a tenant and is not done: restore the file and run `migrate` first"
            .to_owned()
    });
    Difference {
        name: changed.file.key,
        what: match changed.is_same {
            true => Differs::LineEnds,
            false => Differs::Changed,
        },
        applied: changed.applied,
        now: Some(changed.now),
        obstacle,
        is_elsewhere: false,
        index: changed.index,
        file_name: changed.file.file_name,
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
    let changed = tenants::changed_files(engine, options, &Digests::forgetful(), session).await?;
    for difference in chosen.iter() {
        let Some(file) = changed.iter().find(|file| file.file.key == difference.name) else {
            continue;
        };
        let source = tenants::read_source(engine, &file.file)?;
        let mut written = tenants::source_record(file.id, &source);
        written.digest = difference.now.clone().unwrap_or(written.digest);
        journal::write_source(session, &written, &source.contents).await?;
        record.tell_of(&difference.name, &chosen.line(difference));
    }
    Ok(())
}
