//! Whether what is in the database can be used as the journal: whose it is, and what would run in the name of the host's role when
//! its rows are read or written.
//!
//! A name proves nothing. Before the first run, another user may have made a table that is called as one of the journal's, or
//! the schema in which the journal would be made.

use super::super::{Error, ErrorKind, Result, Session, Value};
use super::home::Home;
use super::hung;
use super::state::PostgresSession;
use super::text::quote_text;
use super::trusted::TRUSTED;
use super::verify::is_of_journal;

/// A query for what speaks against a journal: what kind of objection, of which schema or table, whose it is, and the rest of
/// it. A role that can make nothing and change nothing only reads, so that nobody gains by whose it is.
fn of_journal(home: &Home) -> String {
    let (schema, is_apart) = (&home.journal, home.apart().is_some());
    format!(
        "WITH {TRUSTED}, space AS (
             SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE oid = to_regnamespace({schema})
         ), relation AS (
             SELECT oid, relname, relowner, relkind, relacl, reltype, relforcerowsecurity FROM pg_class WHERE {relations}
         ), hung AS MATERIALIZED (
             SELECT oid AS hung_on, 'forced row-level security' AS harm, 0 AS place FROM relation
             WHERE relforcerowsecurity AND relkind IN ('r', 'p')
             UNION ALL {harm}
         ), writer AS (
             SELECT FROM pg_namespace WHERE oid IN (to_regnamespace({schema}), to_regnamespace({migrated}))
             AND has_schema_privilege(oid, 'CREATE')
             UNION ALL SELECT FROM relation WHERE relkind IN ('r', 'p')
             AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         ), foreign_right AS (
             SELECT relname, grantee FROM relation, aclexplode(relacl) AS entry WHERE privilege_type NOT IN ('SELECT', 'MAINTAIN')
             UNION SELECT relname, grantee FROM relation
             JOIN pg_attribute ON attrelid = relation.oid AND attacl IS NOT NULL, aclexplode(attacl) AS entry
             WHERE privilege_type <> 'SELECT'
         ), seen (oid) AS (
             SELECT ev_class FROM relation JOIN pg_depend ON refobjid = relation.oid JOIN pg_rewrite ON pg_rewrite.oid = objid
             WHERE refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass AND ev_class <> relation.oid
             UNION SELECT ev_class FROM seen JOIN pg_depend ON refobjid = seen.oid JOIN pg_rewrite ON pg_rewrite.oid = objid
             WHERE refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass
         ), view_right AS (
             SELECT view.oid::regclass::text AS name, relowner, grantee FROM pg_class AS view JOIN seen ON seen.oid = view.oid,
                 aclexplode(relacl) AS entry WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')
             UNION SELECT view.oid::regclass::text, relowner, grantee FROM pg_class AS view JOIN seen ON seen.oid = view.oid
             JOIN pg_attribute ON attrelid = view.oid AND attacl IS NOT NULL, aclexplode(attacl) AS entry
             WHERE privilege_type IN ('INSERT', 'UPDATE', 'DELETE')
         ), part (kind, name, extension) AS (
             SELECT 'part', relname, refobjid FROM relation JOIN pg_depend ON objid = relation.oid
             WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_extension'::regclass
             UNION ALL SELECT 'part', relname, refobjid FROM relation JOIN pg_depend ON objid = reltype
             WHERE classid = 'pg_type'::regclass AND refclassid = 'pg_extension'::regclass
             UNION ALL SELECT 'part schema', nspname, refobjid FROM space JOIN pg_depend ON objid = space.oid
             WHERE {is_apart} AND classid = 'pg_namespace'::regclass AND refclassid = 'pg_extension'::regclass
         )
         SELECT kind, name::text, owner::text, more FROM (
             SELECT 1 AS rank, 'schema' AS kind, nspname AS name, pg_get_userbyid(nspowner) AS owner, '' AS more FROM space
             WHERE nspowner NOT IN (SELECT role FROM trusted) AND EXISTS (SELECT FROM writer)
             UNION ALL SELECT 2, 'owner', relname, pg_get_userbyid(relowner), '' FROM relation
             WHERE relowner NOT IN (SELECT role FROM trusted) AND EXISTS (SELECT FROM writer)
             UNION ALL SELECT 3, 'no table', relname, pg_get_userbyid(relowner), '' FROM relation
             WHERE relkind NOT IN ('r', 'p', 'i', 'I')
             UNION ALL SELECT 4, 'harm', relname, owner, harm FROM (
                 SELECT relname, pg_get_userbyid(relowner) AS owner, harm FROM hung JOIN relation ON oid = hung_on
                 ORDER BY relname, place LIMIT 1
             ) AS table_with
             UNION ALL SELECT 5, 'rights', min(relname::text)::name, min(relname::text)::name,
                 string_agg(DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, ', ')
             FROM foreign_right WHERE grantee NOT IN (SELECT role FROM trusted) AND EXISTS (SELECT FROM writer)
             HAVING count(*) > 0
             UNION ALL SELECT 6, 'create', min(nspname::text)::name, min(nspname::text)::name,
                 string_agg(DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, ', ')
             FROM space, aclexplode(nspacl) AS entry WHERE {is_apart} AND privilege_type = 'CREATE'
             AND grantee NOT IN (SELECT role FROM trusted) AND EXISTS (SELECT FROM writer)
             HAVING count(*) > 0
             UNION ALL SELECT 7, 'view', min(name), pg_get_userbyid(min(relowner)),
                 string_agg(DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, ', ')
             FROM view_right WHERE relowner IN (SELECT role FROM trusted) AND grantee NOT IN (SELECT role FROM trusted)
             AND EXISTS (SELECT FROM writer) GROUP BY name
             UNION ALL SELECT 8, kind, name, extname, quote_ident(extname)
             FROM part JOIN pg_extension ON pg_extension.oid = extension
         ) AS objection ORDER BY rank, name LIMIT 1",
        relations = is_of_journal(schema),
        harm = hung::harm("ARRAY(SELECT oid FROM relation WHERE relkind IN ('r', 'p'))"),
        schema = quote_text(schema),
        migrated = quote_text(&home.schema),
    )
}

