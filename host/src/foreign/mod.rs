//! The histories of other migration tools: their tables, the names of their files, their checksums.
//!
//! What is read here is read as the tool itself reads it, by its documentation and code. Nothing of theirs is changed, and
//! nothing is decided: what fits and what does not is the engine's business.

mod atlas;
mod checksum;
mod file;
mod flyway;
mod history;
mod migrator;
mod row;
mod stranger;
mod table;
mod versioned;

use serde::{Deserialize, Serialize};

use crate::catalog::Version;
use crate::database::Capabilities;

pub use checksum::Checksums;
pub use history::{Entry, FileVersion, History, RepeatableEntry};
pub use migrator::{MigratorRow, read_migrator};
pub use table::{Found, Owner, Table, find, in_place, locate};
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
    /// goose: <https://github.com/pressly/goose>.
    Goose,
    /// Diesel: <https://diesel.rs>.
    Diesel,
    /// refinery: <https://github.com/rust-db/refinery>.
    Refinery,
    /// Prisma: <https://www.prisma.io>.
    Prisma,
    /// Rails, ActiveRecord: <https://guides.rubyonrails.org/active_record_migrations.html>.
    Rails,
    /// node-pg-migrate: <https://github.com/salsita/node-pg-migrate>.
    NodePgMigrate,
    /// sql-migrate: <https://github.com/rubenv/sql-migrate>.
    SqlMigrate,
    /// Atlas: <https://atlasgo.io>.
    Atlas,
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
            Self::Goose => "goose",
            Self::Diesel => "diesel",
            Self::Refinery => "refinery",
            Self::Prisma => "prisma",
            Self::Rails => "rails",
            Self::NodePgMigrate => "node-pg-migrate",
            Self::SqlMigrate => "sql-migrate",
            Self::Atlas => "atlas",
        }
    }

    /// Whether it knows databases that can do this. migrator's tenants are schemas.
    pub(super) fn knows(self, capabilities: &Capabilities) -> bool {
        self != Self::Migrator || !capabilities.has_tenant_databases()
    }

    /// The tables that it keeps, unless it is told of another: the first that there is.
    pub(super) fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Migrator => &["migrator.migrator_migrations"],
            // The second until its version 5.
            Self::Flyway => &["flyway_schema_history", "schema_version"],
            Self::Sqlx => &["_sqlx_migrations"],
            Self::GolangMigrate | Self::Dbmate | Self::Rails => &["schema_migrations"],
            Self::Goose => &["goose_db_version"],
            Self::Diesel => &["__diesel_schema_migrations"],
            Self::Refinery => &["refinery_schema_history"],
            Self::Prisma => &["_prisma_migrations"],
            Self::NodePgMigrate => &["pgmigrations"],
            Self::SqlMigrate => &["gorp_migrations"],
            Self::Atlas => &[
                "atlas_schema_revisions.atlas_schema_revisions",
                "atlas_schema_revisions",
            ],
        }
    }
}
