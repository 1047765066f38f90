//! Rows in columns: how bulk data travels between a step, the host and the database.

use super::Value;

/// Rows, column by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// How many rows there are.
    pub row_count: usize,
    /// The columns; each has `row_count` cells once [`Batch::check`] has said so.
    pub columns: Vec<ColumnData>,
}

/// One column of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnData {
    /// One byte a row, 0 for null; empty when nothing is null.
    pub validity: Vec<u8>,
    /// The cells, nulls included.
    pub values: ColumnValues,
}

/// The cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// True or false.
    Booleans(Vec<bool>),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Floating-point numbers.
    Floats(Vec<f64>),
    /// Texts: for each row the offset in bytes after its text, and all of them joined.
    Texts {
        /// The offsets.
        ends: Vec<u32>,
        /// The joined texts.
        data: String,
    },
    /// Byte strings: for each row the offset after it, and all of them joined.
    Bytes {
        /// The offsets.
        ends: Vec<u32>,
        /// The joined bytes.
        data: Vec<u8>,
    },
    /// Cells of more than one type.
    Mixed(Vec<Value>),
}

/// The type that all cells of a column have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnForm {
    /// True or false.
    Booleans,
    /// Whole numbers.
    Integers,
    /// Floating-point numbers.
    Floats,
    /// Texts.
    Texts,
    /// Byte strings.
    Bytes,
    /// No type in common.
    Mixed,
}

/// One cell, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Boolean(value) => Cell::Boolean(*value),
            Value::Integer(value) => Cell::Integer(*value),
            Value::Float(value) => Cell::Float(*value),
            Value::Text(text) | Value::Other { text, .. } => Cell::Text(text),
            Value::Bytes(bytes) => Cell::Bytes(bytes),
        }
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        owned(cell)
    }
}

impl Batch {
    /// Checks a batch that somebody else made: the number of cells in every column, the order of offsets, and the borders
    /// of characters. The error says what is wrong and in which column.
    pub fn check(&self) -> Result<(), String> {
        for (position, column) in self.columns.iter().enumerate() {
            column
                .check(self.row_count)
                .map_err(|why| format!("column {} of the batch: {why}", position + 1))?;
        }
        Ok(())
    }

    /// These rows, and those of another batch with the same columns after them.
    pub fn append(self, other: &Self) -> Self {
        if self.row_count == 0 {
            return other.clone();
        }
        let columns = self.columns.iter().zip(&other.columns);
        Self {
            row_count: self.row_count + other.row_count,
            columns: columns
                .map(|(first, second)| {
                    let mut builder = ColumnBuilder::of(Some(first.form()));
                    for row in 0..self.row_count {
                        builder.push(first.cell(row));
                    }
                    for row in 0..other.row_count {
                        builder.push(second.cell(row));
                    }
                    builder.finish()
                })
                .collect(),
        }
    }

    /// About how many bytes of memory the cells take.
    pub fn size(&self) -> usize {
        self.columns.iter().map(ColumnData::size).sum()
    }

    /// The rows of these numbers, in their order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            row_count: rows.len(),
            columns: self
                .columns
                .iter()
                .map(|column| column.select(rows))
                .collect(),
        }
    }

    /// The rows, one after the other.
    pub fn into_rows(self) -> impl Iterator<Item = Vec<Value>> {
        (0..self.row_count).map(move |row| {
            self.columns
                .iter()
                .map(|column| owned(column.cell(row)))
                .collect()
        })
    }
}

impl ColumnValues {
    fn empty(form: ColumnForm) -> Self {
        match form {
            ColumnForm::Booleans => Self::Booleans(Vec::new()),
            ColumnForm::Integers => Self::Integers(Vec::new()),
            ColumnForm::Floats => Self::Floats(Vec::new()),
            ColumnForm::Texts => Self::Texts {
                ends: Vec::new(),
                data: String::new(),
            },
            ColumnForm::Bytes => Self::Bytes {
                ends: Vec::new(),
                data: Vec::new(),
            },
            ColumnForm::Mixed => Self::Mixed(Vec::new()),
        }
    }
}

impl ColumnData {
    /// The form of its cells.
    pub fn form(&self) -> ColumnForm {
        match &self.values {
            ColumnValues::Booleans(_) => ColumnForm::Booleans,
            ColumnValues::Integers(_) => ColumnForm::Integers,
            ColumnValues::Floats(_) => ColumnForm::Floats,
            ColumnValues::Texts { .. } => ColumnForm::Texts,
            ColumnValues::Bytes { .. } => ColumnForm::Bytes,
            ColumnValues::Mixed(_) => ColumnForm::Mixed,
        }
    }

    /// Whether there is a cell that is not null.
    pub fn has_value(&self) -> bool {
        match &self.values {
            ColumnValues::Mixed(cells) => cells.iter().any(|cell| *cell != Value::Null),
            _ => self.validity.is_empty() || self.validity.contains(&1),
        }
    }

