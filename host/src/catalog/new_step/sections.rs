//! The lines that take a file of SQL apart, for the next file.

use super::super::annotation::{self, Annotation, Dialect, Part, annotation};

/// How a file is taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sections {
    /// By our own lines.
    Own,
    /// By those of another tool, as they stand in its files.
    Copied(Vec<String>),
}

impl Sections {
    /// As the file with this text is.
    pub(super) fn of(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| match annotation(line)? {
            Annotation::Section {
                dialect: Dialect::Own,
                ..
            } => None,
            Annotation::Section {
                dialect,
                part: Part::Migrate,
                transactional: false,
            } => Some(annotation::first_line(dialect, text)),
            Annotation::Section { .. } | Annotation::Divider(_) => Some(line.trim().to_owned()),
            _ => None,
        });
        let lines: Vec<String> = lines.collect();
        match lines.is_empty() {
            true => Self::Own,
            false => Self::Copied(lines),
        }
    }
}
