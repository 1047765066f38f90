//! What a new step is to be.

use super::super::StepKind;

/// In which language a new step is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Statements, for each database or for all
    #[default]
    Sql,
    /// A script in JavaScript
    #[value(name = "js")]
    JavaScript,
    /// A script in TypeScript
    #[value(name = "ts")]
    TypeScript,
    /// A script in Python
    #[value(name = "py")]
    Python,
    /// A crate, which `wasmigrate build` makes a component of
    Rust,
    /// The same in C
    C,
    /// The same in Zig
    Zig,
}

impl Language {
    /// What form a step in it has.
    pub(in crate::catalog) fn form(self) -> StepKind {
        match self {
            Self::Sql => StepKind::Sql,
            Self::JavaScript => StepKind::JavaScript,
            Self::TypeScript => StepKind::TypeScript,
            Self::Python => StepKind::Python,
            Self::Rust | Self::C | Self::Zig => StepKind::Wasm,
        }
    }
}

/// What a new step is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewStep {
    /// Its language.
    pub language: Language,
    /// A function that the host runs over all rows of a table.
    pub is_transformation: bool,
    /// With a part that undoes it.
    pub with_reset: bool,
}
