//! Who may sign what: a file of rules, or one key. What a rule is for never runs without its signatures.

mod policy_file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use crate::input;
use crate::output::counted;
use crate::releases::content_digest::ContentDigest;
use crate::releases::error::ReleaseError;
use crate::releases::index::{PackedStep, ReleaseIndex};
use crate::releases::reference::{Place, ReleaseReference};
use crate::releases::signing::{KeyId, PublicKey, SignatureMaterial};

/// What layouts on this machine are called in rules.
const LOCAL: &str = "local";

/// The seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What becomes of a release that no rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Otherwise {
    Reject,
    Accept,
}

/// A key that somebody has named.
#[derive(Clone, Debug)]
struct NamedKey {
    name: String,
    key: PublicKey,
    not_after: Option<Date>,
}

#[derive(Clone, Debug)]
struct Rule {
    repository: String,
    lineage: Option<String>,
    keys: Vec<NamedKey>,
    threshold: usize,
    max_age_days: i64,
    /// The types of statements that must be there, each signed by one of the keys.
    attestations: Vec<String>,
    steps: Vec<StepRule>,
}

#[derive(Clone, Debug)]
struct StepRule {
    which: WhichSteps,
    keys: Vec<NamedKey>,
}

/// The steps that a rule is for.
#[derive(Clone, Debug)]
enum WhichSteps {
    /// Those whose files are called so.
    Called(String),
    /// Those that run outside a transaction, as they say themselves when they run.
    OutsideTransactions,
}

/// Who may sign what.
#[derive(Clone, Debug)]
pub struct TrustPolicy {
    /// Where it stands, for messages.
    name: String,
    /// What it was: the digest of its bytes.
    digest: ContentDigest,
    otherwise: Otherwise,
    rules: Vec<Rule>,
}

/// Who has signed something, of those who may.
pub type Signers = Vec<String>;

/// Who has signed a release, and by which rules that was enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Who has signed the release.
    pub signers: Signers,
    /// Who has signed each step that needs a signature of its own, by its file.
    pub steps: BTreeMap<String, Signers>,
    /// The files of steps that may not run outside a transaction, because nobody has signed them who must for that.
    pub inside_only: BTreeSet<String>,
    /// The digest of the rules; none where there are none for it.
    pub rules: Option<ContentDigest>,
}

impl TrustPolicy {
    /// That one key must have signed, whatever it is.
    pub fn of_key(file: &Path) -> Result<Self, ReleaseError> {
        let key = PublicKey::read(file)?;
        Ok(Self {
            name: file.display().to_string(),
            digest: ContentDigest::of(key.to_pem().as_bytes()),
            otherwise: Otherwise::Reject,
            rules: vec![Rule {
                repository: "*".to_owned(),
                lineage: None,
                keys: vec![NamedKey {
                    name: file
                        .file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                    key,
                    not_after: None,
                }],
                threshold: 1,
                max_age_days: 0,
                attestations: Vec::new(),
                steps: Vec::new(),
            }],
        })
    }

    /// Reads a file of rules; the files of keys stand beside it.
    pub fn read(file: &Path) -> Result<Self, ReleaseError> {
        let text = input::read_text(file).map_err(ReleaseError::file("read the rules in", file))?;
        let directory = file.parent().unwrap_or(Path::new(""));
        Self::parse(&text, directory, &file.display().to_string())
    }

    /// Reads rules, called `name` in errors; the files of keys stand in the directory.
    pub(super) fn parse(text: &str, directory: &Path, name: &str) -> Result<Self, ReleaseError> {
        policy_file::parse(text, directory, name)
    }

    /// The rule for a reference; none when the file accepts what it has no rule for.
    fn rule(&self, reference: &ReleaseReference) -> Result<Option<&Rule>, ReleaseError> {
        let place = match &reference.place {
            Place::Registry(repository) => repository.to_string(),
            Place::Layout(_) => LOCAL.to_owned(),
        };
        // A registry has one name in references, however it is written.
        let fitting = self
            .rules
            .iter()
            .filter(|rule| fits(&rule.repository, &place));
        match (
            fitting.max_by_key(|rule| rule.repository.len()),
            self.otherwise,
        ) {
            (Some(rule), _) => Ok(Some(rule)),
            (None, Otherwise::Accept) => Ok(None),
            (None, Otherwise::Reject) => Err(ReleaseError::Refused(format!(
                "no rule of `{}` is for `{place}`: nobody may sign what runs from there",
                self.name
            ))),
        }
    }

