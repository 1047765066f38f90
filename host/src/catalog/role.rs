//! What a step is for, which decides when it runs and what can become of it.

/// What a step is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It runs once, at its place in the order.
    #[default]
    Migration,
    /// It runs after all of these, whenever its content has changed.
    Repeatable,
    /// It runs once, after all others, where an environment wants it.
    Seed,
    /// It runs on new databases, in the place of the steps up to its own number.
    Baseline,
}

impl Role {
    /// How a step with this role is called.
    pub fn called(self) -> &'static str {
        match self {
            Self::Migration => "a step",
            Self::Repeatable => "a repeatable step",
            Self::Seed => "a seed",
            Self::Baseline => "a baseline",
        }
    }

    /// Whether it has a finalize and a reset.
    pub fn has_phases(self) -> bool {
        self == Self::Migration
    }
}
