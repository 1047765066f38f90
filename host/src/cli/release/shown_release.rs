//! What `inspect` shows of a release.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::{PackedName, packed_name};
use crate::cli::terminal::Terminal;
use crate::input;
use crate::output::counted;
use crate::releases::{
    Interface, PackedFile, PackedStep, ReleaseError, ReleaseOptions, ResolvedRelease,
    SignaturesSeen, TrustPolicy, signatures,
};
use crate::sandbox::abilities;

/// Shows a release: what it is, its steps, what these may do, and what stands beside it.
pub(in crate::cli) fn show(
    release: &ResolvedRelease,
    trust: Option<&TrustPolicy>,
    options: &ReleaseOptions,
    terminal: &Terminal,
) -> Result<(), ReleaseError> {
    let seen = signatures(release, trust)?;
    let interfaces = release.interfaces(options)?;
    let identity = &release.index.identity;
    let steps = release.index.steps.iter().zip(&interfaces);
    if terminal.json() {
        let steps = steps.map(|(step, interface)| {
            serde_json::json!({
                "step": step.file,
                "undo": step.undo,
                "beside": step.beside,
                "manifest": step.manifest,
                "imports": interface.imports,
                "abilities": abilities_of(step, interface),
            })
        });
        terminal.document(&serde_json::json!({
            "reference": release.reference.to_string(),
            "digest": release.digest,
            "lineage": identity.lineage,
            "version": identity.version.to_string(),
            "source": identity.source,
            "revision": identity.revision,
            "created": identity.created,
            "steps": steps.collect::<Vec<_>>(),
            "signatures": seen.signatures,
            "verified": seen.verified,
            "refused": seen.refused,
            "attestations": seen.attestations,
            "others": seen.others,
        }));
        return Ok(());
    }
    terminal.line(&format!("release   {}", release.reference));
    terminal.line(&format!("lineage   {}", identity.lineage));
    terminal.line(&format!("version   {}", identity.version));
    for (name, text) in [
        ("source  ", &identity.source),
        ("revision", &identity.revision),
        ("created ", &identity.created),
    ] {
        if let Some(text) = text {
            terminal.line(&format!("{name}  {text}"));
        }
    }
    show_signatures(&seen, terminal);
    terminal.line("steps");
    for (step, interface) in steps {
        terminal.line(&format!("  {}", described(&step.file)));
        if let Some(undo) = &step.undo {
            terminal.line(&format!("    undone by {}", described(undo)));
        }
        for file in &step.beside {
            terminal.line(&format!("    with {}", described(file)));
        }
        for ability in abilities_of(step, interface) {
            // The step itself tells at length: `--step`.
            let brief = ability.split(':').next().unwrap_or(ability);
            terminal.line(&format!("    may {brief}"));
        }
    }
    Ok(())
}

fn show_signatures(seen: &SignaturesSeen, terminal: &Terminal) {
    let count = counted(seen.signatures as u64, "signature", "signatures");
    let told = match (&seen.verified, &seen.refused) {
        (Some(signers), _) => format!("by {}", signers.join(", ")),
        (None, Some(why)) => format!("{count}, and that is not enough: {why}"),
        (None, None) if seen.signatures == 0 => "none".to_owned(),
        (None, None) => format!("{count}, of whom `--key` or `--trust` tells"),
    };
    terminal.line(&format!("signed    {told}"));
    for statement in &seen.attestations {
        let by = match statement.signers.as_slice() {
            [] => "not verified".to_owned(),
            signers => format!("by {}", signers.join(", ")),
        };
        terminal.line(&format!("states    {}, {by}", statement.predicate_type));
    }
    for other in &seen.others {
        terminal.line(&format!("          {other}"));
    }
}

/// What a step may do; SQL may do what it says.
fn abilities_of(step: &PackedStep, interface: &Interface) -> Vec<&'static str> {
    if !step.file.file.to_ascii_lowercase().ends_with(".wasm") {
        return Vec::new();
    }
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
    match abilities(&names(&interface.imports), &names(&interface.exports)) {
        none if none.is_empty() => vec!["do nothing but compute"],
        some => some,
    }
}

fn described(file: &PackedFile) -> String {
    format!("{}  {}  {} bytes", file.file, file.digest, file.size)
}

/// The file of a step, in the cache: the step is named by its number, its file or the name of that.
pub(in crate::cli) fn step(
    release: &ResolvedRelease,
    named: &str,
    options: &ReleaseOptions,
) -> anyhow::Result<PathBuf> {
    let is_meant = |step: &&PackedStep| {
        let file = &step.file.file;
        let is_number = named
            .parse()
            .is_ok_and(|index| packed_name(file) == Ok(PackedName::Step { index }));
        is_number || file == named || file.split('.').next() == Some(named)
    };
    let meant: Vec<&PackedStep> = release.index.steps.iter().filter(is_meant).collect();
    match meant.as_slice() {
        [step] => Ok(release.steps(options)?.join(&step.file.file)),
        [] => anyhow::bail!("`{}` has no step `{named}`", release.reference),
        several => {
            let files: Vec<&str> = several.iter().map(|step| &*step.file.file).collect();
            anyhow::bail!(
                "`{named}` can be each of {}: name one of them",
                files.join(", ")
            )
        }
    }
}

/// Shows a step made of SQL: it may do what it says.
pub(in crate::cli) fn show_sql(path: &Path, terminal: &Terminal) -> anyhow::Result<()> {
    let sql =
        input::read_text(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    match terminal.json() {
        true => terminal.document(&serde_json::json!({ "sql": sql })),
        false => terminal.whole(&sql),
    }
    Ok(())
}