    /// Whether it demands signatures of what this leads to.
    pub(super) fn demands(&self, reference: &ReleaseReference) -> Result<bool, ReleaseError> {
        Ok(self.rule(reference)?.is_some())
    }

    /// Who has signed a release, when enough of those have who must; `material` finds what stands beside a manifest.
    pub(super) fn verify(
        &self,
        reference: &ReleaseReference,
        (digest, index): (&ContentDigest, &ReleaseIndex),
        material: &dyn Fn(&ContentDigest) -> Result<SignatureMaterial, ReleaseError>,
    ) -> Result<Verified, ReleaseError> {
        let Some(rule) = self.rule(reference)? else {
            return Ok(Verified::default());
        };
        let refused = |why: String| ReleaseError::Refused(format!("`{reference}` {why}"));
        let identity = &index.identity;
        if let Some(lineage) = rule
            .lineage
            .as_ref()
            .filter(|lineage| **lineage != identity.lineage)
        {
            return Err(refused(format!(
                "is a release of `{}`, and the rule of `{}` is for `{lineage}`",
                identity.lineage, self.name
            )));
        }
        let found = material(digest)?;
        let signers = signers(&rule.keys, &found, digest);
        if signers.len() < rule.threshold {
            return Err(refused(self.lacks(rule, &found, digest, &signers)));
        }
        if rule.max_age_days > 0 {
            let created = identity
                .created
                .as_deref()
                .and_then(|time| time.parse::<Timestamp>().ok());
            let created = created.ok_or_else(|| {
                refused(format!(
                    "does not say when it was made, and the rule of `{}` has `max_age_days`",
                    self.name
                ))
            })?;
            let age = (Timestamp::now().as_second() - created.as_second()) / DAY;
            if age >= rule.max_age_days {
                return Err(refused(format!(
                    "was made {age} days ago, and `max_age_days` of `{}` is {}",
                    self.name, rule.max_age_days
                )));
            }
        }
        for kind in &rule.attestations {
            if attesters(&rule.keys, &found, digest, kind).is_empty() {
                return Err(refused(format!(
                    "has no statement `{kind}` by {}, which `{}` demands: `wasmigrate release attest`",
                    names(&rule.keys),
                    self.name
                )));
            }
        }
        let (mut steps, mut inside_only) = (BTreeMap::new(), BTreeSet::new());
        for step in &index.steps {
            let file = &step.file.file;
            let is_for_it = |rule: &&StepRule| match &rule.which {
                WhichSteps::Called(pattern) => is_of(pattern, step),
                WhichSteps::OutsideTransactions => true,
            };
            let wanted: Vec<&StepRule> = rule.steps.iter().filter(is_for_it).collect();
            if wanted.is_empty() {
                continue;
            }
            let found = material(&step.manifest)?;
            let mut of_step = BTreeSet::new();
            for wanted in wanted {
                let signers = self::signers(&wanted.keys, &found, &step.manifest);
                let is_outside = matches!(wanted.which, WhichSteps::OutsideTransactions);
                if signers.is_empty() && is_outside {
                    inside_only.insert(file.clone());
                    continue;
                }
                if signers.is_empty() {
                    return Err(refused(format!(
                        "has the step `{file}`, which needs a signature of its own by {}: `wasmigrate release sign --steps`",
                        names(&wanted.keys)
                    )));
                }
                of_step.extend(signers);
            }
            if !of_step.is_empty() {
                steps.insert(file.clone(), of_step.into_iter().collect());
            }
        }
        Ok(Verified {
            signers: signers.into_iter().collect(),
            steps,
            inside_only,
            rules: Some(self.digest.clone()),
        })
    }

