//! What comes after each line of a SQL text. It is told for all lines at once: a text may have as many comments that ask for it as
//! it has lines.

use super::annotation::{Annotation, annotation};
use super::comment::Scan;

/// The lines of a text, and which of them say what.
pub(super) struct Below<'t> {
    lines: Vec<&'t str>,
    /// Those on which there is something of a statement.
    statements: Vec<usize>,
    /// Those that begin with a comment in the middle of a statement.
    within: Vec<usize>,
    /// Those with which a section begins.
    sections: Vec<usize>,
    /// Those that say anything.
    words: Vec<usize>,
}

impl<'t> Below<'t> {
    pub(super) fn of(text: &'t str, scan: &Scan<'_>) -> Self {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let numbers = |is_one: &dyn Fn(&str) -> bool| {
            let numbered = (1..).zip(&lines).filter(|(_, line)| is_one(line));
            numbered.map(|(number, _)| number).collect()
        };
        let begins_section = |line: &str| {
            matches!(
                annotation(line),
                Some(Annotation::Section { .. } | Annotation::Divider(_))
            )
        };
        Self {
            statements: scan.statements.clone(),
            within: scan.within.clone(),
            sections: numbers(&begins_section),
            words: numbers(&|line| line.contains(char::is_alphanumeric)),
            lines,
        }
    }

    /// The line with this number.
    pub(super) fn line(&self, number: usize) -> &'t str {
        let line = number
            .checked_sub(1)
            .and_then(|place| self.lines.get(place));
        line.copied().unwrap_or_default()
    }

    /// Whether there is a statement before the next section.
    pub(super) fn has_statement(&self, line: usize) -> bool {
        let section = next(&self.sections, line);
        next(&self.statements, line)
            .is_some_and(|statement| section.is_none_or(|section| statement < section))
    }

    /// Whether a line begins with a comment in the middle of a statement.
    pub(super) fn is_within_statement(&self, line: usize) -> bool {
        self.within.binary_search(&line).is_ok()
    }

    /// Whether a statement is what says anything next.
    pub(super) fn is_right_before_statement(&self, line: usize) -> bool {
        let word = next(&self.words, line);
        next(&self.statements, line)
            .is_some_and(|statement| word.is_none_or(|word| word >= statement))
    }
}

/// The first of these lines after another one.
fn next(lines: &[usize], line: usize) -> Option<usize> {
    let place = lines.partition_point(|known| *known <= line);
    lines.get(place).copied()
}