    fn size(&self) -> usize {
        match &self.values {
            ColumnValues::Booleans(cells) => cells.len(),
            ColumnValues::Integers(cells) => size_of_val(cells.as_slice()),
            ColumnValues::Floats(cells) => size_of_val(cells.as_slice()),
            ColumnValues::Mixed(cells) => cells.iter().map(Value::size).sum(),
            ColumnValues::Texts { ends, data } => size_of_val(ends.as_slice()) + data.len(),
            ColumnValues::Bytes { ends, data } => size_of_val(ends.as_slice()) + data.len(),
        }
    }

    /// The cells of these rows, in their order.
    fn select(&self, rows: &[usize]) -> Self {
        let mut builder = ColumnBuilder::of(Some(self.form()));
        for row in rows {
            builder.push(self.cell(*row));
        }
        builder.finish()
    }

    fn check(&self, row_count: usize) -> Result<(), String> {
        let cells = match &self.values {
            ColumnValues::Booleans(cells) => cells.len(),
            ColumnValues::Integers(cells) => cells.len(),
            ColumnValues::Floats(cells) => cells.len(),
            ColumnValues::Mixed(cells) => cells.len(),
            ColumnValues::Texts { ends, data } => {
                check_ends(ends, data.len())?;
                if let Some(end) = ends
                    .iter()
                    .find(|end| !data.is_char_boundary(**end as usize))
                {
                    return Err(format!("offset {end} splits a character"));
                }
                ends.len()
            }
            ColumnValues::Bytes { ends, data } => {
                check_ends(ends, data.len())?;
                ends.len()
            }
        };
        if cells != row_count {
            return Err(format!("{cells} cells for {row_count} rows"));
        }
        if !self.validity.is_empty() && self.validity.len() != row_count {
            return Err(format!(
                "{} validity bytes for {row_count} rows",
                self.validity.len()
            ));
        }
        Ok(())
    }

    /// The cell of one row; null where there is none.
    #[inline]
    pub fn cell(&self, row: usize) -> Cell<'_> {
        if self.validity.get(row) == Some(&0) {
            return Cell::Null;
        }
        let cell = match &self.values {
            ColumnValues::Booleans(cells) => cells.get(row).map(|value| Cell::Boolean(*value)),
            ColumnValues::Integers(cells) => cells.get(row).map(|value| Cell::Integer(*value)),
            ColumnValues::Floats(cells) => cells.get(row).map(|value| Cell::Float(*value)),
            ColumnValues::Texts { ends, data } => {
                slice(ends, row).and_then(|range| data.get(range).map(Cell::Text))
            }
            ColumnValues::Bytes { ends, data } => {
                slice(ends, row).and_then(|range| data.get(range).map(Cell::Bytes))
            }
            ColumnValues::Mixed(cells) => cells.get(row).map(Cell::from),
        };
        cell.unwrap_or(Cell::Null)
    }
}

#[inline]
fn slice(ends: &[u32], row: usize) -> Option<std::ops::Range<usize>> {
    let start = match row.checked_sub(1) {
        Some(before) => *ends.get(before)? as usize,
        None => 0,
    };
    Some(start..*ends.get(row)? as usize)
}

fn check_ends(ends: &[u32], length: usize) -> Result<(), String> {
    let mut before = 0;
    for end in ends {
        if *end < before {
            return Err(format!("offset {end} comes after offset {before}"));
        }
        before = *end;
    }
    if before as usize > length {
        return Err(format!("offset {before} lies outside {length} bytes"));
    }
    Ok(())
}

/// Builds one column cell by cell, when the database tells a cell's type only as it comes.
#[derive(Debug, Default)]
pub struct ColumnBuilder {
    rows: usize,
    validity: Vec<u8>,
    values: Option<ColumnValues>,
}

impl ColumnBuilder {
    /// A column of this form, also when all its cells are null. Without one, the first cell that is not null decides.
    pub fn of(form: Option<ColumnForm>) -> Self {
        Self {
            values: form.map(ColumnValues::empty),
            ..Self::default()
        }
    }

