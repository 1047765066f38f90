//! A release in the place of a directory of steps, and what is said of releases in every command.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::terminal::duration;
use crate::config::Config;
use crate::engine::{Renewal, RunRelease};
use crate::journal::ReleaseRecord;
use crate::releases::{
    Asking, RegistryAccess, ReleaseLock, ReleaseOptions, ReleaseReference, ReleaseSource,
    TrustPolicy, is_reference,
};

/// What is said of releases in every command.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SourceArguments {
    /// The rules that say who must have signed a release; `trust` in the configuration names them, too
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
    /// The public key that must have signed a release; of `release sign`, the private one that signs
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Take the steps of a release from the cache, and ask no registry
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Refuse a release that is not to the letter what `wasmigrate.lock` says, or that is not locked
    #[arg(long, global = true)]
    pub(super) locked: bool,
}

/// What is needed to work with releases, as the settings say it.
pub(super) fn options(config: &Config) -> ReleaseOptions {
    let mut variables = config.beside.clone();
    variables.extend(std::env::vars());
    ReleaseOptions {
        access: RegistryAccess {
            registries: config.registry.clone(),
            variables,
        },
        cache: config.cache.clone(),
        most_component: config.limits.component_mib.saturating_mul(1 << 20),
    }
}

impl SourceArguments {
    /// Who must have signed what runs; none where nobody must.
    pub(super) fn policy(&self, config: &Config) -> anyhow::Result<Option<TrustPolicy>> {
        if let Some(file) = &self.key {
            // No switch takes the place of the rules.
            if !config.trust.as_os_str().is_empty() {
                anyhow::bail!(
                    "`--key` is a rule of its own, and `{}` has others, which hold: leave one of them out",
                    config.trust.display()
                );
            }
            return Ok(Some(TrustPolicy::of_key(file)?));
        }
        match config.trust.as_os_str().is_empty() {
            true => Ok(None),
            false => Ok(Some(TrustPolicy::read(&config.trust)?)),
        }
    }

    /// Fetches and verifies the release that is named in the place of a directory, when one is: from then on it is a directory.
    /// `may_be_old` is for those who look, and change nothing.
    pub(super) fn fetch_steps(&self, config: &mut Config, may_be_old: bool) -> anyhow::Result<()> {
        let Some(named) = named(config) else {
            return match (self.offline, self.locked) {
                (true, _) => anyhow::bail!(
                    "`--offline` is for steps of a release, and these are in the directory `{}`: leave it out",
                    config.migrations.display()
                ),
                (_, true) => anyhow::bail!(
                    "`--locked` is for steps of a release, and these are in the directory `{}`: leave it out",
                    config.migrations.display()
                ),
                _ => Ok(()),
            };
        };
        let (directory, release) = self.release(config, &named, may_be_old)?;
        config.migrations = directory;
        config.release = Some(release);
        Ok(())
    }

    /// The release that is named, and the directory of its steps.
    fn release(
        &self,
        config: &Config,
        named: &str,
        may_be_old: bool,
    ) -> anyhow::Result<(PathBuf, RunRelease)> {
        let mut reference = ReleaseReference::parse(named)?;
        let lock = ReleaseLock::read(&config.directory)?;
        // A lock of what a registry has says nothing of a layout.
        let is_meant =
            |lock: &ReleaseLock| reference.is_remote() || self.locked || lock.is_of_layout();
        let lock = lock.filter(is_meant);
        match &lock {
            Some(lock) => reference = lock.pin(&reference)?,
            None if self.locked => anyhow::bail!(
                "`--locked` demands a `wasmigrate.lock` in `{}`, and there is none: write it by `wasmigrate release lock {reference}`, \
                 or leave `--locked` out",
                config.directory.display()
            ),
            None => {}
        }
        let trust = self.policy(config)?;
        let options = options(config);
        let asking = match (self.offline, may_be_old) {
            (true, _) => Asking::Never,
            (_, true) => Asking::OrLast,
            (_, false) => Asking::Now,
        };
        let source = ReleaseSource::of(&reference, asking, trust.as_ref(), &options)?;
        if self.locked
            && let Some(lock) = &lock
        {
            lock.check(&source)?;
        }
        let warning = source.last_asked.as_ref().map(|(at, why)| {
            let age = Timestamp::now().as_millisecond() - at;
            format!(
                "{why}; `{reference}` is taken for what it was {} ago: {}",
                duration(age),
                source.digest
            )
        });
        let release = RunRelease {
            record: ReleaseRecord {
                reference: source.reference.to_string(),
                digest: source.digest.to_string(),
                lineage: source.identity.lineage,
                version: source.identity.version.to_string(),
                signers: source.verified.signers,
                policy_digest: source.verified.rules.map(|rules| rules.to_string()),
            },
            files: source.files,
            step_signers: source.verified.steps,
            inside_only: source.verified.inside_only,
            warning,
            allow_older: false,
            adopt_lineage: false,
        };
        Ok((source.directory, release))
    }

    /// Looks again what the release is, for a service that was started with these settings; none where the steps are in a directory.
    pub(super) fn renewal(&self, config: &Config) -> Option<Arc<dyn Renewal>> {
        let named = named(config)?;
        Some(Arc::new(NamedRelease {
            source: self.clone(),
            config: config.clone(),
            named,
        }))
    }
}

/// A release that a service was told to run.
struct NamedRelease {
    source: SourceArguments,
    config: Config,
    named: String,
}

impl Renewal for NamedRelease {
    fn renew(&self) -> Result<(PathBuf, RunRelease), String> {
        let found = self.source.release(&self.config, &self.named, false);
        found.map_err(|error| format!("{error:#}"))
    }
}

/// Refuses a release where the files are to be changed.
pub(super) fn refuse_release(config: &Config) -> anyhow::Result<()> {
    match named(config) {
        Some(_) => anyhow::bail!(
            "the steps are named as a release, which nobody changes: name the directory of their files with `--migrations DIR`"
        ),
        None => Ok(()),
    }
}

fn named(config: &Config) -> Option<String> {
    let named = config.migrations.to_string_lossy();
    is_reference(&named).then(|| named.into_owned())
}
