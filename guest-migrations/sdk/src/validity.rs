//! Which cells of a column are null.

/// One flag a row, as it crosses the boundary; none at all while nothing is null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validity(Vec<u8>);

impl Validity {
    /// Takes the flags of a column that came from the host.
    #[must_use]
    pub fn from_flags(flags: Vec<u8>) -> Self {
        Self(flags)
    }

    /// The flags as the contract has them: 0 where null, 1 where not, none when nothing is null.
    #[must_use]
    pub fn into_flags(self) -> Vec<u8> {
        self.0
    }

    /// Whether the cell of this row is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.0.get(row) == Some(&0)
    }

    /// Whether no cell is null, so that nobody needs to look.
    #[must_use]
    pub fn all_valid(&self) -> bool {
        !self.0.contains(&0)
    }

    /// Whether every cell is null (and there is one).
    #[must_use]
    pub fn all_null(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|flag| *flag == 0)
    }

    /// Adds a row behind `rows` others.
    pub(crate) fn push(&mut self, valid: bool, rows: usize) {
        if self.0.is_empty() {
            if valid {
                return;
            }
            self.0.resize(rows, 1);
        }
        self.0.push(u8::from(valid));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_appear_with_the_first_null() {
        let mut validity = Validity::default();
        for (row, valid) in [true, true, false, true].into_iter().enumerate() {
            validity.push(valid, row);
        }
        assert!(validity.is_null(2) && !validity.is_null(1) && !validity.is_null(3));
        assert_eq!(validity.into_flags(), [1, 1, 0, 1]);
    }

    #[test]
    fn a_null_in_the_first_row_counts() {
        let mut validity = Validity::default();
        validity.push(false, 0);
        assert!(validity.all_null());
        validity.push(true, 1);
        assert_eq!(validity.into_flags(), [0, 1]);
    }
}
