//! The schema as `pg_dump` writes it: the program is the user's own, which must not be older than the server.

use super::super::{Access, Error, ErrorKind, JOURNAL_PREFIX, Result, Session, Stop, quote, texts};
use super::pg_dump::{self, PROGRAM};
use super::pool::Postgres;
use super::state::PostgresSession;

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
        // Its connection serves what comes next.
        drop(session);
        let failed = |message: String| Error::new(ErrorKind::Unavailable, message);
        let run = |key: Option<&str>| {
            let mut command = pg_dump::command(self)?;
            command
                .args(["--schema-only", "--no-owner"])
                .arg(format!("--exclude-table=*.{JOURNAL_PREFIX}*"))
                .args(
                    journals
                        .iter()
                        .map(|schema| format!("--exclude-schema={}", quote(schema))),
                )
                .args(key);
            command
                .output()
                .map_err(|error| pg_dump::not_started(&error))
        };
        let mut output = run(Some(KEY))?;
        // Older ones do not know it, and have no such lines.
        let is_unknown = |output: &std::process::Output| {
            !output.status.success()
                && String::from_utf8_lossy(&output.stderr).contains("restrict-key")
        };
        if is_unknown(&output) {
            output = run(None)?;
        }
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
