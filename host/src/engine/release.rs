//! The release that the steps are of: a database takes releases of one application, in the order of their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use semver::Version;

use super::{Engine, RunError};
use crate::database::Session;
use crate::journal::{self, ReleaseRecord};

/// The release that the steps are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRelease {
    /// What is written down of it.
    pub record: ReleaseRecord,
    /// The SHA-256 of each of its files, in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Who has signed each step that needs a signature of its own, by its file.
    pub step_signers: BTreeMap<String, Vec<String>>,
    /// The files of steps that may not run outside a transaction, because nobody has signed them who must for that.
    pub inside_only: BTreeSet<String>,
    /// What the operator should know of where it comes from.
    pub warning: Option<String>,
    /// Whether it may be older than one that has run.
    pub allow_older: bool,
    /// Whether it may be of another application than those that have run.
    pub adopt_lineage: bool,
}

impl Engine {
    /// The release that the steps are of; none where they are of a directory.
    pub fn source(&self) -> Option<&ReleaseRecord> {
        self.options.release.as_ref().map(|release| &release.record)
    }

    /// What the operator should know of where the steps come from.
    pub fn source_warning(&self) -> Option<&str> {
        self.options.release.as_ref()?.warning.as_deref()
    }

    /// The same engine with the steps of another release, which are in this directory.
    pub(super) fn with_release(&self, directory: PathBuf, release: RunRelease) -> Self {
        let mut engine = self.on(Arc::clone(&self.database), self.options.last);
        engine.work = Arc::clone(&self.work);
        engine.options.migrations = directory;
        engine.options.release = Some(release);
        engine
    }
}

impl RunRelease {
    /// Refuses a release that is not the next one of the target's application. The journal is locked.
    pub(super) async fn check(&self, session: &mut dyn Session) -> Result<(), RunError> {
        let Some(last) = journal::read_last_release(session).await? else {
            return Ok(());
        };
        let ReleaseRecord {
            lineage, version, ..
        } = &self.record;
        if last.lineage != *lineage {
            return match self.adopt_lineage {
                true => Ok(()),
                false => Err(RunError::Refused(format!(
                    "the release {version} is of `{lineage}`, and this database takes releases of `{}`: name the right release or the \
                     right database; where the application has a new name, pass `--adopt-lineage`",
                    last.lineage
                ))),
            };
        }
        let known = journal::read_releases(session, lineage).await?;
        let versions = known
            .iter()
            .filter_map(|release| Version::parse(&release.version).ok());
        let highest = versions.max();
        let own = Version::parse(version).ok();
        match (own, highest) {
            (Some(own), Some(highest)) if own < highest && !self.allow_older => {
                Err(RunError::Refused(format!(
                    "the release {own} of `{lineage}` is older than {highest}, which this database has seen: name the newer one, or pass \
                     `--allow-older`"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes down that a run is of this release; returns what the operator should know.
    pub(super) async fn write(
        &self,
        session: &mut dyn Session,
        run: i64,
    ) -> Result<Option<String>, crate::database::Error> {
        let ReleaseRecord {
            lineage,
            version,
            digest,
            ..
        } = &self.record;
        let known = journal::read_releases(session, lineage).await?;
        let is_changed =
            |release: &&ReleaseRecord| release.version == *version && release.digest != *digest;
        let warning = known.iter().rev().find(is_changed).map(|before| {
            format!(
                "the release {version} of `{lineage}` had the digest {} before, and has {digest} now: its steps are compared one by one",
                before.digest
            )
        });
        journal::write_release(session, run, &self.record).await?;
        Ok(warning)
    }
}
