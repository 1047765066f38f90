//! What `inspect` shows of a release.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::{PackedName, packed_name};
use crate::cli::terminal::Terminal;
use crate::input;
use crate::releases::{
    PackedFile, PackedStep, ReleaseError, ReleaseOptions, ResolvedRelease, signatures,
};

/// Shows a release: what it is, and its steps.
pub(in crate::cli) fn show(
    release: &ResolvedRelease,
    terminal: &Terminal,
) -> Result<(), ReleaseError> {
    let (count, others) = signatures(release)?;
    let identity = &release.index.identity;
    if terminal.json() {
        let steps = release.index.steps.iter().map(|step| {
            serde_json::json!({"step": step.file, "undo": step.undo, "manifest": step.manifest})
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
            "signatures": count,
            "others": others,
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
    let told = match count {
        0 => "none".to_owned(),
        count => format!("{count}, which `wasmigrate release verify` compares with a key"),
    };
    terminal.line(&format!("signed    {told}"));
    for other in &others {
        terminal.line(&format!("          {other}"));
    }
    terminal.line("steps");
    for step in &release.index.steps {
        terminal.line(&format!("  {}", described(&step.file)));
        if let Some(undo) = &step.undo {
            terminal.line(&format!("    undone by {}", described(undo)));
        }
    }
    Ok(())
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
