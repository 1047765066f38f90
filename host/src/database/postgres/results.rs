//! Results on their way from the server to whoever reads them.

use std::collections::VecDeque;
use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;

use super::super::{Authority, Batch, Cell, Column, ColumnBuilder, Error, ErrorKind, Result};
use super::text;

/// How many rows are asked for first, when nobody knows how long they are.
const FIRST_PORTION: usize = 32;

/// How much of a result is asked for at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    pub(super) most_rows: usize,
    /// Rows after these bytes are thrown away.
    pub(super) most_bytes: usize,
}

impl Portion {
    /// That of a result which is read on afterwards.
    pub(super) const FIRST: Self = Self {
        most_rows: FIRST_PORTION,
        most_bytes: usize::MAX,
    };
}

/// How much more is asked for than the last time, at most.
const GROWTH: usize = 8;

/// An open result.
pub(super) struct Cursor {
    pub(super) authority: Authority,
    /// The portal on the server; none when all of its rows are here.
    pub(super) portal: Option<String>,
    pub(super) columns: Arc<[Column]>,
    pub(super) types: Vec<u32>,
    /// Rows that nobody has taken yet.
    pub(super) rows: VecDeque<DataRowBody>,
    /// How many rows were asked for last, and how many bytes they had.
    portion: usize,
    portion_bytes: usize,
}

impl Cursor {
    pub(super) fn new(authority: Authority, portal: String) -> Self {
        Self {
            authority,
            portal: Some(portal),
            columns: Arc::new([]),
            types: Vec::new(),
            rows: VecDeque::new(),
            portion: FIRST_PORTION,
            portion_bytes: 0,
        }
    }

    /// Takes a row that the server has sent.
    pub(super) fn take(&mut self, row: DataRowBody) {
        self.portion_bytes += row.buffer().len();
        self.rows.push_back(row);
    }

    /// How many rows to ask for, so that they have about `most_bytes`.
    pub(super) fn next_portion(&mut self, most_rows: usize, most_bytes: usize) -> usize {
        let bytes_of_row = (self.portion_bytes / self.portion.max(1)).max(1);
        let fit = (most_bytes / bytes_of_row).min(self.portion.saturating_mul(GROWTH));
        self.portion = fit.clamp(1, most_rows.max(1));
        self.portion_bytes = 0;
        self.portion
    }

    /// The next rows that are here: at most `most_rows`, and no more once `most_bytes` are reached.
    pub(super) fn batch(&mut self, most_rows: usize, most_bytes: usize) -> Result<Batch> {
        let mut builders: Vec<ColumnBuilder> = self
            .types
            .iter()
            .map(|type_number| ColumnBuilder::of(Some(text::form(*type_number))))
            .collect();
        let (mut row_count, mut bytes) = (0, 0);
        let mut scratch = Vec::new();
        while row_count < most_rows && bytes < most_bytes {
            let Some(row) = self.rows.pop_front() else {
                break;
            };
            bytes += row.buffer().len();
            let mut cells = row.ranges();
            for (builder, type_number) in builders.iter_mut().zip(&self.types) {
                let range = cells
                    .next()
                    .map_err(|error| unreadable(&error.to_string()))?
                    .flatten();
                let cell = match range.and_then(|range| row.buffer().get(range)) {
                    None => Cell::Null,
                    Some(value) => text::read(*type_number, value, &mut scratch)
                        .map_err(|why| unreadable(&why))?,
                };
                builder.push(cell);
            }
            row_count += 1;
        }
        Ok(Batch {
            row_count,
            columns: builders.into_iter().map(ColumnBuilder::finish).collect(),
        })
    }
}

/// A row of the host's own, as text.
pub(super) fn texts(row: &DataRowBody) -> Result<Vec<Option<String>>> {
    let cells = row.ranges().map(|range| {
        let text = range.and_then(|range| row.buffer().get(range));
        Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
    });
    cells
        .collect()
        .map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("the server's answer cannot be read: {why}"),
    )
}
