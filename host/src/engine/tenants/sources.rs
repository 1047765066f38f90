//! Files with what is in them.

use super::request;
use super::snapshot::TenantSnapshot;
use super::work::{Schedule, concerned};
use super::{ApplyError, RunError, Source, TenancyOptions};
use crate::catalog::{Digests, SourceFile, StepKind};
use crate::database::{Session, Stop};
use crate::engine::Engine;
use crate::journal::{self, SourceRecord};
use crate::sandbox;

/// All files, in order.
pub(in crate::engine) fn sources(
    engine: &Engine,
    options: &TenancyOptions,
) -> Result<Vec<Source>, RunError> {
    let files = options
        .sources
        .scan(engine.target_kind())
        .map_err(RunError::files)?;
    files.iter().map(|file| read(engine, file)).collect()
}

/// Reads a file.
pub(in crate::engine) fn read(engine: &Engine, file: &SourceFile) -> Result<Source, RunError> {
    // It is read anyway, and to look up what is remembered of all files for each of them would take the square of their number.
    let (bytes, digest) = Digests::forgetful()
        .read(&file.as_step(0))
        .map_err(RunError::files)?;
    let contents = match file.form {
        StepKind::Sql | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => {
            String::from_utf8_lossy(&bytes).into_owned()
        }
        StepKind::Wasm => {
            let started = engine
                .sandbox()
                .map_err(|failure| RunError::Step(Box::new(failure)))?;
            let loaded = started.load(&bytes, &digest, &Stop::default());
            let component = loaded.map_err(|error| {
                let failure = crate::engine::Failure::from_sandbox(error);
                RunError::Step(Box::new(failure))
            })?;
            sandbox::world(&bytes, component.interface())
        }
    };
    Ok(Source {
        file: file.clone(),
        digest,
        contents,
    })
}

/// The file as the journal keeps it.
pub(in crate::engine) fn record(id: i64, source: &Source) -> SourceRecord {
    SourceRecord {
        id,
        key: source.file.key.clone(),
        directory: source.file.directory.clone(),
        file_name: source.file.file_name.clone(),
        kind: source.file.kind.as_str().to_owned(),
        form: source.file.form.as_str().to_owned(),
        digest: source.digest.clone(),
    }
}

/// Writes down the files that are about to run, as they are now; returns the numbers of all files.
pub(super) async fn write_new(
    engine: &Engine,
    snapshot: &TenantSnapshot,
    schedule: &Schedule,
    session: &mut dyn Session,
) -> Result<Vec<i64>, ApplyError> {
    let known = request::database(journal::read_sources(session).await)?;
    let mut next = known.last().map_or(0, |record| record.id) + 1;
    let mut ids: Vec<i64> = snapshot
        .files
        .iter()
        .map(|file| file.id.unwrap_or(0))
        .collect();
    for place in concerned(schedule.tasks()) {
        let (Some(file), Some(id)) = (snapshot.files.get(place), ids.get_mut(place)) else {
            continue;
        };
        if file.applied_digest.as_ref() == Some(&file.digest) {
            continue;
        }
        // One that was applied keeps what it held then. Where it was only begun, the journal follows the file that ends it.
        if file.applied > 0 || file.done_by_removed {
            continue;
        }
        if *id == 0 {
            *id = next;
            next += 1;
        }
        let source = read(engine, &file.source)?;
        let record = record(*id, &source);
        request::database(journal::write_source(session, &record, &source.contents).await)?;
    }
    Ok(ids)
}
