//! What the settings say to databases.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::{Table, Value};

use super::{Config, Error};
use crate::database::{DatabaseSettings, PostgresOptions, SessionLimits};

/// The variable of the schema of the journal.
const JOURNAL_SCHEMA: &str = "WASMIGRATE_POSTGRES_JOURNAL_SCHEMA";

/// `NAMEDATALEN - 1`: <https://www.postgresql.org/docs/current/limits.html>
pub(super) const MOST_NAME_BYTES: usize = 63;

/// Where the schema of the journal is named: by a variable, in the file, or in `.env`.
pub(super) fn journal_schema(variables: &Table, file: &Table, file_name: String) -> String {
    let names_it = |table: &Table| {
        let postgres = table.get("postgres").and_then(Value::as_table);
        postgres.is_some_and(|postgres| postgres.contains_key("journal_schema"))
    };
    if names_it(variables) {
        JOURNAL_SCHEMA.to_owned()
    } else if names_it(file) {
        file_name
    } else {
        format!("{JOURNAL_SCHEMA} in .env")
    }
}

impl Config {
    /// Refuses a name of the journal's schema that the server would cut.
    pub(super) fn check_journal_schema(&self, origin: String) -> Result<(), Error> {
        let name = &self.postgres.journal_schema;
        match name.len() > MOST_NAME_BYTES || name.contains('\0') {
            true => Err(Error::JournalSchema {
                origin,
                bytes: name.len(),
            }),
            false => Ok(()),
        }
    }

    /// What a database has to know besides its URL.
    pub fn database_settings(&self) -> DatabaseSettings {
        let postgres = &self.postgres;
        DatabaseSettings {
            create: self.create,
            limits: self.session_limits(),
            postgres: PostgresOptions {
                lock_timeout: Duration::from_millis(postgres.lock_timeout_milliseconds),
                role: Some(postgres.role.clone()).filter(|role| !role.is_empty()),
                password_file: Some(postgres.password_file.clone())
                    .filter(|file| !file.as_os_str().is_empty()),
                variables: self.postgres_variables(),
                journal_schema: Some(postgres.journal_schema.clone())
                    .filter(|schema| !schema.is_empty()),
            },
        }
    }

    /// The variables of PostgreSQL's clients that `.env` has.
    fn postgres_variables(&self) -> BTreeMap<String, String> {
        let all = self.beside.iter();
        let theirs = all.filter(|(name, _)| name.starts_with("PG"));
        theirs
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Bounds on what one session may hold.
    pub fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            value_bytes: self.limits.value_bytes,
            lock_wait: Duration::from_secs(self.lock_wait_seconds),
            deadline: Duration::from_secs(self.limits.deadline_seconds),
        }
    }
}
