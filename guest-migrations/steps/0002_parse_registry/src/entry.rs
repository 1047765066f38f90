//! What a record means.

use crate::record::{Record, RecordError};

/// One record of the registry.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The registry's first record: its date.
    Header { file_date: String },
    /// A subtag, a range of subtags, or a whole tag.
    Subtag(Box<Subtag>),
}

/// A subtag, a range of subtags, or a whole tag.
#[derive(Debug)]
pub(crate) struct Subtag {
    pub(crate) kind: String,
    /// A code, or a range of codes.
    pub(crate) code: String,
    pub(crate) descriptions: Vec<String>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) added: String,
    pub(crate) deprecated: Option<String>,
    pub(crate) preferred_value: Option<String>,
    pub(crate) suppress_script: Option<String>,
    pub(crate) macrolanguage: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) comments: Option<String>,
}

impl Entry {
    pub(crate) fn parse(body: &str) -> Result<Self, RecordError> {
        let record = Record::parse(body)?;
        if let Some(file_date) = record.optional("File-Date")? {
            return Ok(Self::Header {
                file_date: file_date.to_owned(),
            });
        }
        let kind = record.required("Type")?;
        // Records about whole tags call it by another name.
        let code = match kind {
            "grandfathered" | "redundant" => record.required("Tag")?,
            _ => record.required("Subtag")?,
        };
        let optional = |name| Ok(record.optional(name)?.map(str::to_owned));
        let all = |name| record.all(name).map(str::to_owned).collect::<Vec<_>>();
        let descriptions = all("Description");
        if descriptions.is_empty() {
            return Err(RecordError::Missing("Description"));
        }
        Ok(Self::Subtag(Box::new(Subtag {
            kind: kind.to_owned(),
            code: code.to_owned(),
            descriptions,
            prefixes: all("Prefix"),
            added: record.required("Added")?.to_owned(),
            deprecated: optional("Deprecated")?,
            preferred_value: optional("Preferred-Value")?,
            suppress_script: optional("Suppress-Script")?,
            macrolanguage: optional("Macrolanguage")?,
            scope: optional("Scope")?,
            comments: optional("Comments")?,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::codes;
    use std::collections::HashSet;

    const REGISTRY: &str = include_str!("../../../data/language-subtag-registry.txt");

    #[test]
    fn the_whole_registry_can_be_read() {
        let mut seen = HashSet::new();
        let mut headers = 0;
        for body in REGISTRY.split("%%\n") {
            match Entry::parse(body).unwrap() {
                Entry::Header { file_date } => {
                    assert_eq!(file_date, "2021-08-06");
                    headers += 1;
                }
                Entry::Subtag(subtag) => {
                    for code in codes(&subtag.code).unwrap() {
                        assert!(seen.insert((subtag.kind.clone(), code)), "{subtag:?}");
                    }
                }
            }
        }
        // 9,172 records, four of which are ranges of 520, 50, 14 and 26 codes.
        assert_eq!((headers, seen.len()), (1, 9_168 + 520 + 50 + 14 + 26));
    }

    #[test]
    fn a_record_without_a_description_is_refused() {
        let refused = Entry::parse("Type: language\nSubtag: xx\nAdded: 2020-01-01").unwrap_err();
        assert_eq!(refused, RecordError::Missing("Description"));
    }
}
