//! A step as an operator names it: by its index, its version or its name.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::catalog::{StepKind, Version, step_label};

/// Which step is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum StepReference {
    /// The step with this index.
    Index(u64),
    /// The step `NNNN_name` or `V1_2__name`, its index or version as a text, or the name of its file.
    Name(String),
}

impl StepReference {
    /// The index of the step that is meant, among these indexes and names; none when there is none, or more than one.
    pub fn find<'s>(&self, steps: impl Iterator<Item = (u64, &'s str)>) -> Option<u64> {
        let mut meant = steps.filter(|(index, name)| self.means(*index, name));
        let (index, _) = meant.next()?;
        meant.next().is_none().then_some(index)
    }

    /// As it is written in a command.
    pub fn as_text(&self) -> String {
        match self {
            Self::Index(index) => index.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    /// Whether it means the step with this index and name.
    pub(super) fn means(&self, index: u64, name: &str) -> bool {
        let has_version = |text: &str| {
            let version = Version::parse(text.strip_prefix('V').unwrap_or(text));
            version.is_some_and(|version| version.index() == Some(index))
        };
        match self {
            Self::Index(number) => *number == index || has_version(&number.to_string()),
            Self::Name(text) => {
                // Nothing after the first dot is a part of a step's name, but of a version.
                let endings = StepKind::ALL.map(StepKind::ending);
                let stem = endings.iter().find_map(|ending| text.strip_suffix(ending));
                let stem = stem.unwrap_or(text);
                let label = step_label(index, name);
                let is_number = text.parse() == Ok(index);
                is_number || label == *text || label == stem || name == text || has_version(text)
            }
        }
    }
}

impl<'de> Deserialize<'de> for StepReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

/// Reads a reference, and says what one is where there is none.
struct Read;

impl Visitor<'_> for Read {
    type Value = StepReference;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a step: its index, its version or its name")
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<StepReference, E> {
        Ok(StepReference::Index(index))
    }

    fn visit_i64<E: Error>(self, index: i64) -> Result<StepReference, E> {
        let is_none = |_| E::invalid_value(Unexpected::Signed(index), &self);
        u64::try_from(index)
            .map(StepReference::Index)
            .map_err(is_none)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<StepReference, E> {
        Ok(StepReference::Name(name.to_owned()))
    }
}

impl std::str::FromStr for StepReference {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for StepReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(formatter, "{index}"),
            Self::Name(name) => write!(formatter, "`{name}`"),
        }
    }
}
