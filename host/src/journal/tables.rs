//! Statements about the journal's tables.
//!
//! They write the names of its tables without a schema. Here, and nowhere else, these become full names, so that no name of
//! a step's can be meant; whatever else the host says is sent to the letter.

use crate::database::{Authority, CursorId, Error, JOURNAL_PREFIX, Result, Session, Value};

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

    /// See [`crate::database::Statements::query`].
    pub(super) async fn query(self, statement: &str, parameters: &[Value]) -> Result<CursorId> {
        let statement = self.in_full(statement);
        self.0.query(Authority::Host, &statement, parameters).await
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
