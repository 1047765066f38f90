//! What is done to a run, and what was seen of it so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::points::{Point, Seen};
use crate::database::{Batch, ColumnValues, Error, ErrorKind, Session, Value};

/// How many bytes of statements are kept.
const MOST_SAID: usize = 1 << 20;

/// Looks at the open transaction while a step works in it.
#[async_trait]
pub(super) trait Probe: Send + Sync {
    /// Looks after a call of the step.
    async fn after_a_call(&self, session: &mut dyn Session);

    /// Looks when all is done and nothing is rolled back yet.
    async fn at_the_end(&self, session: &mut dyn Session);
}

/// How a database is watched.
#[derive(Clone, Default)]
pub(super) struct InjectionPlan {
    /// The number of the point after which the host dies, and that point.
    pub(super) death: Option<(usize, Point)>,
    /// The most rows of a batch, below what the step asks for.
    pub(super) most_rows: Option<usize>,
    /// Whether to learn what is done to tables.
    pub(super) learns_deeds: bool,
    /// Who looks at the transaction, when somebody does.
    pub(super) probe: Option<Arc<dyn Probe>>,
}

/// A plan at work.
pub(super) struct Injection {
    pub(super) plan: InjectionPlan,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) seen: Seen,
    pub(super) is_dead: bool,
}

impl Injection {
    pub(super) fn new(plan: InjectionPlan) -> Self {
        Self {
            plan,
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, point: Point) {
        let mut state = self.state();
        state.seen.points.push(point);
        let number = state.seen.points.len();
        state.is_dead |= self
            .plan
            .death
            .as_ref()
            .is_some_and(|(death, _)| *death == number);
    }

    /// Keeps what the step says, as far as it has a use: the same statement comes again and again.
    pub(super) fn hear(&self, statement: &str) {
        let said = &mut self.state().seen.said;
        if self.plan.learns_deeds && said.len() < MOST_SAID && !said.ends_with(statement) {
            said.push('\n');
            said.push_str(statement);
        }
    }

    pub(super) fn count(&self, batch: &Batch) {
        let mut state = self.state();
        state.seen.rows += batch.row_count as u64;
        state.seen.bytes += bytes(batch);
    }
}

/// What a host that is dead says.
pub(super) fn dead() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the host is dead: it was cut off here",
    )
}

/// About how many bytes the cells of a batch have.
fn bytes(batch: &Batch) -> u64 {
    let cells = |values: &ColumnValues| match values {
        ColumnValues::Booleans(cells) => cells.len(),
        ColumnValues::Integers(cells) => cells.len() * 8,
        ColumnValues::Floats(cells) => cells.len() * 8,
        ColumnValues::Texts { data, .. } => data.len(),
        ColumnValues::Bytes { data, .. } => data.len(),
        ColumnValues::Mixed(cells) => cells.iter().map(Value::size).sum(),
    };
    batch
        .columns
        .iter()
        .map(|column| cells(&column.values) as u64)
        .sum()
}
