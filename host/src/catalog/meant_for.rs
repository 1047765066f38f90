//! For which database a file is meant: a word in its name, as in `0001_name.postgres.sql`.

use crate::database::Kind;

/// Databases for which other tools have files, and that are none here.
const OTHERS: [&str; 31] = [
    "bigquery",
    "cassandra",
    "clickhouse",
    "cockroach",
    "cockroachdb",
    "crdb",
    "databricks",
    "db2",
    "derby",
    "duckdb",
    "firebird",
    "h2",
    "hsqldb",
    "informix",
    "mariadb",
    "mongodb",
    "mssql",
    "mysql",
    "mysql8",
    "oracle",
    "redshift",
    "snowflake",
    "spanner",
    "sqlserver",
    "sybase",
    "tidb",
    "tsql",
    "vertica",
    "ydb",
    "yugabyte",
    "yugabytedb",
];

/// The database that a file is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MeantFor {
    /// One that can be a target.
    Target(Kind),
    /// Another one, by its name.
    Other(&'static str),
}

impl MeantFor {
    /// What a word in a name says, in any case.
    pub(super) fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let other = || OTHERS.into_iter().find(|other| *other == word);
        let target = Kind::called(&word).map(Self::Target);
        target.or_else(|| other().map(Self::Other))
    }

    /// Its name for people.
    pub(super) fn display_name(self) -> &'static str {
        match self {
            Self::Target(kind) => kind.display_name(),
            Self::Other(name) => name,
        }
    }
}

/// Whether a name has a word in it that says for which database it is, however it is parted from the rest.
pub(super) fn is_said_in(stem: &str) -> bool {
    stem.split(|letter: char| !letter.is_alphanumeric())
        .any(|word| MeantFor::of(word).is_some())
}
