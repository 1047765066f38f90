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
        pg_has_role(relowner, 'USAGE') AS is_ours, relowner
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'wasmigrate_journal' AND relkind IN ('r', 'p')
), missing AS (
    SELECT name, place FROM unnest($4::text[]) AS name JOIN journal ON owner = name
    WHERE is_ours AND NOT EXISTS (SELECT FROM path WHERE home = name)
), place AS (
    SELECT home, place, number, rank FROM home,
    LATERAL (VALUES (1, $2::text), (2, usual), (3, usual || '_journal'), (4, home)) AS place (rank, place)
), found AS (
    SELECT home, place, number, rank FROM place JOIN journal USING (place) WHERE coalesce(owner, home) = home
    UNION ALL SELECT home, place, number, CASE WHEN is_ours THEN 5 ELSE 6 END FROM home JOIN journal ON owner = home
    WHERE is_ours OR $2::text IS NULL AND has_schema_privilege(relowner, home, 'CREATE')
), new AS (
    SELECT home, coalesce($2::text,
        usual || CASE WHEN usual IN (current_user, session_user, $3::text) THEN '_journal' ELSE '' END) AS place, number, 9 AS rank
    FROM home
)";

/// The migrated schema and that of its journal, as identifiers in quotes; what is in the way of working there, and the schema
/// that this is about. Asks with the schemas of the search path, the schema that the operator names for the journal, the role
/// of the steps, and the names in the search path, whether there are such schemas or not.
///
/// The migrated schema is the first of the search path with a journal, and only else the first of all. Where steps would not
/// make their tables in it, nothing is done: the journal would say of one schema what has happened in another.
pub(super) fn find() -> String {
    format!(
        "{WITH}
         SELECT quote_ident(home), quote_ident(place), CASE
             WHEN home LIKE 'pg\\_%' OR home = 'information_schema' THEN 'of the server'
             WHEN EXISTS (SELECT FROM missing) THEN 'missing'
             WHEN rank = 6 THEN 'of another role'
             WHEN home <> 'public' AND EXISTS (SELECT FROM journal WHERE journal.place = home AND owner <> home)
                 THEN 'of another journal'
             WHEN rank = 9 AND place <> home AND (place = first OR place IN (current_user, session_user, $3::text))
                 THEN 'of steps'
             WHEN place <> home AND place = first THEN 'moved before'
             WHEN home <> first THEN 'later'
             WHEN rank = 9 AND place IN (SELECT place FROM journal) THEN 'taken'
             ELSE '' END, coalesce((SELECT quote_ident(min(name)) FROM missing), quote_ident(first))
         FROM (SELECT * FROM found UNION ALL SELECT * FROM new) AS either, (SELECT ($1::name[])[1]::text AS first) AS first
         ORDER BY rank = 9, number, rank LIMIT 1"
    )
}

/// Where a new journal of a migrated schema would be, as an identifier in quotes. Asks with what [`find`] asks with, and the
/// schema.
pub(super) fn usual() -> String {
    format!("{WITH} SELECT quote_ident(place) FROM new WHERE quote_ident(home) = $5")
}

/// Whether a schema would come before the migrated one in the search path, or does so in that of a role by its name. Asks with
/// the schema without quotes, the migrated one as an identifier in quotes, the role of the steps, and the names in the search
/// path, whether there are such schemas or not.
pub(super) const COMES_FIRST: &str = "
    SELECT 1 FROM (
        SELECT array_position($4::text[], $1::text) AS place,
            (SELECT min(number) FROM unnest($4::text[]) WITH ORDINALITY AS path (name, number) WHERE quote_ident(name) = $2::text)
                AS home
    ) AS path
    WHERE quote_ident($1::text) <> $2::text
    AND ($1::text IN (current_user, session_user, $3::text) OR place < coalesce(home, place + 1))";

