//! What a server's tables are beside their columns and rows, from its catalogs.

use super::super::content::{is_journal, text};
use super::super::{Aspect, Result, Session, Trait};
use super::content::{full_name, named};

/// The table, what it is, the columns, what it says, its name, and the table to which it refers or the
/// sequence that numbers it. Rules of foreign keys come without the table that they refer
/// to, whose name may change.
const TRAITS: &str = r"
WITH relation AS (
    SELECT pg_class.*, NAMED AS full_name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid >= 16384 AND relkind IN ('r', 'p') AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
), part AS (
    SELECT full_name, pg_attribute.*, pg_get_expr(adbin, adrelid) AS expression, typcollation, typstorage, (
        SELECT SEQUENCE_NAMED FROM pg_depend JOIN pg_class AS sequence ON sequence.relkind = 'S'
            AND sequence.oid = CASE classid WHEN 'pg_class'::regclass THEN objid ELSE refobjid END
        JOIN pg_namespace AS space ON space.oid = sequence.relnamespace
        WHERE classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid AND refclassid = 'pg_class'::regclass
        OR classid = 'pg_class'::regclass AND deptype = 'i' AND refclassid = 'pg_class'::regclass
            AND refobjid = attrelid AND refobjsubid = attnum
        LIMIT 1) AS sequence
    FROM pg_attribute JOIN relation ON relation.oid = attrelid JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
)
SELECT full_name, 'type', json_build_array(attname)::text, format_type(atttypid, atttypmod), NULL, NULL FROM part
UNION ALL SELECT full_name, 'not null', json_build_array(attname)::text, 'NOT NULL', NULL, NULL FROM part WHERE attnotnull
UNION ALL SELECT full_name, 'default', json_build_array(attname)::text,
    CASE WHEN expression LIKE 'nextval(%' OR attidentity <> '' THEN 'the next number' ELSE expression END, NULL, sequence
FROM part WHERE expression IS NOT NULL OR attidentity <> ''
UNION ALL SELECT full_name, 'collation', json_build_array(attname)::text, collname, NULL, NULL
FROM part JOIN pg_collation ON pg_collation.oid = attcollation WHERE attcollation <> typcollation
UNION ALL SELECT full_name, 'storage', json_build_array(attname)::text, attstorage::text, NULL, NULL FROM part WHERE attstorage <> typstorage
UNION ALL SELECT full_name, 'statistics', json_build_array(attname)::text, attstattarget::text, NULL, NULL FROM part WHERE attstattarget >= 0
UNION ALL SELECT full_name, 'grants', json_build_array(attname)::text, attacl::text, NULL, NULL FROM part WHERE attacl IS NOT NULL
UNION ALL SELECT full_name, 'comment', json_build_array(attname)::text, col_description(attrelid, attnum), NULL, NULL
FROM part WHERE col_description(attrelid, attnum) IS NOT NULL
UNION ALL SELECT full_name, 'grants', '[]', relacl::text, NULL, NULL FROM relation WHERE relacl IS NOT NULL
UNION ALL SELECT full_name, 'row security', '[]', 'row level security', NULL, NULL FROM relation WHERE relrowsecurity
UNION ALL SELECT full_name, 'comment', '[]', obj_description(oid, 'pg_class'), NULL, NULL
FROM relation WHERE obj_description(oid, 'pg_class') IS NOT NULL
UNION ALL SELECT full_name, CASE contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' ELSE 'check' END,
    coalesce((SELECT json_agg(attname ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS own(number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = own.number)::text, '[]'),
    CASE contype WHEN 'f' THEN regexp_replace(pg_get_constraintdef(pg_constraint.oid), '^.* REFERENCES [^(]*\([^)]*\)', '')
        ELSE pg_get_constraintdef(pg_constraint.oid) END, conname,
    (SELECT full_name FROM relation AS target WHERE target.oid = confrelid)
FROM pg_constraint JOIN relation ON relation.oid = conrelid WHERE contype IN ('p', 'u', 'f', 'c', 'x')
UNION ALL SELECT full_name, CASE WHEN indisunique THEN 'unique' ELSE 'index' END,
    coalesce((SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = indrelid AND attnum > 0 AND EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = indexrelid
        AND refclassid = 'pg_class'::regclass AND refobjid = indrelid AND refobjsubid = attnum))::text, '[]'),
    regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''), part.relname, NULL
FROM pg_index JOIN relation ON relation.oid = indrelid JOIN pg_class AS part ON part.oid = indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))";

pub(super) async fn traits(session: &mut dyn Session) -> Result<Vec<Trait>> {
    let query = TRAITS
        .replace(
            "SEQUENCE_NAMED",
            &named("space.nspname", "sequence.relname"),
        )
        .replace("NAMED", &named("nspname", "relname"));
    let mut traits = Vec::new();
    for row in session.rows(&query, &[]).await? {
        let table = text(&row, 0);
        let Some(aspect) = aspect(&text(&row, 1)).filter(|_| !is_journal(&table)) else {
            continue;
        };
        let target = Some(text(&row, 5)).filter(|target| !target.is_empty());
        let next = match (&target, aspect) {
            (Some(sequence), Aspect::Default) => next(session, sequence).await?,
            _ => None,
        };
        traits.push(Trait {
            table,
            aspect,
            columns: serde_json::from_str(&text(&row, 2)).unwrap_or_default(),
            says: text(&row, 3).trim().to_owned(),
            name: Some(text(&row, 4)).filter(|name| !name.is_empty()),
            target,
            next,
        });
    }
    Ok(traits)
}

/// The number that a sequence gives next, where it counts up by one and has one left.
async fn next(session: &mut dyn Session, sequence: &str) -> Result<Option<i64>> {
    let name = full_name(sequence);
    let query = format!(
        "SELECT CASE WHEN last_value < 9223372036854775807 THEN last_value + is_called::integer END FROM {name}, pg_sequence
         WHERE seqrelid = $1::text::regclass AND seqincrement = 1"
    );
    let rows = session.rows(&query, &[name.as_str().into()]).await?;
    Ok(rows.first().and_then(|row| row.first()?.as_integer()))
}

fn aspect(word: &str) -> Option<Aspect> {
    Some(match word {
        "type" => Aspect::Type,
        "not null" => Aspect::NotNull,
        "default" => Aspect::Default,
        "collation" => Aspect::Collation,
        "primary key" => Aspect::PrimaryKey,
        "unique" => Aspect::Unique,
        "foreign key" => Aspect::ForeignKey,
        "check" => Aspect::Check,
        "index" => Aspect::Index,
        "comment" => Aspect::Comment,
        "grants" => Aspect::Grants,
        "row security" => Aspect::RowSecurity,
        "statistics" => Aspect::Statistics,
        "storage" => Aspect::Storage,
        _ => return None,
    })
}