/// A query for whether everything of a journal plainly is the connection's own, as almost always: then nothing speaks against
/// it. Whatever else there may be on it has a flag in the row of its table, or depends on it.
///
/// In a short run, to plan [`of_journal`] would take the server longer than to do all the rest.
pub(super) fn is_plainly_own(home: &Home) -> String {
    let schema = &home.journal;
    // In a schema with other tables, rights are the affair of whoever works there.
    let space = match home.apart() {
        None => "",
        Some(_) => {
            "AND (nspacl IS NULL OR (
                 SELECT true FROM aclexplode(nspacl) WHERE grantee <> nspowner AND privilege_type = 'CREATE' LIMIT 1) IS NULL)
             AND (SELECT true FROM pg_depend WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid LIMIT 1) IS NULL"
        }
    };
    format!(
        "SELECT 1 FROM (
             SELECT bool_and(pg_get_userbyid(relowner) = current_user AND relkind IN ('r', 'i') AND relacl IS NULL
                 AND NOT (relhasrules OR relhastriggers OR relhassubclass OR relrowsecurity OR relforcerowsecurity OR relispartition)
                 AND relchecks = 0 AND (
                     SELECT true FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0
                     AND (atttypid >= 16384 OR attacl IS NOT NULL) LIMIT 1
                 ) IS NULL AND (
                     SELECT true FROM pg_attrdef WHERE adrelid = pg_class.oid AND pg_get_expr(adbin, adrelid) !~ '^[0-9]+$' LIMIT 1
                 ) IS NULL AND (
                     SELECT true FROM pg_index WHERE indrelid = pg_class.oid AND (indexprs IS NOT NULL OR indpred IS NOT NULL
                     OR indisexclusion OR 16384 <= ANY (indclass::oid[])) LIMIT 1
                 ) IS NULL AND (
                     SELECT true FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = pg_class.oid
                     AND classid <> ALL (CAST('{{pg_class,pg_type,pg_constraint,pg_attrdef}}' AS regclass[])::oid[]) LIMIT 1
                 ) IS NULL AND (
                     SELECT true FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                     AND (refclassid = 'pg_class'::regclass AND relkind = 'r' OR refclassid = 'pg_extension'::regclass) LIMIT 1
                 ) IS NULL AND (
                     SELECT true FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = reltype
                     AND refclassid = 'pg_extension'::regclass LIMIT 1
                 ) IS NULL) AS relations,
             (SELECT pg_get_userbyid(nspowner) IN (current_user, 'pg_database_owner') {space} FROM pg_namespace
                 WHERE oid = to_regnamespace({schema})) AS space
             FROM pg_class WHERE {relations}
         ) AS own WHERE coalesce(relations, true) AND coalesce(space, true)",
        relations = is_of_journal(schema),
        schema = quote_text(schema),
    )
}

/// What takes all rights but that to read away from others, which default privileges have given on the journal's tables. Asked
/// in the transaction that makes them.
pub(super) fn protect(schema: &str) -> String {
    format!(
        "DO $wasmigrate$ DECLARE given record; BEGIN
         FOR given IN
             SELECT pg_class.oid::regclass AS relation, privilege_type,
                 CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
             FROM pg_class, aclexplode(relacl) AS entry
             WHERE relkind IN ('r', 'p') AND {} AND grantee <> relowner AND privilege_type <> 'SELECT'
         LOOP
             EXECUTE format('REVOKE %s ON %s FROM %s', given.privilege_type, given.relation, given.grantee);
         END LOOP; END $wasmigrate$",
        is_of_journal(schema)
    )
}