    /// Adds a cell. One that does not fit the column's form makes it mixed.
    #[inline]
    pub fn push(&mut self, cell: Cell<'_>) {
        match (&mut self.values, cell) {
            (Some(ColumnValues::Integers(cells)), Cell::Integer(value)) => cells.push(value),
            (Some(ColumnValues::Floats(cells)), Cell::Float(value)) => cells.push(value),
            (Some(ColumnValues::Texts { ends, data }), Cell::Text(text)) => {
                data.push_str(text);
                ends.push(offset(data.len()));
            }
            (Some(ColumnValues::Bytes { ends, data }), Cell::Bytes(bytes)) => {
                data.extend_from_slice(bytes);
                ends.push(offset(data.len()));
            }
            (Some(ColumnValues::Booleans(cells)), Cell::Boolean(value)) => cells.push(value),
            (Some(ColumnValues::Mixed(cells)), cell) => cells.push(owned(cell)),
            (_, Cell::Null) => self.push_null(),
            (None, cell) => {
                self.values = Some(column_of(cell, self.rows));
                self.push(cell);
                return;
            }
            (Some(_), cell) => {
                self.mix();
                self.push(cell);
                return;
            }
        }
        self.rows += 1;
        if !self.validity.is_empty() && self.validity.len() < self.rows {
            self.validity.push(1);
        }
    }

    /// The finished column.
    pub fn finish(self) -> ColumnData {
        ColumnData {
            validity: self.validity,
            // Nothing but nulls, and nobody knows of what type.
            values: self
                .values
                .unwrap_or_else(|| ColumnValues::Mixed(vec![Value::Null; self.rows])),
        }
    }

    fn push_null(&mut self) {
        if self.validity.is_empty() {
            self.validity = vec![1; self.rows];
        }
        self.validity.push(0);
        match &mut self.values {
            Some(ColumnValues::Integers(cells)) => cells.push(0),
            Some(ColumnValues::Floats(cells)) => cells.push(0.0),
            Some(ColumnValues::Booleans(cells)) => cells.push(false),
            Some(ColumnValues::Texts { ends, data }) => ends.push(offset(data.len())),
            Some(ColumnValues::Bytes { ends, data }) => ends.push(offset(data.len())),
            Some(ColumnValues::Mixed(cells)) => cells.push(Value::Null),
            None => {}
        }
    }

    fn mix(&mut self) {
        let column = ColumnData {
            validity: std::mem::take(&mut self.validity),
            values: self
                .values
                .take()
                .unwrap_or(ColumnValues::Mixed(Vec::new())),
        };
        let cells = (0..self.rows).map(|row| owned(column.cell(row))).collect();
        self.values = Some(ColumnValues::Mixed(cells));
    }
}

/// A column in the form of `cell`, with `rows` empty cells.
fn column_of(cell: Cell<'_>, rows: usize) -> ColumnValues {
    match cell {
        Cell::Null => ColumnValues::Mixed(vec![Value::Null; rows]),
        Cell::Boolean(_) => ColumnValues::Booleans(vec![false; rows]),
        Cell::Integer(_) => ColumnValues::Integers(vec![0; rows]),
        Cell::Float(_) => ColumnValues::Floats(vec![0.0; rows]),
        Cell::Text(_) => ColumnValues::Texts {
            ends: vec![0; rows],
            data: String::new(),
        },
        Cell::Bytes(_) => ColumnValues::Bytes {
            ends: vec![0; rows],
            data: Vec::new(),
        },
    }
}

fn owned(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(value) => Value::Boolean(value),
        Cell::Integer(value) => Value::Integer(value),
        Cell::Float(value) => Value::Float(value),
        Cell::Text(text) => Value::Text(text.to_owned()),
        Cell::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

/// Batches are cut off long before 4 GiB, so the offset always fits.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[Cell<'_>]) -> ColumnData {
        let mut builder = ColumnBuilder::default();
        for cell in cells {
            builder.push(*cell);
        }
        builder.finish()
    }

    #[test]
    fn every_sequence_of_cells_comes_back_as_it_went_in() {
        let kinds = [
            Cell::Null,
            Cell::Integer(7),
            Cell::Text("zwölf"),
            Cell::Bytes(&[1, 2]),
            Cell::Float(0.5),
        ];
        // All sequences of four cells: nulls first, types that change, nothing but nulls.
        for number in 0..kinds.len().pow(4) {
            let cells: Vec<Cell<'_>> = (0..4)
                .map(|place| kinds[number / kinds.len().pow(place) % kinds.len()])
                .collect();
            let column = column(&cells);
            column.check(cells.len()).unwrap();
            let back: Vec<Cell<'_>> = (0..cells.len()).map(|row| column.cell(row)).collect();
            assert_eq!(back, cells);
        }
    }

    #[test]
    fn a_batch_that_lies_is_found_out() {
        let texts = |ends: &[u32]| ColumnData {
            validity: vec![],
            values: ColumnValues::Texts {
                ends: ends.to_vec(),
                data: "aé".into(),
            },
        };
        assert_eq!(texts(&[1, 3]).check(2), Ok(()));
        assert!(texts(&[1, 2]).check(2).unwrap_err().contains("splits"));
        assert!(texts(&[3, 1]).check(2).unwrap_err().contains("after"));
        assert!(texts(&[1, 9]).check(2).unwrap_err().contains("outside"));
        assert!(texts(&[1]).check(2).unwrap_err().contains("1 cells"));
    }
}
