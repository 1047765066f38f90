//! Everything that was applied, one after the other.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::gone::kind_in_history;
use super::look;
use super::{AppliedFile, RunError, SourceKind, TenancyOptions};
use crate::database::{Access, CursorId, Result, Session, Stop};
use crate::engine::Engine;
use crate::journal::{self, AppliedEntry};

/// One database that is being read, and what was read of it ahead.
struct Stream {
    session: Box<dyn Session>,
    cursor: CursorId,
    ahead: VecDeque<AppliedEntry>,
}

impl Stream {
    async fn open(mut session: Box<dyn Session>) -> Result<Option<Self>> {
        session.begin_read().await?;
        if !journal::has_tenants(&mut *session).await? {
            session.rollback().await?;
            return Ok(None);
        }
        let cursor = journal::query_applied(&mut *session).await?;
        Ok(Some(Self {
            session,
            cursor,
            ahead: VecDeque::new(),
        }))
    }

    async fn next(&mut self) -> Result<Option<AppliedEntry>> {
        if self.ahead.is_empty() {
            let rows = journal::fetch_applied(&mut *self.session, self.cursor).await?;
            self.ahead = rows.into();
        }
        Ok(self.ahead.pop_front())
    }
}

type Place = (String, String, i64);

fn place(entry: &AppliedEntry) -> Place {
    let source = &entry.source;
    (source.file_name.clone(), source.directory.clone(), entry.id)
}

/// Reads all databases of the target and its tenants beside each other, in one order.
pub(in crate::engine) async fn applied(
    engine: &Engine,
    options: &TenancyOptions,
    each: &mut (dyn FnMut(AppliedFile) -> bool + Send),
) -> std::result::Result<(), RunError> {
    let stop = Stop::default();
    let mut streams = Vec::new();
    streams.extend(Stream::open(engine.database.open(Access::Read, &stop).await?).await?);
    for tenant in look::current(engine, options).await?.tenants {
        if let Some(database) = engine.database.tenant(&tenant) {
            streams.extend(Stream::open(database.open(Access::Read, &stop).await?).await?);
        }
    }
    // The next of each stream, and the number of the stream.
    let mut heap: BinaryHeap<Reverse<(Place, usize)>> = BinaryHeap::new();
    let mut next: Vec<Option<AppliedEntry>> = Vec::with_capacity(streams.len());
    for (number, stream) in streams.iter_mut().enumerate() {
        let entry = stream.next().await?;
        heap.extend(entry.as_ref().map(|entry| Reverse((place(entry), number))));
        next.push(entry);
    }
    while let Some(Reverse((_, number))) = heap.pop() {
        let (Some(slot), Some(stream)) = (next.get_mut(number), streams.get_mut(number)) else {
            break;
        };
        let entry = std::mem::replace(slot, stream.next().await?);
        heap.extend(slot.as_ref().map(|entry| Reverse((place(entry), number))));
        if let Some(entry) = entry
            && !each(file(entry))
        {
            return Ok(());
        }
    }
    Ok(())
}

fn file(entry: AppliedEntry) -> AppliedFile {
    let source = entry.source;
    let base_name = source.directory.rsplit('/').next().unwrap_or_default();
    AppliedFile {
        id: entry.id,
        schema: match entry.tenant.is_empty() {
            true => base_name.to_owned(),
            false => entry.tenant,
        },
        kind: kind_in_history(&source.kind).unwrap_or(SourceKind::SingleMigration),
        directory: source.directory,
        file_name: source.file_name,
        digest: source.digest,
        contents: entry.contents,
        applied_at: entry.applied_at,
    }
}
