//! What the libraries of this repository may be: `deny.toml` says it, for the tool cargo-deny and for this task alike.
//!
//! Where `cargo deny` is installed, it checks everything, known holes included. It takes a quarter of an hour to build, so that
//! elsewhere this task checks by itself what needs no other knowledge: that each library comes from the registry, with a
//! checksum, under a licence that is allowed.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cargo::{self, say};
use crate::libraries::{self, Library, REGISTRY};

pub(crate) fn run() -> Result<()> {
    if !has_deny() {
        let checked = check(&std::fs::read_to_string(cargo::root().join("deny.toml"))?)?;
        say(&format!(
            "{checked} libraries: sources and licences as deny.toml allows; known holes were not looked for: install `cargo-deny`"
        ));
        return Ok(());
    }
    let fetched = cargo::cargo().args(["deny", "fetch", "db"]).status()?;
    if !fetched.success() {
        say(
            "the list of known holes cannot be fetched: those that were fetched before are looked for",
        );
    }
    for workspace in [".", libraries::GUESTS] {
        let deny = || {
            let mut deny = cargo::cargo();
            let manifest = format!("{workspace}/Cargo.toml");
            deny.args(["deny", "--manifest-path", &manifest]);
            deny
        };
        let check = |parts: &[&str]| {
            let mut arguments = vec!["check".into(), "--config".into()];
            arguments.push(cargo::root().join("deny.toml").into_os_string());
            arguments.extend(parts.iter().map(std::ffi::OsString::from));
            arguments
        };
        cargo::run(deny().args(check(&["bans", "licenses", "sources"])))?;
        let mut advisories = deny();
        if !fetched.success() {
            advisories.arg("--offline");
        }
        cargo::run(advisories.args(check(&["advisories"])))?;
    }
    Ok(())
}

fn has_deny() -> bool {
    let mut command = Command::new("cargo-deny");
    let command = command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What `deny.toml` allows.
struct Allowed {
    licences: Vec<String>,
    exceptions: Vec<(String, Vec<String>)>,
}

/// Checks all libraries, and says how many there are.
fn check(deny: &str) -> Result<usize> {
    let allowed = Allowed::read(deny)?;
    let libraries = libraries::all()?;
    let foreign = libraries
        .values()
        .filter(|library| library.source.is_some());
    let problems: Vec<String> = foreign
        .clone()
        .filter_map(|library| {
            Some(format!(
                "{}: {}",
                library.label(),
                allowed.problem(library)?
            ))
        })
        .collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(foreign.count())
}

impl Allowed {
    fn read(deny: &str) -> Result<Self> {
        let deny: toml::Table = deny.parse()?;
        let licences = deny.get("licenses").context("deny.toml: no `licenses`")?;
        let strings = |value: Option<&toml::Value>| -> Vec<String> {
            let values = value.and_then(toml::Value::as_array);
            let texts = values.into_iter().flatten().filter_map(toml::Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let exceptions = licences.get("exceptions").and_then(toml::Value::as_array);
        let exceptions = exceptions.into_iter().flatten().filter_map(|exception| {
            let name = exception.get("crate")?.as_str()?;
            Some((name.to_owned(), strings(exception.get("allow"))))
        });
        Ok(Self {
            licences: strings(licences.get("allow")),
            exceptions: exceptions.collect(),
        })
    }

    /// Why a library may not be used.
    fn problem(&self, library: &Library) -> Option<String> {
        if library.source.as_deref() != Some(REGISTRY) {
            return Some(format!("it comes from {:?}", library.source));
        }
        if library.checksum.is_none() {
            return Some("it has no checksum in Cargo.lock".to_owned());
        }
        let Some(licence) = &library.licence else {
            return Some("it names no licence".to_owned());
        };
        let is_allowed = |each: &str| {
            let of_this = self
                .exceptions
                .iter()
                .filter(|(name, _)| *name == library.name);
            let mut of_this = of_this.flat_map(|(_, licences)| licences);
            self.licences.iter().any(|allowed| allowed == each)
                || of_this.any(|allowed| allowed == each)
        };
        match fits(licence, &is_allowed) {
            Some(true) => None,
            Some(false) => Some(format!("its licence {licence} is not allowed")),
            None => Some(format!("its licence cannot be read: {licence}")),
        }
    }
}

/// Whether an expression of licences can be fulfilled with those that are allowed; none when it is no expression.
/// <https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/>
fn fits(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    // Older packages write `MIT/Apache-2.0`.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let fits = either(&mut words, is_allowed)?;
    words.is_empty().then_some(fits)
}

/// `words` are those that are left, the next one last.
fn either(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut fits = both(words, is_allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        fits |= both(words, is_allowed)?;
    }
    Some(fits)
}

fn both(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut fits = one(words, is_allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        fits &= one(words, is_allowed)?;
    }
    Some(fits)
}

fn one(words: &mut Vec<&str>, is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let fits = either(words, is_allowed)?;
            (words.pop() == Some(")")).then_some(fits)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => match words.pop_if(|word| *word == "WITH") {
            Some(_) => Some(is_allowed(&format!("{licence} WITH {}", words.pop()?))),
            None => Some(is_allowed(licence)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        let is_allowed = |licence: &str| ["MIT", "ISC", "A WITH x"].contains(&licence);
        for (expression, expected) in [
            ("MIT", Some(true)),
            ("GPL-3.0", Some(false)),
            ("MIT OR GPL-3.0", Some(true)),
            ("GPL-3.0/MIT", Some(true)),
            ("MIT AND GPL-3.0", Some(false)),
            ("MIT AND (GPL-3.0 OR ISC)", Some(true)),
            ("(MIT AND GPL-3.0) OR ISC", Some(true)),
            ("A", Some(false)),
            ("A WITH x", Some(true)),
            ("A WITH x AND MIT", Some(true)),
            ("", None),
            ("MIT ISC", None),
            ("(MIT", None),
            ("MIT OR", None),
        ] {
            assert_eq!(fits(expression, &is_allowed), expected, "{expression}");
        }
    }

    #[test]
    fn the_libraries_are_as_deny_toml_allows() {
        let deny = std::fs::read_to_string(cargo::root().join("deny.toml")).unwrap();
        assert!(check(&deny).unwrap() > 100);
        let strict = deny.replace("\"ISC\", ", "");
        let refused = check(&strict).unwrap_err().to_string();
        assert!(refused.contains("ISC is not allowed"), "{refused}");
    }
}
