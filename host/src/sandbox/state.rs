//! What lives in a store, beside the component's own memory.

use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use super::StepHost;
use super::limits::{Limiter, Limits};
use super::output::Output;
use crate::database;

/// The data of one store: one step's host, for one phase.
pub(super) struct State<H> {
    pub(super) host: H,
    pub(super) limits: Limits,
    pub(super) limiter: Limiter,
    pub(super) output: Output,
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
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
            self.failed_statement = Some(statement.to_owned());
        }
        result
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
