//! What the settings say to databases.

use std::time::Duration;

use super::Config;
use crate::database::{DatabaseSettings, PostgresOptions, SessionLimits};

impl Config {
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
                variables: self.postgres_variables.clone(),
                journal_schema: Some(postgres.journal_schema.clone())
                    .filter(|schema| !schema.is_empty()),
            },
        }
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
