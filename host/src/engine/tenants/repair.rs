//! The files that are others than those that were applied.

use super::look;
use super::{RunError, SourceKind, TenancyOptions, gone};
use crate::catalog::{Digests, SourceFile};
use crate::database::Session;
use crate::engine::Engine;
use crate::journal;

/// A file that was applied, and is another one now, has other line ends or another name, or is gone.
pub(in crate::engine) struct FileDifference {
    /// Its path relative to the base, as the journal knows it.
    pub(in crate::engine) key: String,
    pub(in crate::engine) kind: SourceKind,
    /// The file that is there now; none when it is gone.
    pub(in crate::engine) file: Option<SourceFile>,
    /// Its place in the order, from 1; a gone one comes after all.
    pub(in crate::engine) index: u64,
    /// The number by which the journal knows it.
    pub(in crate::engine) id: i64,
    /// Its SHA-256 when it was applied.
    pub(in crate::engine) applied: String,
    /// Its SHA-256 now; in its normal form where only line ends differ.
    pub(in crate::engine) now: Option<String>,
    /// Whether it differs in line ends or a byte order mark alone.
    pub(in crate::engine) is_same: bool,
    /// Whether it was started outside a transaction for somebody, be it one who is no tenant any more, and not done.
    pub(in crate::engine) is_begun: bool,
}

/// Those files, in their order.
pub(in crate::engine) async fn differences(
    engine: &Engine,
    options: &TenancyOptions,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<Vec<FileDifference>, RunError> {
    let snapshot = look::read(engine, options, digests, session).await?;
    let mut differences = Vec::new();
    for (index, (id, gone)) in (snapshot.files.len() as u64 + 1..).zip(snapshot.missed()) {
        let missing = |file: Option<SourceFile>, index: u64| FileDifference {
            key: gone.key.clone(),
            kind: gone.kind,
            now: file.as_ref().map(|_| gone.digest.clone()),
            file,
            index,
            id,
            applied: gone.digest.clone(),
            is_same: true,
            is_begun: gone.started > 0,
        };
        if let Some(now) = snapshot.new_name_of(gone) {
            differences.push(missing(Some(now.source.clone()), now.index));
        }
        differences.push(missing(None, index));
    }
    for file in snapshot.files {
        let (Some(id), Some(applied)) = (file.id, &file.applied_digest) else {
            continue;
        };
        if !file.kind().runs_once() || !file.was_applied() {
            continue;
        }
        let step = file.source.as_step(file.index);
        let is_same = !file.has_changed();
        let now = digests.of(&step).map_err(RunError::files)?;
        let normal = digests.normal(&step).map_err(RunError::files)?;
        let is_settled = digests.is_settled(&step, applied);
        if *applied == now || (is_same && is_settled.map_err(RunError::files)?) {
            continue;
        }
        differences.push(FileDifference {
            key: file.source.key.clone(),
            kind: file.kind(),
            index: file.index,
            id,
            applied: applied.clone(),
            now: Some(if is_same { normal } else { now }),
            is_same,
            is_begun: file.is_half_done(),
            file: Some(file.source),
        });
    }
    differences.sort_by_key(|difference| difference.index);
    Ok(differences)
}

/// Writes down that a file is gone for good.
pub(in crate::engine) async fn remove(
    session: &mut dyn Session,
    difference: &FileDifference,
) -> Result<(), RunError> {
    Ok(gone::remove(session, difference.id, difference.kind).await?)
}

/// Writes down what a file that was applied is called and holds now.
pub(in crate::engine) async fn accept(
    engine: &Engine,
    session: &mut dyn Session,
    difference: &FileDifference,
    file: &SourceFile,
) -> Result<(), RunError> {
    let source = super::read_source(engine, file)?;
    let mut written = super::source_record(difference.id, &source);
    if let Some(digest) = &difference.now {
        written.digest.clone_from(digest);
    }
    journal::write_source(session, &written, &source.contents).await?;
    Ok(())
}
