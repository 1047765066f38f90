//! The file of rules, as it is written.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Deserialize;

use super::{NamedKey, Otherwise, Rule, StepRule, TrustPolicy, WhichSteps};
use crate::output::counted;
use crate::releases::content_digest::ContentDigest;
use crate::releases::error::ReleaseError;
use crate::releases::predicate::predicate_type;
use crate::releases::reference::registry_name;
use crate::releases::signing::PublicKey;

/// What a step needs that runs outside a transaction.
const NO_TRANSACTION: &str = "no-transaction";

/// The version of the form of the file.
const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    version: u64,
    default: Otherwise,
    #[serde(default)]
    key: Vec<KeyEntry>,
    #[serde(default)]
    rule: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    public_key_file: Option<PathBuf>,
    public_key: Option<String>,
    not_after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    repository: String,
    lineage: Option<String>,
    keys: Vec<String>,
    #[serde(default = "one")]
    threshold: usize,
    #[serde(default)]
    max_age_days: i64,
    #[serde(default)]
    attestations: Vec<String>,
    #[serde(default)]
    step: Vec<StepEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepEntry {
    #[serde(rename = "match")]
    pattern: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    keys: Vec<String>,
}

/// A pattern for repositories, with its registry as references name it.
fn named_once(pattern: String) -> String {
    let Some((host, rest)) = pattern.split_once('/') else {
        return pattern;
    };
    match registry_name(host) {
        Some(name) => format!("{name}/{rest}"),
        None => pattern,
    }
}

fn one() -> usize {
    1
}

/// Reads rules, called `name` in errors; the files of keys stand in the directory.
pub(super) fn parse(text: &str, directory: &Path, name: &str) -> Result<TrustPolicy, ReleaseError> {
    let wrong = |why: String| ReleaseError::Refused(format!("the rules in `{name}`: {why}"));
    let file: PolicyFile =
        toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
    if file.version != VERSION {
        return Err(wrong(format!(
            "their version is {}, and {VERSION} is known here",
            file.version
        )));
    }
    let mut keys: Vec<NamedKey> = Vec::new();
    for entry in file.key {
        let key = match (&entry.public_key_file, &entry.public_key) {
            (Some(file), None) => PublicKey::read(&directory.join(file))?,
            (None, Some(text)) => PublicKey::parse(text)
                .ok_or_else(|| wrong(format!("the key `{}` is none on P-256 in PEM", entry.id)))?,
            _ => {
                return Err(wrong(format!(
                    "the key `{}` needs one of `public_key_file` and `public_key`",
                    entry.id
                )));
            }
        };
        if keys.iter().any(|known| known.name == entry.id) {
            return Err(wrong(format!("two keys are called `{}`", entry.id)));
        }
        let not_after = entry
            .not_after
            .as_deref()
            .map(str::parse::<Date>)
            .transpose();
        let not_after = not_after.map_err(|_| {
            wrong(format!(
                "`not_after` of the key `{}` is no day such as 2027-12-31",
                entry.id
            ))
        })?;
        keys.push(NamedKey {
            name: entry.id,
            key,
            not_after,
        });
    }
    let named = |names: &[String]| {
        let find = |name: &String| {
            let found = keys.iter().find(|key| key.name == *name).cloned();
            found.ok_or_else(|| wrong(format!("a rule names the key `{name}`, which is not there")))
        };
        names
            .iter()
            .map(find)
            .collect::<Result<Vec<NamedKey>, ReleaseError>>()
    };
    let mut rules = Vec::new();
    for entry in file.rule {
        let keys = named(&entry.keys)?;
        if entry.threshold == 0 || entry.threshold > keys.len() {
            return Err(wrong(format!(
                "the rule for `{}` has the threshold {} and {}: a threshold is at least 1 and no more than the keys",
                entry.repository,
                entry.threshold,
                counted(keys.len() as u64, "key", "keys")
            )));
        }
        let steps = entry.step.into_iter().map(|step| {
            let needs: Vec<&str> = step.needs.iter().map(String::as_str).collect();
            let which = match (step.pattern, needs.as_slice()) {
                (Some(pattern), []) => WhichSteps::Called(pattern),
                (None, [NO_TRANSACTION]) => WhichSteps::OutsideTransactions,
                _ => {
                    return Err(wrong(format!(
                        "a rule on steps of `{}` needs one of `match = \"*.sql\"` and `needs = [\"{NO_TRANSACTION}\"]`",
                        entry.repository
                    )));
                }
            };
            let keys = named(&step.keys)?;
            if keys.is_empty() {
                return Err(wrong(format!(
                    "a rule on steps of `{}` names no key, so that nobody could run them",
                    entry.repository
                )));
            }
            Ok(StepRule { which, keys })
        });
        rules.push(Rule {
            steps: steps.collect::<Result<_, ReleaseError>>()?,
            repository: named_once(entry.repository),
            lineage: entry.lineage,
            keys,
            threshold: entry.threshold,
            max_age_days: entry.max_age_days,
            attestations: entry
                .attestations
                .iter()
                .map(|kind| predicate_type(kind))
                .collect(),
        });
    }
    Ok(TrustPolicy {
        name: name.to_owned(),
        digest: ContentDigest::of(text.as_bytes()),
        otherwise: file.default,
        rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_would_demand_nothing_are_refused() {
        let said = |text: &str| {
            let parsed = parse(text, Path::new(""), "trust.toml");
            parsed.unwrap_err().to_string()
        };
        let head = "version = 1\ndefault = \"reject\"\n";
        assert!(said("version = 2\ndefault = \"reject\"").contains("version"));
        assert!(
            said(&format!("{head}[[rule]]\nrepository = \"*\"\nkeys = []")).contains("threshold")
        );
        assert!(
            said(&format!(
                "{head}[[rule]]\nrepository = \"*\"\nkeys = [\"a\"]"
            ))
            .contains("`a`")
        );
        assert!(said(&format!("{head}[[key]]\nid = \"a\"")).contains("public_key"));
        assert!(said(&format!("{head}typo = 1")).contains("typo"));
    }
}
