//! From a URL to a database: the one place that knows which scheme stands for which.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::postgres::is_conninfo;
use super::{Database, Postgres, PostgresOptions, SessionLimits, Sqlite};

/// What a database has to know besides where it is.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Bounds on what one session may hold.
    pub limits: SessionLimits,
    /// What the operator settles for PostgreSQL alone.
    pub postgres: PostgresOptions,
    /// Whether a SQLite file is made that is not there.
    pub create: bool,
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
    /// What a URL names. Connects to nothing yet; the error says what is wrong with the URL, and never quotes it.
    pub fn parse(url: &str, settings: &DatabaseSettings) -> Result<Self, String> {
        let url = url.trim();
        super::controls::refuse_controls(url)?;
        if is_conninfo(url) {
            let opened = Postgres::new(url, settings.postgres.clone(), settings.limits);
            return opened.map(Self::Server);
        }
        match url.split_once(':') {
            Some(("sqlite" | "sqlite3", rest)) => {
                let opened = Sqlite::at_url(rest, settings.create, settings.limits);
                opened.map(Self::File)
            }
            _ => Err(format!(
                "the database must be given as sqlite:PATH or postgres://USER@HOST/NAME{}",
                other_scheme(url)
            )),
        }
    }
}

/// What is said of a URL with another scheme. All of it but the scheme may hold a password.
fn other_scheme(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _))
            if scheme.len() < 20
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-')) =>
        {
            format!(", and its scheme is `{scheme}`")
        }
        _ if url.starts_with("file:") => {
            ", and its scheme is `file`: write sqlite: and the path from here".to_owned()
        }
        _ if is_file_name(url) => format!("; for this file, write sqlite:{url}"),
        _ => String::new(),
    }
}

/// Whether a text can only be the name of a file of SQLite, and no password that came to the wrong place.
fn is_file_name(text: &str) -> bool {
    let endings = ["db", "db3", "sqlite", "sqlite3"];
    let ending = Path::new(text).extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| endings.contains(&ending))
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '/' | '_' | '-'))
}

/// The database that a URL names. Connects to nothing yet; the error says what is wrong with the URL.
pub fn open(url: &str, settings: &DatabaseSettings) -> Result<Arc<dyn Database>, String> {
    Ok(match Location::parse(url, settings)? {
        Location::File(database) => Arc::new(database),
        Location::Server(database) => Arc::new(database),
    })
}
