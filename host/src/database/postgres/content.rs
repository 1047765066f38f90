//! The schema of a PostgreSQL database, from its catalogs: <https://www.postgresql.org/docs/current/catalogs.html>

use super::super::content::{is_journal, text};
use super::super::{Content, Object, Result, Session, Table, Value, quote, unquote};

/// Everything that steps make, but tables: the table that it belongs to, what it is, its name, and what defines it.
/// Relations of the schema `public` go by their bare names. What the server brings along has smaller numbers than 16384, and
/// is most of what the catalogs hold.
const OBJECTS: &str = r"
WITH space AS (
    SELECT oid, CASE nspname WHEN 'public' THEN '' ELSE
        CASE WHEN nspname ~ '[.\x22]' THEN quote_ident(nspname) ELSE nspname END || '.' END AS prefix
    FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
), relation AS (
    SELECT pg_class.*, prefix || CASE WHEN relname ~ '[.\x22]' THEN quote_ident(relname) ELSE relname END AS full_name
    FROM pg_class JOIN space ON space.oid = relnamespace
    WHERE pg_class.oid >= 16384
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
)
SELECT CASE WHEN relkind IN ('r', 'p', 'f') THEN full_name ELSE '' END,
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
        WHEN 'c' THEN 'type' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    full_name,
    concat_ws(' ', relpersistence, relrowsecurity, relforcerowsecurity, reloptions, relacl,
        CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
        CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
        obj_description(oid, 'pg_class'))
FROM relation WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
UNION ALL
SELECT full_name, 'column', attname, concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
    nullif(attidentity, ''), nullif(attgenerated, ''), pg_get_expr(adbin, adrelid), attacl,
    col_description(attrelid, attnum))
FROM pg_attribute JOIN relation ON relation.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid >= 16384 AND relkind IN ('r', 'p', 'f') AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT full_name, 'constraint', conname, pg_get_constraintdef(pg_constraint.oid) || CASE WHEN convalidated THEN '' ELSE ' unchecked' END
FROM pg_constraint JOIN relation ON relation.oid = conrelid WHERE conrelid >= 16384
UNION ALL
SELECT owner.full_name, 'index', relation.full_name,
    pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' invalid' END
