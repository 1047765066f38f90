//! A new project: a configuration, a first step with rows to test the next ones on, and what runs both in CI.

use std::path::{Path, PathBuf};

use super::Error;
use super::whole_file::make_all;

/// Where the steps of a new project are.
const MIGRATIONS: &str = "migrations";

/// Which service runs the tests of a new project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Ci {
    /// A workflow of GitHub Actions
    Github,
    /// A file to include in GitLab's
    Gitlab,
}

impl Ci {
    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => (
                ".github/workflows/migrations.yml",
                include_str!("new_project/github.yml"),
            ),
            Self::Gitlab => (
                "migrations.gitlab-ci.yml",
                include_str!("new_project/gitlab.yml"),
            ),
        }
    }
}

/// Makes the files of a new project in a directory; returns their paths. Nothing is made where one of them is there, or the
/// directory of the steps.
pub fn new_project(directory: &Path, ci: Option<Ci>) -> Result<Vec<PathBuf>, Error> {
    let directory = directory.strip_prefix(".").unwrap_or(directory);
    let mut files = vec![
        (
            "wasmigrate.toml",
            include_str!("new_project/wasmigrate.toml"),
        ),
        (
            "migrations/0001_create_customers.sql",
            include_str!("new_project/0001_create_customers.sql"),
        ),
        (
            "migrations/fixtures/customer.csv",
            include_str!("new_project/customer.csv"),
        ),
    ];
    files.extend(ci.map(Ci::file));
    let names = files.iter().map(|(name, _)| *name);
    for name in names.chain([MIGRATIONS]) {
        let path = directory.join(name);
        // A link that leads nowhere is there, too.
        if path.symlink_metadata().is_ok() {
            return Err(Error::ProjectExists { path });
        }
    }
    let new: Vec<(PathBuf, &str)> = files
        .into_iter()
        .map(|(name, text)| (directory.join(name), text))
        .collect();
    let files = new.iter().map(|(path, text)| (path.as_path(), *text));
    make_all(directory, files).map_err(|(path, source)| Error::New { path, source })?;
    Ok(new.into_iter().map(|(path, _)| path).collect())
}
