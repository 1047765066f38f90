//! The histories of other migration tools: their tables, the names of their files, their checksums.
//!
//! What is read here is read as the tool itself reads it, by its documentation and code. Nothing of theirs is changed, and
//! nothing is decided: what fits and what does not is the engine's business.

mod flyway;
mod history;
mod migrator;
mod row;
mod table;
mod version;
mod versioned;

use serde::{Deserialize, Serialize};

use crate::database::Capabilities;

pub use history::{Entry, FileVersion, History};
pub use migrator::{MigratorRow, read_migrator};
pub use table::{Found, Table, find};
pub use version::Version;
pub use versioned::read;

/// A tool whose history can be taken over.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// migrator, with its API v1: <https://github.com/lukaszbudnik/migrator>.
    Migrator,
    /// Flyway: <https://documentation.red-gate.com/flyway>.
    Flyway,
    /// sqlx: <https://github.com/launchbadge/sqlx>.
    Sqlx,
    /// golang-migrate: <https://github.com/golang-migrate/migrate>.
    GolangMigrate,
    /// dbmate: <https://github.com/amacneil/dbmate>.
    Dbmate,
}

impl Tool {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Migrator => "migrator",
            Self::Flyway => "flyway",
            Self::Sqlx => "sqlx",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
        }
    }

    /// Whether it knows databases that can do this. migrator's tenants are schemas.
    pub(super) fn knows(self, capabilities: &Capabilities) -> bool {
        self != Self::Migrator || !capabilities.has_tenant_databases()
    }

    /// The table that it keeps, unless it is told of another.
    pub fn default_table(self) -> Table {
        let name = match self {
            Self::Migrator => "migrator.migrator_migrations",
            Self::Flyway => "flyway_schema_history",
            Self::Sqlx => "_sqlx_migrations",
            Self::GolangMigrate | Self::Dbmate => "schema_migrations",
        };
        Table::named(name)
    }
}
