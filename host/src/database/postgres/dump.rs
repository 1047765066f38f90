//! The schema as `pg_dump` writes it: the program is the user's own, which must not be older than the server.

use std::io;
use std::process::Command;

use super::super::{Access, Error, ErrorKind, JOURNAL_PREFIX, Result, Session, Stop, quote, texts};
use super::address::{Address, Endpoint, SslMode};
use super::pool::Postgres;
use super::state::PostgresSession;

const PROGRAM: &str = "pg_dump";

/// What else than a random word stands in the lines `\\restrict`, so that the same schema is the same text.
const KEY: &str = "--restrict-key=wasmigrate";

/// The schemas that hold a journal and nothing else.
const JOURNALS: &str = "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace AS space
    WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = space.oid AND relname = 'wasmigrate_journal')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_class WHERE relnamespace = space.oid AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relname NOT LIKE 'wasmigrate\\_%'
    ) AND nspname <> 'public' ORDER BY 1";

impl Postgres {
    /// Has `pg_dump` write the schema of the database without the journals.
    pub(super) async fn dump(&self, stop: &Stop) -> Result<String> {
        let mut session = PostgresSession::open(self.clone(), Access::Read, stop)?;
        session.begin_to_read()?;
        let reading: &mut dyn Session = &mut session;
        let journals = texts(&reading.rows(JOURNALS, &[]).await?).unwrap_or_default();
        session.roll_back()?;
        let failed = |message: String| Error::new(ErrorKind::Unavailable, message);
        let address = &self.0.address;
        let variable = |name: &str| std::env::var(name).ok();
        let password = address.password(&variable).map_err(failed)?;
        let run = |key: Option<&str>| {
            let mut command = Command::new(PROGRAM);
            command
                .args(["--schema-only", "--no-owner"])
                .arg(format!("--exclude-table=*.{JOURNAL_PREFIX}*"))
                .args(
                    journals
                        .iter()
                        .map(|schema| format!("--exclude-schema={}", quote(schema))),
                )
                .args(key)
                .arg(format!("--dbname={}", conninfo(address)));
            if let Some(password) = &password {
                command.env("PGPASSWORD", password);
            }
            command.output()
        };
        let mut output = run(Some(KEY));
        // Older ones do not know it, and have no such lines.
        let is_unknown = |output: &std::process::Output| {
            !output.status.success()
                && String::from_utf8_lossy(&output.stderr).contains("restrict-key")
        };
        if output.as_ref().is_ok_and(is_unknown) {
            output = run(None);
        }
        let output = output.map_err(|error| {
            failed(match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no `{PROGRAM}`, which writes a schema of PostgreSQL: install the package `postgresql-client` (Debian, \
                     Ubuntu), `postgresql` (Fedora, Arch) or `libpq` (Homebrew)"
                ),
                _ => format!("`{PROGRAM}` cannot be started: {error}"),
            })
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!(
                "`{PROGRAM}` has not written the schema: {}",
                said.trim()
            )));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| failed(format!("what `{PROGRAM}` writes is not UTF-8")))
    }
}

/// The address for a program that uses libpq, but for the password.
fn conninfo(address: &Address) -> String {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in address.each() {
        let (host, port) = match &server.endpoint {
            Endpoint::Tcp(host, port) => (host.clone(), port),
            Endpoint::Unix(directory, port) => (directory.display().to_string(), port),
        };
        hosts.push(host);
        ports.push(port.to_string());
    }
    let ssl_mode = match address.ssl_mode {
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    };
    let root = address.root_certificate.as_ref();
    let said = [
        ("host", Some(hosts.join(","))),
        ("port", Some(ports.join(","))),
        ("user", Some(address.user.clone())),
        ("dbname", Some(address.database.clone())),
        ("sslmode", Some(ssl_mode.to_owned())),
        ("sslrootcert", root.map(|file| file.display().to_string())),
        ("options", address.options.clone()),
    ];
    let said = said.into_iter().filter_map(|(name, value)| {
        let value = value?.replace('\\', "\\\\").replace('\'', "\\'");
        Some(format!("{name}='{value}'"))
    });
    said.collect::<Vec<_>>().join(" ")
}
