//! The shape of a server's tables, from its catalogs.

use std::collections::BTreeMap;

use super::super::content::text;
use super::super::shape::integer;
use super::super::{ColumnShape, ForeignKey, Result, Session, Shape};
use super::content::named;

const COLUMNS: &str = "
SELECT NAMED, attname, format_type(atttypid, atttypmod),
    attnotnull, attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval(%', attgenerated <> ''
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND nspname NOT LIKE 'pg\\_%'
AND nspname <> 'information_schema' AND relname NOT LIKE 'wasmigrate\\_%'
ORDER BY 1, attnum";

const CONSTRAINTS: &str = "
SELECT NAMED, contype::text,
    (SELECT json_agg(attname ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS part(number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = part.number)::text,
    OTHER_NAMED,
    (SELECT json_agg(attname ORDER BY place) FROM unnest(confkey) WITH ORDINALITY AS part(number, place)
        JOIN pg_attribute ON attrelid = confrelid AND attnum = part.number)::text,
    pg_get_constraintdef(pg_constraint.oid)
FROM pg_constraint JOIN pg_class AS own ON own.oid = conrelid JOIN pg_namespace AS own_space ON own_space.oid = own.relnamespace
LEFT JOIN pg_class AS other ON other.oid = confrelid LEFT JOIN pg_namespace AS other_space ON other_space.oid = other.relnamespace
WHERE own.relname NOT LIKE 'wasmigrate\\_%' ORDER BY contype = 'p' DESC, conname";

/// The shapes of all tables but the host's, by name.
pub(super) async fn shapes(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    let columns = COLUMNS.replace("NAMED", &named("nspname", "relname"));
    for row in session.rows(&columns, &[]).await? {
        shapes
            .entry(text(&row, 0))
            .or_default()
            .columns
            .push(ColumnShape {
                name: text(&row, 1),
                type_name: text(&row, 2).to_lowercase(),
                is_nullable: integer(&row, 3) == 0,
                is_automatic: integer(&row, 4) != 0,
                is_computed: integer(&row, 5) != 0,
            });
    }
    let names = |list: String| serde_json::from_str::<Vec<String>>(&list).unwrap_or_default();
    let constraints = CONSTRAINTS
        .replace(
            "OTHER_NAMED",
            &named("other_space.nspname", "other.relname"),
        )
        .replace("NAMED", &named("own_space.nspname", "own.relname"));
    for row in session.rows(&constraints, &[]).await? {
        let Some(shape) = shapes.get_mut(&text(&row, 0)) else {
            continue;
        };
        let columns = names(text(&row, 2));
        match text(&row, 1).as_str() {
            "p" | "u" => shape.unique.push(columns),
            "f" => shape.foreign_keys.push(ForeignKey {
                columns,
                target: text(&row, 3),
                target_columns: names(text(&row, 4)),
            }),
            "c" => {
                shape.checks.push_str(&text(&row, 5));
                shape.checks.push('\n');
            }
            _ => {}
        }
    }
    Ok(shapes)
}
