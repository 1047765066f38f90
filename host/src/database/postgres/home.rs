//! Where the target is in its database, and where its journal.
//!
//! The journal has a schema of its own beside the one that is migrated: whatever is granted on the latter's tables, dumped of
//! them or listed does not meet the host's. Where the operator wants it there, or an earlier version has put it there, it is
//! found there.

use super::super::{Error, ErrorKind, Result};

/// What both questions begin with.
const WITH: &str = "
WITH path AS (
    SELECT home::text, number, CASE
        WHEN home = 'public' THEN 'wasmigrate'
        WHEN octet_length(home::text) > 44 THEN 'wasmigrate_' || md5(home::text)
        ELSE 'wasmigrate_' || home
    END AS usual
    FROM unnest($1::name[]) WITH ORDINALITY AS path (home, number)
), home AS (
    SELECT * FROM path
    WHERE NOT EXISTS (SELECT FROM path AS other WHERE path.home IN (other.usual, other.usual || '_journal'))
), place AS (
    SELECT home, place, number, rank FROM home,
    LATERAL (VALUES (1, $2::text), (2, usual), (3, usual || '_journal'), (4, home)) AS place (rank, place)
), found AS (
    SELECT place.* FROM place JOIN pg_namespace ON nspname = place JOIN pg_class ON relnamespace = pg_namespace.oid
    WHERE relname = 'wasmigrate_journal' AND relkind IN ('r', 'p')
), new AS (
    SELECT home, coalesce($2::text,
        usual || CASE WHEN usual IN (current_user, session_user, $3::text) THEN '_journal' ELSE '' END) AS place, number, 5 AS rank
    FROM home
)";

/// The migrated schema and that of its journal, as identifiers in quotes, and whether steps would make their tables in the
/// latter. Asks with the search path, the schema that the operator names for the journal, and the role of the steps.
///
/// The migrated schema is the first of the search path with a journal, and only else the first of all: a step may make one
/// whose name comes earlier in the path, such as the role's own. A journal's schema that is called like a role would be in
/// that role's path.
pub(super) fn find() -> String {
    format!(
        "{WITH}
         SELECT quote_ident(home), quote_ident(place), (place <> home AND place = ($1::name[])[1])::text
         FROM (SELECT * FROM found UNION ALL SELECT * FROM new) AS either
         ORDER BY rank = 5, number, rank LIMIT 1"
    )
}

/// Where a new journal of a migrated schema would be, as an identifier in quotes. Asks with what [`find`] asks with, and the
/// schema.
pub(super) fn usual() -> String {
    format!("{WITH} SELECT quote_ident(place) FROM new WHERE quote_ident(home) = $4")
}

/// A schema to migrate, and that of its journal, as identifiers in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) schema: String,
    pub(super) journal: String,
}

impl Home {
    /// Reads what [`find`] answers.
    pub(super) fn read(rows: Vec<Vec<Option<String>>>) -> Result<Self> {
        let row = rows.into_iter().next().unwrap_or_default();
        let Ok([Some(schema), Some(journal), Some(is_of_steps)]) =
            <[Option<String>; 3]>::try_from(row)
        else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "no schema of the search path exists; create one, or name another with `options=-csearch_path%3D…`",
            ));
        };
        if is_of_steps == "true" {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the journal is in the schema {journal}, which comes first in the search path, so that steps would make their \
                     tables in it: name the schema to migrate with `options=-csearch_path%3D{schema}` in the URL"
                ),
            ));
        }
        Ok(Self { schema, journal })
    }
}