/// Why the journal is not moved to a schema that would come before the migrated one, all as identifiers in quotes.
pub(super) fn not_moved(journal: &str, to: &str, migrated: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the journal stays in the schema {journal}: {to} would come before {migrated} in the search path, by its own name or by \
         that of the role (`\"$user\"`), so that steps would make their tables in it; name another schema with \
         `postgres.journal_schema`"
        ),
    )
}

/// A schema has come before the one that is migrated, both as identifiers in quotes, since the host has looked.
pub(super) fn comes_before(schema: &str, migrated: &str) -> Error {
    Error::not_permitted(format!(
        "the schema {schema} would come before {migrated} in the search path from now on, so that later steps would make their \
         tables in {schema}, while the journal is that of {migrated}; nothing of this is kept: to go on with {migrated}, put \
         `options=-csearch_path%3D{migrated}` in the URL; to migrate {schema} as a target with a journal of its own, make it \
         first and put `options=-csearch_path%3D{schema}` there"
    ))
}

/// A schema to migrate, and that of its journal, as identifiers in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) schema: String,
    pub(super) journal: String,
    /// The journal's schema without quotes, where steps work in another.
    apart: Option<String>,
}

impl Home {
    fn new(schema: String, journal: String) -> Self {
        let apart = (journal != schema).then(|| unquote(&journal));
        Self {
            schema,
            journal,
            apart,
        }
    }

    /// The same with the journal elsewhere.
    pub(super) fn moved_to(&self, journal: String) -> Self {
        Self::new(self.schema.clone(), journal)
    }

    /// Reads what [`find`] answers.
    pub(super) fn read(rows: Vec<Vec<Option<String>>>) -> Result<Self> {
        let row = rows.into_iter().next().unwrap_or_default();
        let Ok([Some(schema), Some(journal), Some(obstacle), Some(other)]) =
            <[Option<String>; 4]>::try_from(row)
        else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "no schema of the search path exists; create one, or name another with `options=-csearch_path%3D…`",
            ));
        };
        let refused = |message: String| Err(Error::new(ErrorKind::Unavailable, message));
        match obstacle.as_str() {
            "" => Ok(Self::new(schema, journal)),
            "of the server" => refused(format!(
                "the schema {schema}, which comes first in the search path, is the server's own: name the schema to migrate with \
                 `options=-csearch_path%3D…` in the URL"
            )),
            "missing" => refused(format!(
                "the search path names the schema {other}, which has a journal, but the schema is not there, or the role has no \
                 USAGE on it, so that steps would work in {schema}: make it visible again, or name the schema to migrate with \
                 `options=-csearch_path%3D{schema}` in the URL"
            )),
            "of another role" => refused(format!(
                "the schema {journal} holds a journal of {schema} which belongs to another role: connect as that role or as a \
                 member of it, or, if it is not the journal of this target, name the schema of its journal with \
                 `postgres.journal_schema`"
            )),
            "of another journal" => refused(format!(
                "the schema {schema}, which comes first in the search path, holds the journal of another schema: name the schema \
                 to migrate with `options=-csearch_path%3D…` in the URL"
            )),
            "later" => refused(format!(
                "the journal in the schema {journal} is that of {schema}, but {other} comes before it in the search path now, so \
                 that steps would make their tables in {other}: to go on with {schema}, put `options=-csearch_path%3D{schema}` \
                 in the URL; to migrate {other} as a target with a journal of its own, `options=-csearch_path%3D{other}`"
            )),
            "moved before" => refused(format!(
                "the journal's schema {journal} comes first in the search path of the role, so that steps would make their tables in it: put \
                 `options=-csearch_path%3D{schema}` in the URL. With that, and with another schema as `postgres.journal_schema`, \
                 `wasmigrate repair --move-journal` moves the journal, after which the option may go again"
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

    /// The journal's schema where it is apart from the tables of steps, which have nothing to do in it.
    pub(super) fn apart(&self) -> Option<&str> {
        self.apart.as_deref()
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
