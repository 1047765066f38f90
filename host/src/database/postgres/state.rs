//! What a session on a PostgreSQL server knows; what it does is in the other files of this room.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::{Access, CursorId, Kind, Result, SavepointId, Server, Stop};
use super::capabilities::CAPABILITIES;
use super::connection::Connection;
use super::label::Label;
use super::pipeline::Pipeline;
use super::pool::{Postgres, Target};
use super::results::Cursor;
use super::transform::PostgresTransforming;
use super::verify::JournalTables;

/// A session on a PostgreSQL server.
pub(super) struct PostgresSession {
    pub(super) database: Postgres,
    pub(super) target: Target,
    pub(super) server: Server,
    pub(super) access: Access,
    pub(super) stop: Stop,
    /// None once it was lost.
    pub(super) connection: Option<Connection>,
    pub(super) pipeline: Pipeline,
    pub(super) transaction: Option<Transaction>,
    pub(super) cursors: BTreeMap<CursorId, Cursor>,
    pub(super) savepoints: Vec<SavepointId>,
    next_number: u32,
    /// Statements of this transaction: those that came again go by a number on the server.
    pub(super) prepared: HashMap<String, Option<u32>>,
    pub(super) label: Option<Label>,
    /// How long statements wait for locks, where that is not what the operator has set.
    pub(super) lock_wait: Option<Duration>,
    /// Whether what is asked now is the lock of the target.
    pub(super) wants_target_lock: bool,
    pub(super) loaded: Option<Loaded>,
    /// The journal's tables, once they were read.
    pub(super) journal: Option<JournalTables>,
    /// What had ended in this snapshot has made no journal that is not known.
    pub(super) known_by: String,
    /// Whether the journal was found to be nobody else's when the target was locked.
    pub(super) has_trust: bool,
    /// The search path of the step that runs, when it is not that of the target.
    pub(super) search_path: Option<String>,
}

/// What is known of the open transaction.
#[derive(Default)]
pub(super) struct Transaction {
    /// Whether each statement commits by itself: there is no transaction then.
    pub(super) is_autocommit: bool,
    /// Whether a statement failed, so that the server does nothing more.
    pub(super) has_failed: bool,
    /// Whether it was verified, so that the session's settings are the host's.
    pub(super) is_verified: bool,
    /// Whether the server has heard of it.
    pub(super) is_sent: bool,
    /// Whether the host talks to the server's process itself, with no pooler in between.
    pub(super) is_direct: bool,
    /// Whether, outside of a transaction, its statements wait for locks without end.
    pub(super) is_patient: bool,
    /// Whether statements run in the name of the role that steps work in. The host's own do not.
    pub(super) has_role: bool,
    /// Whether a statement of a step may have run in it.
    pub(super) is_used: bool,
    /// Whether something may have been removed in it.
    pub(super) may_have_removed: bool,
    /// Whether its commit waits for the disk.
    pub(super) is_flushed: bool,
    /// Whether the search path was set to that of the step.
    pub(super) has_path: bool,
    pub(super) names: Names,
}

/// What names and operators in the session's statements mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Names {
    /// What they mean to the step that runs; before the first, to the connection.
    #[default]
    Step,
    /// What PostgreSQL has, before anything of a step has run and after all of it was looked at.
    Host,
    /// The same in between, so that the step is to have its own again.
    HostInBetween,
}

/// The table that rows were loaded into, as long as nothing else of the step has run since: it is locked, so that nobody
/// else can change it.
pub(super) struct Loaded {
    pub(super) table: String,
    /// The types of its columns, by name.
    pub(super) types: HashMap<String, u32>,
}

impl PostgresSession {
    pub(super) fn open(database: Postgres, access: Access, stop: &Stop) -> Result<Self> {
        let patience = database.patience(stop);
        let mut connection = match access {
            // Its counters of changed rows begin at zero.
            Access::Rehearsal => database.connect_anew(&patience)?,
            Access::Read | Access::Write => database.connect(&patience)?,
        };
        let target = database.target(&mut connection, &patience)?;
        if access != Access::Read {
            connection = database.writable(connection, &patience)?;
        }
        Ok(Self {
            server: Server {
                kind: Kind::Postgres,
                capabilities: CAPABILITIES,
                transforming: &PostgresTransforming,
                version: target.version.clone(),
                is_superuser: target.is_superuser,
            },
            target,
            database,
            access,
            stop: stop.clone(),
            connection: Some(connection),
            pipeline: Pipeline::default(),
            transaction: None,
            cursors: BTreeMap::new(),
            savepoints: Vec::new(),
            next_number: 0,
            prepared: HashMap::new(),
            label: None,
            lock_wait: None,
            wants_target_lock: false,
            loaded: None,
            journal: None,
            known_by: String::new(),
            has_trust: false,
            search_path: None,
        })
    }

    pub(super) fn number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        // A connection in the middle of something is closed, and the server rolls back.
        if let Some(connection) = self.connection.take()
            && self.transaction.is_none()
            && self.pipeline.is_empty()
            && connection.wire.outgoing.is_empty()
            && connection.status == b'I'
        {
            self.database.give_back(connection);
        }
    }
}
