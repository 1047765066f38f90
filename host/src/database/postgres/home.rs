//! Where the target is in its database, and where its journal.
//!
//! The journal has a schema of its own beside the one that is migrated: whatever is granted on the latter's tables, dumped of
//! them or listed does not meet the host's. Where the operator wants it there, or an earlier version has put it there, it is
//! found there.

use super::super::{Error, ErrorKind, Result, unquote};
use super::text::quote_text;

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
), journal AS (
    SELECT nspname::text AS place, substring(obj_description(pg_class.oid, 'pg_class') FROM '^journal of (.*)$') AS owner,
        pg_has_role(relowner, 'USAGE') AS is_ours
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'wasmigrate_journal' AND relkind IN ('r', 'p')
), place AS (
    SELECT home, place, number, rank FROM home,
    LATERAL (VALUES (1, $2::text), (2, usual), (3, usual || '_journal'), (4, home)) AS place (rank, place)
), found AS (
    SELECT home, place, number, rank FROM place JOIN journal USING (place) WHERE coalesce(owner, home) = home
    UNION ALL SELECT home, place, number, 5 FROM home JOIN journal ON owner = home AND is_ours
), new AS (
    SELECT home, coalesce($2::text,
        usual || CASE WHEN usual IN (current_user, session_user, $3::text) THEN '_journal' ELSE '' END) AS place, number, 9 AS rank
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
         SELECT quote_ident(home), quote_ident(place), CASE
             WHEN home LIKE 'pg\\_%' OR home = 'information_schema' THEN 'of the server'
             WHEN place <> home AND (place = ($1::name[])[1] OR rank = 9 AND place IN (current_user, session_user, $3::text))
                 THEN 'of steps'
             WHEN rank = 9 AND place IN (SELECT place FROM journal) THEN 'taken'
             ELSE '' END
         FROM (SELECT * FROM found UNION ALL SELECT * FROM new) AS either
         ORDER BY rank = 9, number, rank LIMIT 1"
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
        let Ok([Some(schema), Some(journal), Some(obstacle)]) =
            <[Option<String>; 3]>::try_from(row)
        else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "no schema of the search path exists; create one, or name another with `options=-csearch_path%3D…`",
            ));
        };
        let refused = |message: String| Err(Error::new(ErrorKind::Unavailable, message));
        match obstacle.as_str() {
            "" => Ok(Self { schema, journal }),
            "of the server" => refused(format!(
                "the schema {schema}, which comes first in the search path, is the server's own: name the schema to migrate with \
                 `options=-csearch_path%3D…` in the URL"
            )),
            "taken" => refused(format!(
                "the schema {journal} holds the journal of another schema than {schema}: name one for this target with \
                 `postgres.journal_schema`"
            )),
            _ => refused(format!(
                "the journal's schema {journal} comes first in the search path of the role, so that steps would make their tables \
                 in it: name the schema to migrate with `options=-csearch_path%3D{schema}` in the URL, or another schema with \
                 `postgres.journal_schema`"
            )),
        }
    }

    /// A statement that writes down of which schema the journal is.
    pub(super) fn mark(&self) -> String {
        let owner = format!("journal of {}", unquote(&self.schema));
        format!(
            "COMMENT ON TABLE {}.wasmigrate_journal IS {}",
            self.journal,
            quote_text(&owner)
        )
    }
}
