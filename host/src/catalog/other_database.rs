//! What other tools write down beside migrations: for which database these are.

use std::path::Path;

use super::Strange;
use super::inside::read_text_inside;
use crate::database::Kind;

/// Prisma's: <https://www.prisma.io/docs/orm/prisma-migrate/understanding-prisma-migrate/migration-histories#committing-the-migration_locktoml-file>
pub(super) const PRISMAS: &str = "migration_lock.toml";

/// Drizzle's.
const DRIZZLES: &str = "meta/_journal.json";

/// The names of databases that are one of ours to these tools.
const SQLITE: [&str; 6] = ["d1", "libsql", "sqlite", "sqlite3", "sqlite-cloud", "turso"];
const POSTGRES: [&str; 5] = ["pg", "pglite", "postgres", "postgresql", "neon"];

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
    let ours: &[&str] = match database {
        Kind::Sqlite => &SQLITE,
        Kind::Postgres => &POSTGRES,
    };
    let mut said = prismas().into_iter().chain(drizzles());
    let (file_name, said) = said.find(|(_, said)| {
        let said = said.to_ascii_lowercase();
        !said.is_empty() && !ours.contains(&&*said)
    })?;
    Some(Strange {
        file_name: file_name.to_owned(),
        why: format!(
            "says that these migrations are for `{}`, and the target is {}: name the database or the directory that is meant",
            crate::output::printable(&said),
            database.display_name()
        ),
    })
}
