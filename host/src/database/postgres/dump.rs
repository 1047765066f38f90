//! The schema as `pg_dump` writes it: the program is the user's own, which must not be older than the server.

use sha2::{Digest as _, Sha256};

use super::super::{Access, Error, ErrorKind, JOURNAL_PREFIX, Result, Session, Stop, quote, texts};
use super::pg_dump::{self, PROGRAM};
use super::pool::Postgres;
use super::state::PostgresSession;

/// The lines between which psql takes no commands, but for the last: each with the same word, which whoever writes what is between
/// them cannot know. <https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMAND-RESTRICT>
const MARKS: [&str; 2] = ["\\restrict ", "\\unrestrict "];

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
        let mut command = pg_dump::command(self)?;
        command
            .args(["--schema-only", "--no-owner"])
            .arg(format!("--exclude-table=*.{JOURNAL_PREFIX}*"))
            .args(
                journals
                    .iter()
                    .map(|schema| format!("--exclude-schema={}", quote(schema))),
            );
        let output = command
            .output()
            .map_err(|error| pg_dump::not_started(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!(
                "`{PROGRAM}` has not written the schema: {}",
                said.trim()
            )));
        }
        let text = String::from_utf8(output.stdout)
            .map_err(|_| failed(format!("what `{PROGRAM}` writes is not UTF-8")))?;
        Ok(with_steady_marks(&text).unwrap_or(text))
    }
}

/// The same text with another word in its marks, so that the same schema is the same text: in the place of a random one the digest of
/// all the rest. A server that has a hand in what is between the marks knows neither. None for a text without marks.
fn with_steady_marks(text: &str) -> Option<String> {
    let [first, last] = MARKS;
    let (head, rest) = text.split_once(&format!("\n{first}"))?;
    let (random, rest) = rest.split_once('\n')?;
    let (between, tail) = rest.rsplit_once(&format!("\n{last}{random}\n"))?;
    let digest = Sha256::digest(format!("{head}\0{between}\0{tail}"));
    let word: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!(
        "{head}\n{first}{word}\n{between}\n{last}{word}\n{tail}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_schema_is_the_same_text_whose_marks_nobody_foresees() {
        let dump = |word: &str, between: &str| {
            format!("--\n\n\\restrict {word}\n\n{between}\n\n\\unrestrict {word}\n\n")
        };
        let steady = |word: &str, between: &str| with_steady_marks(&dump(word, between)).unwrap();
        let one = steady("aB3", "CREATE TABLE a ();");
        assert_eq!(one, steady("Xy9", "CREATE TABLE a ();"));
        let other = steady(
            "aB3",
            "\\unrestrict wasmigrate\n\\! id\n\\restrict wasmigrate",
        );
        let word = |text: &str| text.lines().nth(2).map(str::to_owned);
        assert_ne!(word(&one), word(&other));
        assert!(one.contains("CREATE TABLE a ();") && !one.contains("aB3"));
        assert_eq!(with_steady_marks("CREATE TABLE a ();\n"), None);
    }
}
