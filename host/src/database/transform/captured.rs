//! The capture: keys of rows that were changed, which wait for the drain.

use super::table::TransformedTable;
use super::{step_rows, use_exact_texts};
use crate::database::{Authority, Result, Session, Value, quote};

/// How many keys are captured by one statement: fewer parameters than every database takes.
const CAPTURED_AT_ONCE: usize = 500;

/// Some captured changes.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Their numbers.
    pub numbers: Vec<i64>,
    /// The keys of their rows; some of them are the same.
    pub keys: Vec<Vec<Value>>,
}

impl TransformedTable {
    /// The oldest captured changes, unless others can change what is captured.
    pub async fn captured(
        &self,
        session: &mut dyn Session,
        max_changes: usize,
    ) -> Result<Captured> {
        let query = format!(
            "SELECT id, {} FROM {} ORDER BY id LIMIT {max_changes}",
            self.captured_keys().join(", "),
            self.capture_name()
        );
        session
            .server()
            .transforming
            .check_capture(session, self)
            .await?;
        use_exact_texts(session).await?;
        let mut captured = Captured::default();
        for mut row in session.rows(&query, &[]).await? {
            captured.keys.push(row.split_off(1));
            captured
                .numbers
                .extend(row.first().and_then(Value::as_integer));
        }
        Ok(captured)
    }

    /// How many captured changes there are, counted up to a limit.
    pub async fn count_captured(&self, session: &mut dyn Session, limit: u64) -> Result<u64> {
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {limit}) AS captured",
            self.capture_name()
        );
        let rows = session.rows(&query, &[]).await?;
        let count = rows.first().and_then(|row| row.first()?.as_integer());
        Ok(count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    /// Captures keys, so that the drain takes up what became of their rows; returns how many they are.
    pub async fn capture(&self, session: &mut dyn Session, keys: Vec<Vec<Value>>) -> Result<u64> {
        let dialect = session.server().transforming;
        for keys in keys.chunks(CAPTURED_AT_ONCE) {
            let statement = format!(
                "INSERT INTO {} ({}) VALUES {}",
                self.capture_name(),
                self.captured_keys().join(", "),
                self.keys_as_parameters(keys.len())
            );
            let keys = keys.concat();
            dialect.change_capture(session, &statement, &keys).await?;
        }
        Ok(keys.len() as u64)
    }

    /// Takes changes out of the capture: those that were read, and no later ones of the same rows.
    pub async fn forget(&self, session: &mut dyn Session, changes: &[i64]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let statement = format!(
            "DELETE FROM {} WHERE id IN ({})",
            self.capture_name(),
            changes.join(", ")
        );
        let dialect = session.server().transforming;
        dialect.change_capture(session, &statement, &[]).await
    }

    /// Takes the derived values from those of the rows of these keys that are not concerned any more. Captures those that
    /// have kept them, because something kept them from being changed; returns how many.
    pub async fn clear(&self, session: &mut dyn Session, keys: &[&[Value]]) -> Result<u64> {
        let (Some(filter), false) = (&self.filter, keys.is_empty()) else {
            return Ok(0);
        };
        let dialect = session.server().transforming;
        let has_key = dialect.has_key_among(self, keys.len());
        let has_value = self.each_present().join(" OR ");
        let is_to_clear = format!("{has_key} AND ({filter}) IS NOT TRUE AND ({has_value})");
        let set: Vec<String> = self
            .derived
            .iter()
            .map(|column| format!("{} = NULL", quote(&column.name)))
            .collect();
        let clear = format!(
            "UPDATE {} SET {} WHERE {is_to_clear}",
            self.name,
            set.join(", ")
        );
        let keys = keys.concat();
        session.execute(Authority::Step, &clear, &keys).await?;
        let kept = format!(
            "SELECT {} FROM {} WHERE {is_to_clear}",
            self.key_columns(),
            self.name
        );
        let kept = step_rows(session, &kept, &keys).await?;
        self.capture(session, kept).await
    }
}
