//! What a component may use. Each limit names the attack that it stops.

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use crate::database;

/// The limits of one call into a component. Zero is a limit too: it allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest component file, in MiB. Stops a file that fills the memory before anything is known of it.
    pub component_mib: u64,
    /// The memory that compiling one component may take, in MiB. Stops a small file that takes gigabytes to compile.
    pub compile_mib: u64,
    /// How long compiling one component may take, in seconds of the processor's time. Stops a small file that takes hours to compile.
    pub compile_seconds: u64,
    /// All linear memories and tables of a component together, in MiB. Stops a memory bomb.
    pub memory_mib: u64,
    /// How long a phase of one step may take on the wall clock, time in host calls included, in seconds. Stops endless
    /// loops and endless queries.
    pub deadline_seconds: u64,
    /// The stack of the component, in KiB. Stops endless recursion before it reaches the host's own stack.
    pub stack_kib: u64,
    /// Lines of output in one phase of a step. Stops a flood in the journal.
    pub output_lines: u64,
    /// Bytes of output in one phase of a step. Stops a flood in the journal.
    pub output_bytes: u64,
    /// Bytes of one line of output; what is longer is cut, and says so.
    pub output_line_bytes: u64,
    /// Rows of one small result (`query-rows`). Stops a step that reads a whole table into memory.
    pub query_rows: u64,
    /// Bytes of one small result, and of one batch that a cursor returns. Stops the same with long rows.
    pub query_bytes: u64,
    /// Cursors open at once. Stops a step that hoards results.
    pub cursors: u64,
    /// Savepoints open at once. Stops a step that piles them up.
    pub savepoints: u64,
    /// Bytes that one call may pass to the host, in MiB. Stops a step that makes the host copy gigabytes.
    pub call_mib: u64,
    /// Handles (cursors, savepoints, streams) that a component holds at once. Stops a step that exhausts the host's tables.
    pub handles: u64,
    /// The longest value or row in the database, in bytes. Stops a statement that builds one giant value in the host.
    pub value_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_mib: 32,
            compile_mib: 2_048,
            compile_seconds: 300,
            memory_mib: 256,
            deadline_seconds: 15 * 60,
            stack_kib: 512,
            output_lines: 10_000,
            output_bytes: 1 << 20,
            output_line_bytes: 8 << 10,
            query_rows: 10_000,
            query_bytes: 8 << 20,
            cursors: 16,
            savepoints: 64,
            call_mib: 16,
            handles: 1_000,
            value_bytes: 64 << 20,
        }
    }
}

/// Core instances, memories and tables of one component; what a language's tool chain needs with room to spare.
const INSTANCES: usize = 64;
const MEMORIES: usize = 16;
const TABLES: usize = 32;

/// The bytes that a table's element takes in the host.
const ELEMENT_BYTES: usize = 8;

/// Adds up all memories and tables of a store: wasmtime's own limits count each by itself.
#[derive(Debug)]
pub(super) struct Limiter {
    limit_mib: u64,
    pub(super) used: usize,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit_mib: limits.memory_mib,
            used: 0,
        }
    }

    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let limit = usize::try_from(self.limit_mib << 20).unwrap_or(usize::MAX);
        if used > limit {
            return Err(wasmtime::Error::from(database::Error::limit(
                "limits.memory_mib",
                self.limit_mib,
                format_args!("the component asks for {} MiB of memory", used >> 20),
            )));
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(
            current.saturating_mul(ELEMENT_BYTES),
            desired.saturating_mul(ELEMENT_BYTES),
        )
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}