    /// Who of those who may sign has stated something of this type about a release.
    pub(super) fn attesters(
        &self,
        reference: &ReleaseReference,
        digest: &ContentDigest,
        material: &SignatureMaterial,
        predicate_type: &str,
    ) -> Result<Signers, ReleaseError> {
        let rule = self.rule(reference)?;
        let keys = rule.map_or(&[][..], |rule| &rule.keys);
        let found = attesters(keys, material, digest, predicate_type);
        Ok(found.into_iter().collect())
    }

    /// Why signatures are not enough.
    fn lacks(
        &self,
        rule: &Rule,
        found: &SignatureMaterial,
        digest: &ContentDigest,
        signers: &BTreeSet<String>,
    ) -> String {
        let expired = rule.keys.iter().filter(|key| has_expired(key));
        let expired: Vec<NamedKey> = expired.cloned().collect();
        let all: Vec<PublicKey> = expired.iter().map(|key| key.key.clone()).collect();
        let wanted = names(&rule.keys);
        let late = found.signers(digest, &all);
        if found.count() == 0 {
            return format!("is not signed, and `{}` demands {wanted}", self.name);
        }
        if !late.is_empty() {
            let keys: Vec<String> = late.iter().map(KeyId::to_string).collect();
            return format!(
                "is signed by a key that counts for nothing since its `not_after` ({})",
                keys.join(", ")
            );
        }
        if signers.is_empty() {
            return format!(
                "has {} of nobody whom `{}` trusts, which demands {wanted}",
                counted(found.count() as u64, "signature", "signatures"),
                self.name
            );
        }
        format!(
            "is signed by {} of the {} that must, of {wanted}",
            signers.len(),
            rule.threshold
        )
    }
}

fn has_expired(key: &NamedKey) -> bool {
    key.not_after.is_some_and(|last| Zoned::now().date() > last)
}

/// Who of these has signed a manifest: each key counts once, whatever it is called.
fn signers(
    keys: &[NamedKey],
    material: &SignatureMaterial,
    digest: &ContentDigest,
) -> BTreeSet<String> {
    named(keys, |keys| material.signers(digest, keys))
}

/// Who of these has stated something of this type about a manifest.
fn attesters(
    keys: &[NamedKey],
    material: &SignatureMaterial,
    digest: &ContentDigest,
    predicate_type: &str,
) -> BTreeSet<String> {
    named(keys, |keys| {
        material.attesters(digest, predicate_type, keys)
    })
}

/// The names of those keys that are found, of those that still count.
fn named(
    keys: &[NamedKey],
    find: impl FnOnce(&[PublicKey]) -> BTreeSet<KeyId>,
) -> BTreeSet<String> {
    let valid: Vec<&NamedKey> = keys.iter().filter(|key| !has_expired(key)).collect();
    let all: Vec<PublicKey> = valid.iter().map(|key| key.key.clone()).collect();
    let found = find(&all);
    let name = |id: &KeyId| {
        let named = valid.iter().find(|key| key.key.id() == *id);
        named.map(|key| format!("{} ({id})", key.name))
    };
    found.iter().filter_map(name).collect()
}

fn names(keys: &[NamedKey]) -> String {
    let names = keys
        .iter()
        .map(|key| format!("`{}` ({})", key.name, key.key.id()));
    names.collect::<Vec<_>>().join(" or ")
}

/// Whether a pattern is for a file of a step. Steps are found by their endings however these are written, so that a pattern is for
/// small and capital letters alike.
fn is_of(pattern: &str, step: &PackedStep) -> bool {
    let pattern = pattern.to_lowercase();
    step.files()
        .any(|file| fits(&pattern, &file.file.to_lowercase()))
}

/// Whether a text fits a pattern, in which `*` stands for any letters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.into_iter()
        .any(|at| text.get(at..).is_some_and(|text| fits(rest, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_it_is_written_for() {
        assert!(fits("registry.example/shop/*", "registry.example/shop/a/b"));
        assert!(!fits(
            "registry.example/shop/*",
            "registry.example/shopping"
        ));
        assert!(fits("*.sql", "0001_a.sql") && !fits("*.sql", "0001_a.wasm"));
        assert!(fits("*", "") && fits("a*b*c", "a-b-b-c") && !fits("a*b", "ac"));
    }
}
