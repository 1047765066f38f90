//! A release in the place of a directory of steps.

use crate::cli::GlobalArguments;
use crate::config::Config;
use crate::engine::RunRelease;
use crate::journal::ReleaseRecord;
use crate::releases::{ReleaseLock, ReleaseReference, ReleaseSource, is_reference};

/// Fetches and verifies the release that is named in the place of a directory, when one is: from then on it is a directory.
pub(in crate::cli) fn fetch_steps(
    global: &GlobalArguments,
    config: &mut Config,
) -> anyhow::Result<()> {
    let Some(named) = named(config) else {
        return match global.offline {
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
    let trust = super::trust(global, config)?;
    let options = super::options(config);
    let source = ReleaseSource::of(&reference, global.offline, trust.as_ref(), &options)?;
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

/// Refuses a release where the files are to be changed.
pub(in crate::cli) fn refuse_release(config: &Config) -> anyhow::Result<()> {
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
