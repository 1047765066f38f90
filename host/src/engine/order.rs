//! What an operator asks for.

use super::extent::Extent;
use super::state::Command;

/// A command, and how its operator wants it done.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to do.
    pub command: Command,
    /// With how many of the steps.
    pub extent: Extent,
    /// Whether steps may run that come before one that was applied.
    pub out_of_order: bool,
    /// Whether whoever reads the run's output later wants the debug lines, too.
    pub verbose: bool,
}

impl Order {
    /// A command, done as usual.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            extent: Extent::All,
            out_of_order: false,
            verbose: false,
        }
    }
}
