//! What other tools write down beside migrations: for which database these are.

use std::path::Path;

use super::Strange;
use super::inside::read_text_inside;
use crate::database::Kind;

/// Prisma's: <https://www.prisma.io/docs/orm/prisma-migrate/understanding-prisma-migrate/migration-histories#committing-the-migration_locktoml-file>
const PRISMAS: &str = "migration_lock.toml";

/// Drizzle's.
const DRIZZLES: &str = "meta/_journal.json";

/// What these tools call a database that is one of ours to its files.
const KINDRED: [(&str, &str); 6] = [
    ("d1", "sqlite"),
    ("libsql", "sqlite"),
    ("neon", "postgres"),
    ("pglite", "postgres"),
    ("sqlite-cloud", "sqlite"),
    ("turso", "sqlite"),
];

/// The file that says that the migrations beside it are for another database than this.
pub(super) fn objection(directory: &Path, database: Kind) -> Option<Strange> {
    let read = |name: &str| read_text_inside(directory, &directory.join(name)).ok();
    let prismas = || {
        let lock: toml::Table = read(PRISMAS)?.parse().ok()?;
        Some((PRISMAS, lock.get("provider")?.as_str()?.to_owned()))
    };
    let drizzles = || {
        let journal: serde_json::Value = serde_json::from_str(&read(DRIZZLES)?).ok()?;
        Some((DRIZZLES, journal.get("dialect")?.as_str()?.to_owned()))
    };
    let is_ours = |said: &str| {
        let said = said.to_ascii_lowercase();
        let kindred = KINDRED.iter().find(|(name, _)| *name == said);
        Kind::called(kindred.map_or(&*said, |(_, name)| *name)) == Some(database)
    };
    let mut said = prismas().into_iter().chain(drizzles());
    let (file_name, said) = said.find(|(_, said)| !said.is_empty() && !is_ours(said))?;
    Some(Strange {
        file_name: file_name.to_owned(),
        why: format!(
            "says that these migrations are for `{}`, and the target is {}: name the database or the directory that is meant",
            crate::output::printable(&said),
            database.display_name()
        ),
    })
}
