//! The JSON documents: numbers written as texts, languages as the names of fields.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use wasmigrate_sdk::{Context, Result};

/// One territory.
#[derive(Debug, Deserialize)]
pub(crate) struct Territory {
    #[serde(rename = "_population", deserialize_with = "number")]
    pub(crate) population: i64,
    #[serde(rename = "_gdp", deserialize_with = "number")]
    pub(crate) gross_domestic_product: i64,
    #[serde(rename = "_literacyPercent", deserialize_with = "number")]
    pub(crate) literacy_percent: f64,
    #[serde(rename = "languagePopulation", default)]
    pub(crate) languages: BTreeMap<Tag, Spoken>,
}

/// How much a language is used in a territory.
#[derive(Debug, Deserialize)]
pub(crate) struct Spoken {
    #[serde(rename = "_populationPercent", deserialize_with = "number")]
    pub(crate) population_percent: f64,
    #[serde(rename = "_writingPercent", default, deserialize_with = "some_number")]
    pub(crate) writing_percent: Option<f64>,
    #[serde(rename = "_literacyPercent", default, deserialize_with = "some_number")]
    pub(crate) literacy_percent: Option<f64>,
    #[serde(rename = "_officialStatus")]
    pub(crate) status: Option<String>,
}

/// A language, and the script it is written in where that is not the usual one: `kk_Arab`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag {
    pub(crate) language: String,
    pub(crate) script: Option<String>,
}

impl Territory {
    pub(crate) fn parse(body: &str) -> Result<Self> {
        serde_json::from_str(body).context("this is not the JSON that was expected")
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.split_once('_') {
            Some((language, script)) => Self {
                language: language.to_owned(),
                script: Some(script.to_owned()),
            },
            None => Self {
                language: text,
                script: None,
            },
        })
    }
}

/// As BCP 47 writes it.
impl Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.language)?;
        if let Some(script) = &self.script {
            write!(formatter, "-{script}")?;
        }
        Ok(())
    }
}

/// A number that the document has as a text.
fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|reason| de::Error::custom(format_args!("{text:?} is no number: {reason}")))
}

fn some_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    number(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read() {
        let territory = Territory::parse(
            r#"{"_gdp": "80420000000", "_literacyPercent": "28.1", "_population": "40121600",
                "languagePopulation": {"bgn": {"_writingPercent": "5", "_populationPercent": "0.63"},
                                       "uz_Arab": {"_populationPercent": "4.7", "_officialStatus": "official_regional"}}}"#,
        )
        .unwrap();
        assert_eq!(territory.population, 40_121_600);
        let tags: Vec<_> = territory.languages.keys().map(Tag::to_string).collect();
        assert_eq!(tags, ["bgn", "uz-Arab"]);
        let spoken: Vec<_> = territory.languages.values().collect();
        assert_eq!(spoken[0].writing_percent, Some(5.0));
        assert_eq!(spoken[1].status.as_deref(), Some("official_regional"));
    }

    #[test]
    fn a_territory_may_be_without_languages() {
        let nobody = r#"{"_gdp": "0", "_literacyPercent": "0", "_population": "0"}"#;
        assert!(Territory::parse(nobody).unwrap().languages.is_empty());
    }

    #[test]
    fn a_mistake_is_named() {
        let refused = Territory::parse(r#"{"_gdp": "much"}"#).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "this is not the JSON that was expected: \"much\" is no number: invalid digit found in string at line 1 column 16"
        );
    }
}