/// What takes the right to make tables in the journal's schema away from others, to whom default privileges have given it. Asked
/// in the transaction that makes the schema.
pub(super) fn protect_schema(schema: &str) -> String {
    format!(
        "DO $wasmigrate$ DECLARE given record; BEGIN
         FOR given IN
             SELECT pg_namespace.oid::regnamespace AS space, privilege_type,
                 CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
             FROM pg_namespace, aclexplode(nspacl) AS entry
             WHERE pg_namespace.oid = to_regnamespace({}) AND grantee <> nspowner AND privilege_type <> 'USAGE'
         LOOP
             EXECUTE format('REVOKE %s ON SCHEMA %s FROM %s', given.privilege_type, given.space, given.grantee);
         END LOOP; END $wasmigrate$",
        quote_text(schema)
    )
}

impl PostgresSession {
    /// Refuses a journal, or a schema for one, that somebody else has a hand in. Asked before anything is read from it or
    /// written to it.
    pub(super) async fn check_journal(&mut self) -> Result<()> {
        let home = self.target.home.clone();
        let session: &mut dyn Session = self;
        let own = session.rows(&is_plainly_own(&home), &[]).await?;
        if !own.is_empty() {
            return Ok(());
        }
        let query = of_journal(&home);
        let rows = session.rows(&query, &[]).await?;
        match texts(rows).as_slice() {
            [] => Ok(()),
            [kind, name, owner, more] => Err(Error::new(
                ErrorKind::Unavailable,
                objection(&home.journal, kind, name, owner, more),
            )),
            _ => Err(Error::new(
                ErrorKind::Other,
                "the server does not tell whose the journal is",
            )),
        }
    }
}

/// The first row, as texts.
fn texts(rows: Vec<Vec<Value>>) -> Vec<String> {
    let row = rows.into_iter().next().unwrap_or_default();
    let text = |value: Value| value.as_text().unwrap_or_default().to_owned();
    row.into_iter().map(text).collect()
}

/// What speaks against a journal, in words. `schema` is an identifier in quotes.
fn objection(schema: &str, kind: &str, name: &str, owner: &str, more: &str) -> String {
    match kind {
        "schema" => format!(
            "the schema {schema}, in which the journal is or would be made, belongs to the role {owner}, who could put anything \
             in the journal's place, and who is neither this connection's role nor a role that it is a member of, the owner of \
             the database or a superuser: when it holds nothing that is needed, let {owner} or a superuser drop it; when the \
             role is trusted, make this one a member of it; or make the journal in another schema with \
             `postgres.journal_schema`"
        ),
        "owner" => format!(
            "{schema}.{name}, which is called as a table of the journal, belongs to the role {owner}, who is neither this \
             connection's role nor a role that it is a member of, the owner of the database or a superuser: it may be forged, \
             and is not used. If it is the journal, connect as {owner} or as a member of it; if not, let {owner}, the owner of \
             the schema {schema} or a superuser drop it"
        ),
        "no table" => format!(
            "{schema}.{name}, of the role {owner}, is called as a table of the journal and is none: rename or drop it"
        ),
        "harm" => format!(
            "the table {schema}.{name} of the journal, which belongs to {owner}, has {more}, which is not the host's and could run \
             in the name of this connection's role: look at who made it, and drop it"
        ),
        "create" => format!(
            "others than the owner of the schema {schema} may make tables in it, which could be taken for the journal's: `REVOKE CREATE \
             ON SCHEMA {schema} FROM {more}` (USAGE is no harm)"
        ),
        "view" => format!(
            "{more} may write to the journal in {schema} through {name}, with the rights of its owner {owner}: look at what was written, \
             and `REVOKE INSERT, UPDATE, DELETE ON {name} FROM {more}` (reading is no harm), or drop it"
        ),
        "part" => format!(
            "{schema}.{name} of the journal is a part of the extension {more}, so that a backup leaves it out, and whoever drops the \
             extension takes it along: look at who made it one, and take it out (`ALTER EXTENSION {more} DROP …`, `ALTER INDEX … NO \
             DEPENDS ON EXTENSION {more}`)"
        ),
        "part schema" => format!(
            "the schema {schema} of the journal is a part of the extension {more}, so that a backup leaves it out, and whoever drops \
             the extension takes it along: look at who made it one, and take it out (`ALTER EXTENSION {more} DROP SCHEMA {schema}`)"
        ),
        _ => format!(
            "others than the journal's owner may write to {schema}.{name}, and hang triggers onto it: `REVOKE INSERT, UPDATE, \
             DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA {schema} FROM {more}` (reading is no harm); roles that \
             migrate, too, are to be members of the owner's role"
        ),
    }
}
