//! What lives in a store, beside the component's own memory.

use std::time::SystemTime;

use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use super::StepHost;
use super::limits::{Limiter, Limits};
use super::modules::Modules;
use super::output::Output;
use crate::database;

/// What is kept of a statement that failed.
const STATEMENT_BYTES: usize = 8 << 10;

/// The data of one store: one step's host, for one phase.
pub(super) struct State<H> {
    pub(super) host: H,
    pub(super) limits: Limits,
    pub(super) limiter: Limiter,
    pub(super) output: Output,
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
    /// The script, where the component is a runner of one.
    pub(super) script: Option<Modules>,
    /// The last statement that the database did not accept.
    pub(super) failed_statement: Option<String>,
}

impl<H: StepHost> State<H> {
    /// Remembers the statement of a call that failed, for the report to the operator.
    pub(super) fn noting<T>(
        &mut self,
        statement: &str,
        result: Result<T, database::Error>,
    ) -> Result<T, database::Error> {
        if result.is_err() {
            self.note(statement);
        }
        result
    }

    /// The same for a statement that was begun at a known time, when somebody wants to know.
    pub(super) fn timing<T>(
        &mut self,
        began: Option<SystemTime>,
        statement: &str,
        result: Result<T, database::Error>,
    ) -> Result<T, database::Error> {
        if let Some(began) = began {
            self.host.ran(statement, began, result.is_err());
        }
        self.noting(statement, result)
    }
}

impl<H> State<H> {
    /// Remembers a statement that failed.
    pub(super) fn note(&mut self, statement: &str) {
        let end = statement.floor_char_boundary(STATEMENT_BYTES);
        self.failed_statement = statement.get(..end).map(str::to_owned);
    }
}

impl<H: StepHost> WasiView for State<H> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
