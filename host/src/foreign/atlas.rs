//! Atlas: <https://github.com/ariga/atlas/blob/master/sql/migrate/migrate.go>, `Revision`.

use super::row::{cells, text, version_from};
use super::{Entry, History, Table};
use crate::database::{Read, Result, Session, TableQuery};

/// The bit of a revision up to which all was there before Atlas came.
const BASELINE: i64 = 1;

/// The bit of a revision that failed and was mended by hand.
const RESOLVED: i64 = 4;

pub(super) async fn read(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Text("version"),
            Read::Plain("hash"),
            Read::Milliseconds("executed_at"),
            Read::Integer("type"),
            Read::Integer("applied"),
            Read::Integer("total"),
            Read::Text("error"),
        ],
        order_by: Some("version"),
        most_rows: None,
    };
    let mut history = History::default();
    for row in session.read_table(&query).await? {
        let [version, hash, at, kind, applied, total, error] = cells(row)?;
        let label = text(&version);
        // What the cloud of Atlas keeps beside them.
        if label.starts_with('.') {
            continue;
        }
        let kind = kind.as_integer().unwrap_or_default();
        let version = version_from(&label)?;
        if kind & BASELINE != 0 {
            history.remarks.push(format!(
                "Atlas was told that all up to version {label} was done"
            ));
            history.through = history.through.take().max(Some(version));
            continue;
        }
        let is_whole = applied.as_integer() == total.as_integer() && text(&error).is_empty();
        history.entries.push(Entry {
            version,
            checksum: Some(text(&hash)).filter(|hash| !hash.is_empty()),
            applied_at: at.as_integer(),
            flaw: (!is_whole && kind & RESOLVED == 0)
                .then(|| "failed halfway; repair it with Atlas first".to_owned()),
            label,
        });
    }
    Ok(history)
}
