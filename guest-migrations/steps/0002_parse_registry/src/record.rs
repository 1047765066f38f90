//! The record-jar form: `Name: value` lines, of which a long one is folded.

use std::fmt;

/// A record's fields, in their order. Names may repeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    fields: Vec<(String, String)>,
}

/// What is wrong with a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// A line that is neither a field nor the rest of one.
    NoField(String),
    /// The record does not have a field that it must have.
    Missing(&'static str),
    /// The record has a field more than once that it may have once.
    Repeated(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoField(line) => write!(
                formatter,
                "the line {line:?} is neither a field nor the rest of one"
            ),
            Self::Missing(name) => write!(formatter, "the field {name} is missing"),
            Self::Repeated(name) => write!(formatter, "the field {name} is there twice"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Reads the lines of one record.
    pub(crate) fn parse(body: &str) -> Result<Self, RecordError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            if line.starts_with([' ', '\t']) {
                let Some((_, value)) = fields.last_mut() else {
                    return Err(RecordError::NoField(line.to_owned()));
                };
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line
                    .split_once(':')
                    .ok_or_else(|| RecordError::NoField(line.to_owned()))?;
                fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Ok(Self { fields })
    }

    /// Every value of a field. Names are compared without regard to case, as the format asks for.
    pub(crate) fn all<'record>(
        &'record self,
        name: &'record str,
    ) -> impl Iterator<Item = &'record str> {
        self.fields
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of a field that is there once or not at all.
    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<&str>, RecordError> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(RecordError::Repeated(name)),
            None => Ok(first),
        }
    }

    /// The value of a field that is there once.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, RecordError> {
        self.optional(name)?.ok_or(RecordError::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_are_joined() {
        let record = Record::parse(
            "Description: Interlingua (International Auxiliary Language\r\n  Association)\r\nAdded: 2005-10-16\r\n",
        )
        .unwrap();
        assert_eq!(
            record.required("Description").unwrap(),
            "Interlingua (International Auxiliary Language Association)"
        );
        assert_eq!(record.required("added").unwrap(), "2005-10-16");
    }

    #[test]
    fn repeated_fields_keep_their_order() {
        let record = Record::parse("Prefix: sl\nPrefix: sl-nedis\n").unwrap();
        assert_eq!(record.all("Prefix").collect::<Vec<_>>(), ["sl", "sl-nedis"]);
        assert_eq!(
            record.required("Prefix"),
            Err(RecordError::Repeated("Prefix"))
        );
        assert_eq!(record.required("Type"), Err(RecordError::Missing("Type")));
        assert_eq!(record.optional("Type"), Ok(None));
    }

    #[test]
    fn what_is_no_field_is_named() {
        for body in ["  folded from nothing", "Type language"] {
            assert_eq!(
                Record::parse(body),
                Err(RecordError::NoField(body.to_owned()))
            );
        }
    }
}
