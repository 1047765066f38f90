//! A column of texts or byte strings: all of them in one buffer, so that no row costs an allocation.

use std::ops::Range;

use crate::bindings::wasmigrate::migration::types::{Blobs as BlobList, Texts as TextList};
use crate::validity::Validity;
use crate::{ColumnData, ColumnValues, OtherValue, Value};

/// A column of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    ends: Vec<u32>,
    data: String,
    validity: Validity,
}

/// A column of byte strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blobs {
    ends: Vec<u32>,
    data: Vec<u8>,
    validity: Validity,
}

/// Where the cell of a row lies in the buffer.
pub(crate) fn range(ends: &[u32], row: usize) -> Option<Range<usize>> {
    let start = match row.checked_sub(1) {
        Some(before) => *ends.get(before)?,
        None => 0,
    };
    Some(start as usize..*ends.get(row)? as usize)
}

/// A component's memory has 32-bit addresses, so a buffer in it cannot be longer than this can say.
fn end_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Texts {
    /// A column without rows, and room for some rows and bytes.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self {
            ends: Vec::with_capacity(rows),
            data: String::with_capacity(bytes),
            validity: Validity::default(),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All texts, one after the other.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Which rows are null.
    #[must_use]
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// Adds a row; none is null.
    pub fn push(&mut self, text: Option<&str>) {
        self.validity.push(text.is_some(), self.ends.len());
        self.data.push_str(text.unwrap_or_default());
        self.ends.push(end_of(self.data.len()));
    }

    /// Adds a row whose text is written straight into the buffer, behind what is there already.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        self.validity.push(true, self.ends.len());
        let before = self.ends.last().map_or(0, |end| *end as usize);
        write(&mut self.data);
        debug_assert!(self.data.len() >= before, "a text was removed");
        self.ends.push(end_of(self.data.len()));
    }

    /// The text of one row; none where it is null or not there.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        if self.validity.is_null(row) {
            return None;
        }
        self.data.get(range(&self.ends, row)?)
    }

    /// The rows; none is null.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(row, end)| {
            let range = start..*end as usize;
            start = range.end;
            if self.validity.is_null(row) {
                None
            } else {
                self.data.get(range)
            }
        })
    }

    /// Writes every ASCII letter large, in one pass over the buffer.
    pub fn make_ascii_uppercase(&mut self) {
        self.data.make_ascii_uppercase();
    }

    /// Writes every ASCII letter small, in one pass over the buffer.
    pub fn make_ascii_lowercase(&mut self) {
        self.data.make_ascii_lowercase();
    }

    /// Removes all rows and keeps the room.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.data.clear();
        self.validity.clear();
    }

    pub(crate) fn from_data(column: ColumnData) -> Option<Self> {
        let validity = Validity::from_flags(column.validity);
        match column.values {
            ColumnValues::Texts(TextList { ends, data }) => Some(Self {
                ends,
                data,
                validity,
            }),
            ColumnValues::Mixed(values) => {
                let mut texts = Self::with_capacity(values.len(), 0);
                for value in &values {
                    match value {
                        Value::Text(text) | Value::Other(OtherValue { text, .. }) => {
                            texts.push(Some(text));
                        }
                        Value::Null => texts.push(None),
                        _ => return None,
                    }
                }
                Some(texts)
            }
            values if validity.all_null() => Some(Self {
                ends: vec![0; crate::cells::rows(&values)],
                data: String::new(),
                validity,
            }),
            _ => None,
        }
    }
}

impl Blobs {
    /// A column without rows, and room for some rows and bytes.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self {
            ends: Vec::with_capacity(rows),
            data: Vec::with_capacity(bytes),
            validity: Validity::default(),
        }
    }

    /// Adds a row; none is null.
    pub fn push(&mut self, bytes: Option<&[u8]>) {
        self.validity.push(bytes.is_some(), self.ends.len());
        self.data.extend_from_slice(bytes.unwrap_or_default());
        self.ends.push(end_of(self.data.len()));
    }

    /// The bytes of one row; none where it is null or not there.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.validity.is_null(row) {
            return None;
        }
        self.data.get(range(&self.ends, row)?)
    }

    /// The rows; none is null.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.ends.len()).map(|row| self.get(row))
    }

    pub(crate) fn from_data(column: ColumnData) -> Option<Self> {
        let validity = Validity::from_flags(column.validity);
        match column.values {
            ColumnValues::Bytes(BlobList { ends, data }) => Some(Self {
                ends,
                data,
                validity,
            }),
            ColumnValues::Mixed(values) => {
                let mut blobs = Self::default();
                for value in &values {
                    match value {
                        Value::Bytes(bytes) => blobs.push(Some(bytes)),
                        Value::Null => blobs.push(None),
                        _ => return None,
                    }
                }
                Some(blobs)
            }
            values if validity.all_null() => Some(Self {
                ends: vec![0; crate::cells::rows(&values)],
                data: Vec::new(),
                validity,
            }),
            _ => None,
        }
    }
}

impl From<Texts> for ColumnData {
    fn from(column: Texts) -> Self {
        Self {
            validity: column.validity.into_flags(),
            values: ColumnValues::Texts(TextList {
                ends: column.ends,
                data: column.data,
            }),
        }
    }
}

impl From<Blobs> for ColumnData {
    fn from(column: Blobs) -> Self {
        Self {
            validity: column.validity.into_flags(),
            values: ColumnValues::Bytes(BlobList {
                ends: column.ends,
                data: column.data,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_one_buffer() {
        let mut texts = Texts::default();
        texts.push(Some("é"));
        texts.push(None);
        texts.push_with(|buffer| buffer.push_str("ab"));
        texts.push(Some(""));
        let expected = [Some("é"), None, Some("ab"), Some("")];
        assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
        assert_eq!(texts.data(), "éab");
        let again = Texts::from_data(ColumnData::from(texts.clone())).unwrap();
        assert_eq!(again, texts);
        assert_eq!(again.get(2), Some("ab"));
        assert_eq!(again.get(4), None);
    }

    #[test]
    fn numbers_are_no_texts() {
        assert!(Texts::from_data(ColumnData::from(vec![Value::Integer(1)])).is_none());
        assert!(Blobs::from_data(ColumnData::from(vec![Value::Text("a".into())])).is_none());
    }
}
