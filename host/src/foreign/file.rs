//! What the name of a file says to a tool.

use super::{FileVersion, Tool, Version, flyway};
use crate::catalog::{StepFile, diesels_version};

impl Tool {
    /// What a SQL file is to the tool, by its name.
    pub fn version_of(self, file: &StepFile) -> FileVersion {
        let name = own_name(file);
        if name.to_ascii_lowercase().ends_with(".down.sql") {
            return FileVersion::Otherwise(
                "undoes a file that is not there: put that back, or move this one away",
            );
        }
        let directory = match name.split_once('/') {
            Some((directory, "up.sql")) if self == Self::Diesel => Some(directory),
            Some((directory, "migration.sql")) if self == Self::Prisma => Some(directory),
            _ => None,
        };
        let before = |mark: char| {
            name.split_once(mark)
                .and_then(|(version, _)| Version::parse(version))
        };
        let leading = |name: &str| {
            let rest = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
            Version::parse(name.strip_suffix(rest).unwrap_or_default())
        };
        let version = match self {
            Self::Migrator => None,
            Self::Flyway => return flyway::version_of(&name),
            // It knows no repeatable ones.
            Self::Refinery => match name.starts_with(['B', 'R']) {
                true => None,
                false => return flyway::version_of(&name),
            },
            Self::Sqlx | Self::Goose => before('_'),
            Self::GolangMigrate => before('_').filter(|_| name.contains(".up.")),
            Self::Dbmate | Self::SqlMigrate | Self::Rails | Self::NodePgMigrate | Self::Atlas => {
                leading(&name)
            }
            // Dashes between the parts of a time are nothing to it.
            Self::Diesel => directory.and_then(|name| {
                let version = name.split('_').next().unwrap_or_default();
                diesels_version(&version.replace('-', ""))
            }),
            Self::Prisma => directory.and_then(leading),
        };
        version.map_or(FileVersion::Nothing, FileVersion::Is)
    }
}

/// A file's name, with that of its directory where that is the step.
pub(super) fn own_name(file: &StepFile) -> String {
    let path = &file.path;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let parent = path.parent().and_then(|parent| parent.file_name());
    match (&*name, parent) {
        ("up.sql" | "migration.sql", Some(parent)) => {
            format!("{}/{name}", parent.to_string_lossy())
        }
        _ => name.into_owned(),
    }
}
