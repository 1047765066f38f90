//! What a transformation adds to a table's schema, and takes away again.
//!
//! The capture is a table of keys, into which triggers write the key of each row that is inserted or changed in what the
//! function sees. It only ever grows until the drain takes out what it has read, so that the application never waits for
//! it. Its names are not the journal's: the application writes to it.

use super::send;
use super::table::TransformedTable;
use crate::database::{Result, Session, quote};

impl TransformedTable {
    /// Adds the derived columns and the capture of changes.
    pub async fn install(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        let keys: Vec<String> = (self.captured_keys().iter())
            .zip(&self.key)
            .map(|(name, column)| format!("{name} {}", column.type_name))
            .collect();
        let capture = format!(
            "CREATE TABLE {} ({}, {})",
            self.capture_name(),
            dialect.capture_number(),
            keys.join(", ")
        );
        let mut statements = dialect.add_columns(self);
        statements.push(capture);
        statements.extend(dialect.install_function(self));
        statements.extend(dialect.install_triggers(self));
        send(session, statements).await?;
        dialect.protect_capture(session, self).await?;
        dialect.protect_function(session, self).await
    }

    /// Whether triggers call something that an earlier version of the host may have made in another way.
    pub fn has_function(&self, session: &dyn Session) -> bool {
        let dialect = session.server().transforming;
        !dialect.install_function(self).is_empty()
    }

    /// Puts what the triggers call in the place of what an earlier version of the host has made.
    pub async fn install_function(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        send(session, dialect.install_function(self)).await?;
        dialect.protect_function(session, self).await
    }

    /// Adds the triggers of the capture.
    pub async fn install_triggers(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        send(session, dialect.install_triggers(self)).await
    }

    /// Removes them.
    pub async fn remove_triggers(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        send(session, dialect.remove_triggers(self)).await
    }

    /// Removes the capture of changes; returns the names of other tables that had triggers of it.
    pub async fn remove_capture(&self, session: &mut dyn Session) -> Result<Vec<String>> {
        let dialect = session.server().transforming;
        let strays = dialect.remove_strays(session, self).await?;
        let mut statements = dialect.remove_triggers(self);
        statements.extend(dialect.remove_function(self));
        statements.push(format!("DROP TABLE IF EXISTS {}", self.capture_name()));
        send(session, statements).await?;
        Ok(strays)
    }

    /// Removes the derived columns.
    pub async fn remove_columns(&self, session: &mut dyn Session) -> Result<()> {
        let columns = self.present.iter().rev();
        let drop = columns.map(|column| {
            let name = quote(&column.name);
            format!("ALTER TABLE {} DROP COLUMN {name}", self.name)
        });
        send(session, drop.collect::<Vec<_>>()).await
    }

    /// Puts the derived columns in the place of the old ones, and demands values where there must be some.
    pub async fn cut_over(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        send(session, dialect.demand_values(self)).await?;
        self.cut_over_empty(session).await
    }

    /// The same before there are any values.
    pub async fn cut_over_empty(&self, session: &mut dyn Session) -> Result<()> {
        send(session, self.exchange_columns()).await
    }

    /// What the cut-over does to the schema, and nothing else.
    pub fn cut_over_of_schema(&self, session: &dyn Session) -> Vec<String> {
        let mut statements = session.server().transforming.remove_triggers(self);
        statements.extend(self.exchange_columns());
        statements
    }

    fn exchange_columns(&self) -> Vec<String> {
        let alter = format!("ALTER TABLE {}", self.name);
        let replaced = self
            .derived
            .iter()
            .filter_map(|column| column.replaces.as_ref());
        let drop = self.dropped.iter().chain(replaced);
        let mut statements: Vec<String> = drop
            .map(|name| format!("{alter} DROP COLUMN {}", quote(name)))
            .collect();
        for column in &self.derived {
            if let Some(replaced) = &column.replaces {
                let (name, replaced) = (quote(&column.name), quote(replaced));
                statements.push(format!("{alter} RENAME COLUMN {name} TO {replaced}"));
            }
        }
        statements
    }

    /// Inserts the key of a trigger's row into the capture.
    pub(in crate::database) fn capture_new_key(&self) -> String {
        let new_keys: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("NEW.{}", quote(&column.name)))
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({});",
            self.capture_name(),
            self.captured_keys().join(", "),
            new_keys.join(", ")
        )
    }

    /// Locks the table against all others until the transaction ends.
    pub async fn lock(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        dialect.lock(session, self).await
    }

    /// Waits for a vacuum of the table to end and lets no other begin until the transaction ends. The application goes on,
    /// and does not wait for those who wait for this.
    pub async fn keep_vacuum_away(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        dialect.keep_vacuum_away(session, self).await
    }

    /// A default for each required column, see [`super::Transforming::defaults`].
    pub async fn defaults(&self, session: &mut dyn Session) -> Result<Option<Vec<String>>> {
        let dialect = session.server().transforming;
        dialect.defaults(session, self).await
    }

    /// Adds these defaults and checks that the required columns have values, which hold for what is written from now on.
    pub async fn add_checks(&self, session: &mut dyn Session, defaults: &[String]) -> Result<()> {
        let dialect = session.server().transforming;
        dialect.add_checks(session, self, defaults).await
    }

    /// Finds out that the checks hold for all rows, too.
    pub async fn validate_checks(&self, session: &mut dyn Session) -> Result<()> {
        let dialect = session.server().transforming;
        dialect.validate_checks(session, self).await
    }
}
