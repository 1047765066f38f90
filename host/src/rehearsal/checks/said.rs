//! What the statements of a step say.

use std::collections::BTreeSet;

use crate::database::Aspect;

/// What the statements of the step say.
pub(super) struct Said {
    /// All of it, in small letters, with single spaces.
    pub(super) text: String,
    pub(super) words: BTreeSet<String>,
}

impl Said {
    pub(super) fn of(statements: &str) -> Self {
        let text = statements.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = text.to_lowercase();
        let words = words(&text).map(str::to_owned).collect();
        Self { text, words }
    }

    /// Whether a statement names this, with its schema or without.
    pub(super) fn names(&self, name: &str) -> bool {
        let name = name.rsplit('.').next().unwrap_or(name).to_lowercase();
        let mut parts = words(&name).peekable();
        parts.peek().is_some() && parts.all(|part| self.words.contains(part))
    }

    /// Whether a statement is about this aspect of tables.
    pub(super) fn speaks_of(&self, aspect: Aspect) -> bool {
        let phrases: &[&str] = match aspect {
            Aspect::Default => &["drop default", "set default"],
            Aspect::NotNull => &["drop not null"],
            Aspect::Collation => &["collate"],
            Aspect::ForeignKey => &["no action"],
            Aspect::Comment => &["comment on"],
            Aspect::Grants => &["grant ", "revoke "],
            Aspect::RowSecurity => &["row level security"],
            Aspect::Statistics => &["set statistics"],
            Aspect::Storage => &["set storage"],
            _ => &[],
        };
        phrases.iter().any(|phrase| self.text.contains(phrase))
    }
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
}
