//! A database as the script that makes it again, by PostgreSQL's own program.
//! <https://www.postgresql.org/docs/current/app-pgdump.html>

use std::io;
use std::process::Command;

use super::super::{Error, ErrorKind, Result};
use super::address::Endpoint;
use super::pool::Postgres;

/// The program, which must be as new as the server.
const PROGRAM: &str = "pg_dump";

/// The schemas of journals.
const JOURNALS: &str = "wasmigrate*";

impl Postgres {
    /// The whole content without the journal, as `pg_dump` writes it.
    pub fn dump_content(&self) -> Result<String> {
        let address = &self.0.address;
        let (host, port) = match &address.endpoint {
            Endpoint::Tcp(host, port) => (host.clone(), port),
            Endpoint::Unix(directory, port) => (directory.display().to_string(), port),
        };
        let mut command = Command::new(PROGRAM);
        command
            .args([
                "--no-owner",
                "--no-privileges",
                "--exclude-schema",
                JOURNALS,
            ])
            .env("PGHOST", host)
            .env("PGPORT", port.to_string())
            .env("PGUSER", &address.user)
            .env("PGDATABASE", &address.database);
        if let Some(schema) = &self.0.options.journal_schema {
            command.args(["--exclude-schema", schema]);
        }
        // Arguments are there for everybody to see.
        let variable = |name: &str| std::env::var(name).ok();
        let password = address.password(&variable);
        let password = password.map_err(|message| Error::new(ErrorKind::Other, message))?;
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        let failed = |message: String| Error::new(ErrorKind::Other, message);
        let output = command.output().map_err(|error| {
            failed(match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "`{PROGRAM}` is not there: install the client programs of PostgreSQL, as new as the server"
                ),
                _ => format!("cannot start `{PROGRAM}`: {error}"),
            })
        })?;
        match output.status.success() {
            true => String::from_utf8(output.stdout)
                .map_err(|_| failed(format!("what `{PROGRAM}` writes is not UTF-8"))),
            false => Err(failed(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            )),
        }
    }
}
