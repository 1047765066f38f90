//! From a URL to a database: the one place that knows which scheme stands for which.

use std::sync::Arc;

use super::{Database, Postgres, PostgresOptions, SessionLimits, Sqlite};

/// What a database has to know besides where it is.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Bounds on what one session may hold.
    pub limits: SessionLimits,
    /// What the operator settles for PostgreSQL alone.
    pub postgres: PostgresOptions,
}

/// A database whose kind matters, because it is to be copied or filled.
#[derive(Clone)]
pub enum Location {
    /// A SQLite file.
    File(Sqlite),
    /// A schema of a database on a PostgreSQL server.
    Server(Postgres),
}

impl Location {
    /// What a URL names. Connects to nothing yet; the error says what is wrong with the URL.
    pub fn parse(url: &str, settings: &DatabaseSettings) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match (scheme, rest) {
            ("sqlite", path) if !path.is_empty() => {
                Ok(Self::File(Sqlite::new(path, settings.limits)))
            }
            ("postgres" | "postgresql", _) => {
                Postgres::new(url, settings.postgres.clone(), settings.limits).map(Self::Server)
            }
            // What was given may hold a password.
            _ => Err(
                "the database must be given as sqlite:PATH or postgres://USER@HOST/NAME".to_owned(),
            ),
        }
    }
}

/// The database that a URL names. Connects to nothing yet; the error says what is wrong with the URL.
pub fn open(url: &str, settings: &DatabaseSettings) -> Result<Arc<dyn Database>, String> {
    Ok(match Location::parse(url, settings)? {
        Location::File(database) => Arc::new(database),
        Location::Server(database) => Arc::new(database),
    })
}
