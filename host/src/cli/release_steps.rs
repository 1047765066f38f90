//! A release in the place of a directory of steps, and what is said of releases in every command.

use std::path::PathBuf;

use clap::Args;

use crate::config::Config;
use crate::engine::RunRelease;
use crate::journal::ReleaseRecord;
use crate::releases::{
    RegistryAccess, ReleaseLock, ReleaseOptions, ReleaseReference, ReleaseSource, TrustPolicy,
    is_reference,
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
    pub(super) fn fetch_steps(&self, config: &mut Config) -> anyhow::Result<()> {
        let Some(named) = named(config) else {
            return match self.offline {
                true => anyhow::bail!(
                    "`--offline` is for steps of a release, and these are in the directory `{}`: leave it out",
                    config.migrations.display()
                ),
                false => Ok(()),
            };
        };
        let mut reference = ReleaseReference::parse(&named)?;
        if reference.is_remote()
            && let Some(lock) = ReleaseLock::read(&config.directory)?
        {
            reference = lock.pin(&reference)?;
        }
        let trust = self.policy(config)?;
        let options = options(config);
        let source = ReleaseSource::of(&reference, self.offline, trust.as_ref(), &options)?;
        config.migrations = source.directory;
        config.release = Some(RunRelease {
            record: ReleaseRecord {
                reference: source.reference.to_string(),
                digest: source.digest.to_string(),
                lineage: source.identity.lineage,
                version: source.identity.version.to_string(),
                signers: source.signers,
            },
            files: source.files,
            allow_older: false,
            adopt_lineage: false,
        });
        Ok(())
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
