//! Names that a symbol joins: those of a list by commas, and those of what is in a schema by dots.

use super::lexer::Token;

/// Where the names begin that a symbol joins to the one at a place: told place by place, because each may be asked for.
pub(super) struct Chain {
    symbol: &'static str,
    /// For the last two places.
    starts: [usize; 2],
}

impl Chain {
    pub(super) fn of(symbol: &'static str) -> Self {
        Self {
            symbol,
            starts: [0; 2],
        }
    }

    /// For the place after the one that was asked for last.
    pub(super) fn start(&mut self, tokens: &[Token<'_>], place: usize) -> usize {
        let joins = |before: usize| {
            tokens
                .get(before)
                .is_some_and(|it| it.is_symbol(self.symbol))
        };
        let [before_last, last] = self.starts;
        let start = match place.checked_sub(1) {
            Some(before) if before >= 1 && joins(before) => before_last,
            _ => place,
        };
        self.starts = [last, start];
        start
    }
}
