//! Whose the capture is: what default privileges give to others is taken away again, and what others have is found before what was
//! captured is relied on. Whoever may hang a trigger onto it has code of theirs run in the name of the host's role; whoever may
//! delete from it has rows left out.

use super::super::text::quote_text;
use super::super::trusted::TRUSTED;
use crate::database::transform::{TransformedTable, text_of};
use crate::database::{Error, ErrorKind, Result, Session, quote};

/// Takes all rights from others that default privileges have given on the capture. Asked in the transaction that makes it.
pub(super) async fn protect_capture(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<()> {
    let capture = quote_text(&table.capture_name());
    revoke(
        session,
        &format!(
            "SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, pg_class.oid::regclass::text AS name, grantee
             FROM pg_class, aclexplode(relacl) WHERE grantee <> relowner
             AND pg_class.oid IN (to_regclass({capture}), to_regclass(pg_get_serial_sequence({capture}, 'id')))"
        ),
    )
    .await
}

/// Takes the right to execute the capture's function from all but the owner of the transformed table. One that somebody else made
/// before, under its name, stays theirs when it is replaced, and is refused.
pub(super) async fn protect_function(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<()> {
    let function = quote_text(&format!("{}()", table.capture_name()));
    let whose = format!(
        "WITH {TRUSTED} SELECT pg_get_userbyid(proowner)::text FROM pg_proc
         WHERE pg_proc.oid = to_regprocedure({function}) AND proowner NOT IN (SELECT role FROM trusted)"
    );
    if let Some(row) = session.rows(&whose, &[]).await?.first() {
        let (name, role) = (table.capture_name(), text_of(row.first()));
        return Err(Error::new(
            ErrorKind::Other,
            format!(
                "the function {name}(), which the transformation needs, belongs to the role {role}, who could change what it does: \
                 look at who made it, and drop it"
            ),
        ));
    }
    let owner = match &table.owner {
        Some(owner) => format!("to_regrole({})", quote_text(&quote(owner))),
        None => "NULL".to_owned(),
    };
    revoke(
        session,
        &format!(
            "SELECT 'FUNCTION' AS kind, pg_proc.oid::regprocedure::text AS name, grantee
             FROM pg_proc, aclexplode(proacl) WHERE grantee <> proowner AND grantee <> coalesce({owner}::oid, 0)
             AND pg_proc.oid = to_regprocedure({function})"
        ),
    )
    .await
}

/// Revokes what a query finds: `kind` and `name` of a thing, and the number of the `grantee`.
async fn revoke(session: &mut dyn Session, found: &str) -> Result<()> {
    let revoke = format!(
        "DO $wasmigrate$ DECLARE given record; BEGIN
         FOR given IN SELECT DISTINCT kind, name,
             CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee FROM ({found}) AS found
         LOOP
             EXECUTE format('REVOKE ALL ON %s %s FROM %s', given.kind, given.name, given.grantee);
         END LOOP; END $wasmigrate$"
    );
    session.execute_later(&revoke, &[]).await
}

/// Refuses to rely on a capture that others have a hand in.
pub(super) async fn check_capture(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<()> {
    let name = table.capture_name();
    let capture = quote_text(&name);
    if !session
        .rows(&is_plainly_own(&capture), &[])
        .await?
        .is_empty()
    {
        return Ok(());
    }
    let rows = session.rows(&objection(&capture), &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let [kind, more] = [0, 1].map(|column| text_of(row.get(column)));
    let restart = "what they may have taken out of it is not known, so that rows could be left out: after that, `migrate --restart` \
                   or `finalize --restart` computes all anew";
    let message = match kind.as_str() {
        "owner" => format!(
            "the capture {name} of the transformation belongs to the role {more}, who could change it: let a superuser give it to \
             this connection's role; {restart}"
        ),
        "rights" => format!(
            "others than its owner may change the capture {name} of the transformation: `REVOKE ALL ON TABLE {name} FROM {more}`; \
             {restart}"
        ),
        _ => format!(
            "the capture {name} of the transformation has {more}, which is not the host's and could keep changes from being \
             captured: look at who made it, and drop it; `migrate --restart` or `finalize --restart` then computes all anew"
        ),
    };
    Err(Error::new(ErrorKind::Other, message))
}

/// A query for whether nothing speaks against a capture, as almost always: to plan [`objection`] takes the server longer.
fn is_plainly_own(capture: &str) -> String {
    format!(
        "SELECT 1 FROM pg_class WHERE oid = to_regclass({capture}) AND pg_get_userbyid(relowner) = current_user
         AND NOT (relhasrules OR relhastriggers OR relhassubclass OR relispartition)
         AND NOT EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner AND privilege_type NOT IN ('SELECT', 'MAINTAIN'))
         AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attacl IS NOT NULL)"
    )
}

/// A query for what speaks against a capture: what kind of objection, and the rest of it.
fn objection(capture: &str) -> String {
    format!(
        "WITH {TRUSTED}, relation AS (
             SELECT oid, relowner, relacl FROM pg_class WHERE oid = to_regclass({capture})
         ), foreign_right AS (
             SELECT grantee FROM relation, aclexplode(relacl) AS entry WHERE privilege_type NOT IN ('SELECT', 'MAINTAIN')
             UNION SELECT grantee FROM relation
             JOIN pg_attribute ON attrelid = relation.oid AND attacl IS NOT NULL, aclexplode(attacl) AS entry
             WHERE privilege_type <> 'SELECT'
         )
         SELECT kind, more FROM (
             SELECT 1 AS rank, 'owner' AS kind, pg_get_userbyid(relowner)::text AS more FROM relation
             WHERE relowner NOT IN (SELECT role FROM trusted)
             UNION ALL SELECT 2, 'harm', 'a trigger' FROM pg_trigger JOIN relation ON relation.oid = tgrelid WHERE NOT tgisinternal
             UNION ALL SELECT 3, 'harm', 'a rule' FROM pg_rewrite JOIN relation ON relation.oid = ev_class
             UNION ALL SELECT 4, 'harm', 'a table that inherits from it, or from which it does'
             FROM pg_inherits JOIN relation ON relation.oid IN (inhparent, inhrelid)
             UNION ALL SELECT 5, 'rights',
                 string_agg(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, ', ')
             FROM foreign_right WHERE grantee NOT IN (SELECT role FROM trusted) HAVING count(*) > 0
         ) AS objection ORDER BY rank LIMIT 1"
    )
}
