//! What is remembered of tenants: who they are, the files with their contents, and for whom each was applied.
//!
//! A file has one row, and one more for each further content that a script or a repeatable file has had. What was applied refers to that row, so
//! that it costs little for each tenant. An empty tenant stands for the target itself.

mod applied;
mod failures;
mod records;
mod removed;
mod repeated;
mod report;
mod schemas;
mod scripts;
mod sources;

use super::schema;
use crate::database::{Result, Session};

pub use applied::{
    finalize_applied, last_applied, read_applied, read_applied_beside, read_applied_by,
    read_applied_for, read_applied_of, read_finalized_after, read_unfinalized, serves_anybody,
    set_applied_aside, update_applied, write_applied,
};
pub use failures::{last_failures, read_failures, write_failure};
pub use records::{
    AppliedEntry, AppliedRecord, LastFailure, RunTally, SourceRecord, Tally, TenantTally,
};
pub use removed::{
    ADD_TENANT, REMOVE_TENANT, holds_anything, read_all_of_tenant, remove_tenant, removed_tenants,
    set_begun_aside, set_tenant_aside,
};
pub use repeated::{count_repeated, last_reset, last_resets, last_whole_reset, read_repeated};
pub use report::{count_by_run, count_by_source, count_by_tenant, fetch_applied, query_applied};
pub use schemas::{
    demand_schema, keep_tenant_schema, make_schema, reserved_words, whole_schema, whole_schema_in,
};
pub use scripts::{has_unfinished, last_unfinished, migrating_runs, read_scripts_since};
pub use sources::{read_sources, read_tenants, set_source_kind, write_source, write_tenant};

/// Whether the target's journal has the tables for tenants.
pub async fn has_tenants(session: &mut dyn Session) -> Result<bool> {
    let version = schema::version(session).await?;
    Ok(version.is_some_and(|version| version >= schema::THIRD))
}

/// Numbers, as a list of SQL; one that nothing has when there are none.
fn list(numbers: &[i64]) -> String {
    if numbers.is_empty() {
        return "0".to_owned();
    }
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}