FROM pg_index JOIN relation ON relation.oid = indexrelid JOIN relation AS owner ON owner.oid = indrelid
WHERE indrelid >= 16384
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT full_name, 'trigger', tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), tgenabled)
FROM pg_trigger JOIN relation ON relation.oid = tgrelid WHERE NOT tgisinternal
UNION ALL
SELECT full_name, 'rule', rulename, pg_get_ruledef(pg_rewrite.oid)
FROM pg_rewrite JOIN relation ON relation.oid = ev_class WHERE rulename <> '_RETURN'
UNION ALL
SELECT full_name, 'policy', polname, concat_ws(' ', polcmd, polroles, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy JOIN relation ON relation.oid = polrelid
UNION ALL
SELECT '', 'routine', prefix || proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
    concat_ws(' ', prokind, provolatile, prosecdef, proacl, prosrc)
FROM pg_proc JOIN space ON space.oid = pronamespace
WHERE pg_proc.oid >= 16384
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
UNION ALL
SELECT '', CASE typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' ELSE 'range' END, prefix || typname,
    concat_ws(' ', format_type(nullif(typbasetype, 0), typtypmod), typnotnull, typdefault,
    (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid),
    (SELECT string_agg(pg_get_constraintdef(pg_constraint.oid), ',' ORDER BY conname) FROM pg_constraint WHERE contypid = pg_type.oid))
FROM pg_type JOIN space ON space.oid = typnamespace WHERE pg_type.oid >= 16384 AND typtype IN ('d', 'e', 'r')
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e')
UNION ALL
SELECT '', 'schema', nspname, concat_ws(' ', nspacl) FROM pg_namespace JOIN space ON space.oid = pg_namespace.oid WHERE nspname <> 'public'
UNION ALL
SELECT '', 'extension', extname, extversion FROM pg_extension";

/// The columns of every table, and which are of its primary key.
fn columns() -> String {
    format!(
        r"SELECT {}, attname, array_position(conkey, attnum)::bigint
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE attrelid >= 16384 AND relkind IN ('r', 'm') AND attnum > 0 AND NOT attisdropped
        AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
        ORDER BY 1, 2",
        named("nspname", "relname")
    )
}

fn sequences() -> String {
    let name = named("schemaname", "sequencename");
    format!("SELECT {name}, coalesce(last_value::text, 'its start') FROM pg_sequences")
}

/// An expression for what a content calls a relation. A name in which there is a dot or a quote stands in quotes, so that no two
/// relations are called alike.
pub(super) fn named(schema: &str, name: &str) -> String {
    let part = |part: &str| {
        format!(r"CASE WHEN {part} ~ '[.\x22]' THEN quote_ident({part}) ELSE {part} END")
    };
    format!(
        "CASE {schema} WHEN 'public' THEN '' ELSE {} || '.' END || {}",
        part(schema),
        part(name)
    )
}

pub(super) async fn schema(session: &mut dyn Session) -> Result<Content> {
    let mut snapshot = Content::default();
    let journal = session.journal_schema().map(unquote);
    for row in session.rows(OBJECTS, &[]).await? {
        let object = Object {
            table: text(&row, 0),
            kind: text(&row, 1),
            name: text(&row, 2),
        };
        let holds_journal = object.kind == "schema" && Some(&object.name) == journal.as_ref();
        if !holds_journal && !is_journal(&object.table) && !is_journal(&object.name) {
            snapshot.objects.insert(object, text(&row, 3));
        }
    }
    let mut keys: Vec<(String, i64, usize)> = Vec::new();
    for row in session.rows(&columns(), &[]).await? {
        let name = text(&row, 0);
        if is_journal(&name) {
            continue;
        }
        let table: &mut Table = snapshot.tables.entry(name.clone()).or_default();
        if let Some(place) = row.get(2).and_then(Value::as_integer) {
            keys.push((name, place, table.columns.len()));
        }
        table.columns.push(text(&row, 1));
    }
    keys.sort_unstable();
    for (name, _, position) in keys {
        if let Some(table) = snapshot.tables.get_mut(&name) {
            table.key.push(position);
        }
    }
    for row in session.rows(&sequences(), &[]).await? {
        let name = text(&row, 0);
        if !is_journal(&name) {
            snapshot
                .sequences
                .insert(format!("the sequence {name}"), text(&row, 1));
        }
    }
    Ok(snapshot)
}

/// The name of a table of the content in SQL.
pub(super) fn full_name(name: &str) -> String {
    let (schema, name) = schema_and_name(name);
    format!("{}.{}", quote(&schema), quote(&name))
}

/// The schema and the name of a table of the content.
pub(super) fn schema_and_name(name: &str) -> (String, String) {
    let (first, rest) = first_part(name);
    match rest.strip_prefix('.') {
        Some(rest) => (first, first_part(rest).0),
        None => ("public".to_owned(), first),
    }
}

fn first_part(name: &str) -> (String, &str) {
    let Some(mut rest) = name.strip_prefix('"') else {
        let (part, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
        return (part.to_owned(), rest);
    };
    let mut part = String::new();
    while let Some((before, after)) = rest.split_once('"') {
        part.push_str(before);
        let Some(after) = after.strip_prefix('"') else {
            return (part, after);
        };
        part.push('"');
        rest = after;
    }
    (part + rest, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_and_quotes_are_told_apart() {
        for (name, schema, table) in [
            ("a", "public", "a"),
            ("s.a", "s", "a"),
            (r#""s.a""#, "public", "s.a"),
            (r#""x.y".z"#, "x.y", "z"),
            (r#"x."y.z""#, "x", "y.z"),
            (r#""a""b"."c""""#, "a\"b", "c\""),
        ] {
            let expected = (schema.to_owned(), table.to_owned());
            assert_eq!(schema_and_name(name), expected, "{name}");
        }
    }
}
