//! Statements about the journal's tables.
//!
//! They write the names of its tables without a schema. Here, and nowhere else, these become full names, so that no name of
//! a step's can be meant; whatever else the host says is sent to the letter.

use crate::database::{Error, JOURNAL_PREFIX, Result, Session, Value};

/// A session that is told about the journal's tables.
pub(super) struct Tables<'s, 'd>(&'s mut (dyn Session + 'd));

/// The journal's tables in the target of a session.
pub(super) fn tables<'s, 'd>(session: &'s mut (dyn Session + 'd)) -> Tables<'s, 'd> {
    Tables(session)
}

impl Tables<'_, '_> {
    /// See [`Session`].
    pub(super) async fn rows(
        self,
        statement: &str,
        parameters: &[Value],
    ) -> Result<Vec<Vec<Value>>> {
        let statement = self.in_full(statement);
        self.0.rows(&statement, parameters).await
    }

    /// See [`crate::database::Statements::execute_later`].
    pub(super) async fn execute_later(self, statement: &str, parameters: &[Value]) -> Result<()> {
        let statement = self.in_full(statement);
        self.0.execute_later(&statement, parameters).await
    }

    /// See [`crate::database::Statements::require`].
    pub(super) async fn require(
        self,
        statement: &str,
        parameters: &[Value],
        rows: u64,
        otherwise: Error,
    ) -> Result<()> {
        let statement = self.in_full(statement);
        self.0
            .require(&statement, parameters, rows, otherwise)
            .await
    }

    /// A statement of the journal, which holds no values but as parameters.
    fn in_full(&self, statement: &str) -> String {
        match self.0.journal_schema() {
            Some(schema) => {
                statement.replace(JOURNAL_PREFIX, &format!("{schema}.{JOURNAL_PREFIX}"))
            }
            None => statement.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Where a statement about the journal's tables goes to the session itself, and means whatever has that name.
    fn bare(file: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        let calls = [".rows(", ".execute_later(", ".require("];
        calls
            .iter()
            .flat_map(|call| text.match_indices(call))
            .filter(|(at, _)| text[..*at].trim_end().ends_with("session"))
            .map(|(at, _)| text[at..].split_inclusive(')').next().unwrap_or_default())
            .filter(|statement| statement.contains(super::JOURNAL_PREFIX))
            .map(|statement| format!("{}: {statement}", file.display()))
            .collect()
    }

    fn files(directory: &Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .flat_map(|path| match path.is_dir() {
                true => files(&path),
                false => vec![path],
            })
            .collect()
    }

    #[test]
    fn every_statement_of_the_journal_names_its_tables_in_full() {
        let journal = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/journal");
        let bare: Vec<String> = files(&journal).iter().flat_map(|file| bare(file)).collect();
        assert_eq!(bare, [""; 0], "write `tables(session)` for these");
    }
}
