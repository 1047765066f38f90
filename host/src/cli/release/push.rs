//! `release push`: from a directory of steps, or one component, to a registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use semver::Version;

use super::passphrase::PassphraseArguments;
use super::tell;
use crate::cli::release_steps::options;
use crate::cli::terminal::Terminal;
use crate::cli::{CommandError, GlobalArguments};
use crate::releases::{
    Identity, PrivateKey, PushOptions, ReleaseError, ReleaseReference, push, push_component, sign,
};

/// The variable by which builds that can be repeated say when they are of: <https://reproducible-builds.org/specs/source-date-epoch/>
const EPOCH: &str = "SOURCE_DATE_EPOCH";

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(in crate::cli) struct PushArguments {
    /// The directory of the steps, or one component [default: migrations]
    #[arg(value_name = "DIR")]
    source: Option<PathBuf>,
    /// Where to: oci://HOST/REPOSITORY:VERSION or oci-layout:PATH:VERSION; the version 1.4.0+b7 is written 1.4.0_b7
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// The application that the steps are for, such as `shop`: a database takes releases of one only
    #[arg(long, value_name = "NAME")]
    lineage: Option<String>,
    /// Where the sources are, for those who look at the release
    #[arg(long = "source", value_name = "URL")]
    sources: Option<String>,
    /// Of which revision of the sources it is made
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// When it was made, as 2026-11-30T12:00:00Z [default: the variable SOURCE_DATE_EPOCH, or nothing]
    #[arg(long, value_name = "TIME")]
    created: Option<String>,
    /// Replace another content that the version has
    #[arg(long)]
    force: bool,
    /// Another repository of the same registry, from which it takes what it has there
    #[arg(long, value_name = "REPOSITORY")]
    mount_from: Option<String>,
    /// Sign the release with this private key once it is pushed, as `release sign` does
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

pub(in crate::cli) fn run(
    global: &GlobalArguments,
    arguments: &PushArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let config = global.config()?;
    let reference = ReleaseReference::parse(&arguments.reference)?;
    let how = PushOptions {
        force: arguments.force,
        mount_from: arguments.mount_from.clone(),
    };
    let source = match &arguments.source {
        Some(source) => source.clone(),
        None if config.tenancy(false).is_some() && global.migrations.is_none() => {
            return Err(anyhow::anyhow!(
                "a release is of one directory, and `[sources]` names several: name the directory"
            )
            .into());
        }
        None => config.migrations.clone(),
    };
    let options = options(&config);
    let pushed = match source.is_file() {
        true => {
            arguments.refuse_for_a_component()?;
            push_component(&source, &reference, &how, &options)?
        }
        false => {
            let identity = arguments.identity(&source, &reference)?;
            // What is wrong with the key is said before anything is sent.
            let key = arguments.key()?;
            let mut pushed = push(&source, &reference, &identity, &how, &options)?;
            if let Some(key) = key {
                let reference = reference.pinned(pushed.digest.clone());
                pushed.signed_by = Some(sign(&reference, &key, false, &options)?.key);
            }
            pushed
        }
    };
    tell("pushed", &pushed, terminal);
    Ok(0)
}

impl PushArguments {
    fn refuse_for_a_component(&self) -> anyhow::Result<()> {
        let has_any = self.lineage.is_some()
            || self.sources.is_some()
            || self.revision.is_some()
            || self.created.is_some()
            || self.sign.is_some();
        if has_any {
            bail!(
                "one component alone is no release: leave out `--lineage`, `--source`, `--revision`, `--created` and `--sign`, or push the \
                 directory of the steps"
            );
        }
        Ok(())
    }

    fn key(&self) -> Result<Option<PrivateKey>, ReleaseError> {
        let opened = self.sign.as_ref().map(|file| self.passphrase.open(file));
        opened.transpose()
    }

    /// What the release is: its version is its tag.
    fn identity(&self, source: &Path, reference: &ReleaseReference) -> anyhow::Result<Identity> {
        let Some(lineage) = self.lineage.clone() else {
            bail!(
                "the release of `{}` has no lineage: name the application that its steps are for with `--lineage`, such as \
                 `--lineage shop`, so that they do not run on the database of another one",
                source.display()
            );
        };
        let tag = reference.tag.as_deref().unwrap_or_default();
        let version = tag.replacen('_', "+", 1);
        let version = Version::parse(&version).with_context(|| {
            format!("the tag `{tag}` is no version such as 1.4.0, and a release has one")
        })?;
        Ok(Identity {
            lineage,
            version,
            source: self.sources.clone(),
            revision: self.revision.clone(),
            created: self.created()?,
        })
    }

    fn created(&self) -> anyhow::Result<Option<String>> {
        if let Some(created) = &self.created {
            let time: jiff::Timestamp = created.parse().with_context(|| {
                format!("`--created {created}` is no time such as 2026-11-30T12:00:00Z")
            })?;
            return Ok(Some(time.to_string()));
        }
        let Ok(seconds) = std::env::var(EPOCH) else {
            return Ok(None);
        };
        let time = seconds.parse().ok().map(jiff::Timestamp::from_second);
        match time {
            Some(Ok(time)) => Ok(Some(time.to_string())),
            _ => bail!("{EPOCH} is no number of seconds since 1970"),
        }
    }
}
