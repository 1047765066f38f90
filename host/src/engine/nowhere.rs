//! Where a component is called that is to touch nothing: an empty database of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::Unobserved;
use super::failure::Failure;
use super::step_output::RunContext;
use crate::database::{Access, Database as _, Session, SessionLimits, Sqlite, Stop};

/// The longest value in the empty database: a row may have two thousand of them.
const MOST_VALUE: u64 = 64 << 10;

/// A session in an open transaction on the empty database, and what is known to a call in it, which nobody watches.
pub(super) async fn nowhere(
    settings: Arc<BTreeMap<String, String>>,
    deadline: Duration,
    stop: &Stop,
) -> Result<(Box<dyn Session>, Arc<RunContext>), Failure> {
    let limits = SessionLimits {
        value_bytes: MOST_VALUE,
        lock_wait: Duration::ZERO,
        deadline,
    };
    let mut session = Sqlite::empty(limits)
        .open(Access::Read, stop)
        .await
        .map_err(Failure::from_database)?;
    session.begin_read().await.map_err(Failure::from_database)?;
    let context = RunContext {
        run: None,
        lease: None,
        observer: Arc::new(Unobserved),
        settings,
        output: Arc::default(),
        tenant: None,
        is_tenancy: false,
    };
    Ok((session, Arc::new(context)))
}
