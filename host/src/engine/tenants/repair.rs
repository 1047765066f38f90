//! The files that are others than those that were applied.

use super::look;
use super::{RunError, TenancyOptions};
use crate::catalog::{Digests, SourceFile};
use crate::database::Session;
use crate::engine::Engine;

/// A file that was applied, and is another one now or has other line ends.
pub(in crate::engine) struct ChangedFile {
    pub(in crate::engine) file: SourceFile,
    /// Its place in the order, from 1.
    pub(in crate::engine) index: u64,
    /// The number by which the journal knows it.
    pub(in crate::engine) id: i64,
    /// Its SHA-256 when it was applied.
    pub(in crate::engine) applied: String,
    /// Its SHA-256 now; in its normal form where only line ends differ.
    pub(in crate::engine) now: String,
    /// Whether it differs in line ends or a byte order mark alone.
    pub(in crate::engine) is_same: bool,
    /// Whether it was started outside a transaction for somebody, and not done.
    pub(in crate::engine) is_begun: bool,
}

/// Those files, in their order.
pub(in crate::engine) async fn changed_files(
    engine: &Engine,
    options: &TenancyOptions,
    digests: &Digests,
    session: &mut dyn Session,
) -> Result<Vec<ChangedFile>, RunError> {
    let snapshot = look::read(engine, options, digests, session).await?;
    let mut changed = Vec::new();
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
        if *applied == now || (is_same && *applied == normal) {
            continue;
        }
        changed.push(ChangedFile {
            index: file.index,
            id,
            applied: applied.clone(),
            now: if is_same { normal } else { now },
            is_same,
            is_begun: file.started > 0,
            file: file.source,
        });
    }
    Ok(changed)
}
