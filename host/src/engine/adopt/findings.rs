//! What a comparison of another tool's history with the files finds.

/// What another tool's history says of the files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Which file was applied for whom and when, in the order in which they were: the file's place, and the tenant,
    /// empty for the target itself.
    pub(super) applied: Vec<(usize, String, Option<i64>)>,
    /// Tenants to add to our own table.
    pub(super) tenants: Vec<String>,
    /// What forbids to take the history over.
    pub(super) problems: Vec<String>,
    /// What its operator ought to know.
    pub(super) remarks: Vec<String>,
}
