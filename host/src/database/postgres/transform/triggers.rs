//! The triggers that capture changes, and the function that they call.

use crate::database::transform::{TransformedTable, send, text_of};
use crate::database::{Result, Session, quote};

/// Adds the triggers.
pub(super) fn install(table: &TransformedTable) -> Vec<String> {
    let (index, capture, name) = (table.index, table.capture_name(), &table.name);
    let watched = |row: &str| {
        let columns: Vec<String> = table
            .watched
            .iter()
            .map(|name| format!("{row}.{}", quote(name)))
            .collect();
        format!("ROW({})", columns.join(", "))
    };
    vec![
        format!(
            "CREATE TRIGGER capture_of_step_{index}_insert AFTER INSERT ON {name}
             FOR EACH ROW EXECUTE FUNCTION {capture}()"
        ),
        // Compares the bytes, which every type has, and sees what other triggers changed, too:
        // https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
        format!(
            "CREATE TRIGGER capture_of_step_{index}_update AFTER UPDATE ON {name}
             FOR EACH ROW WHEN (pg_catalog.record_image_ne({}, {})) EXECUTE FUNCTION {capture}()",
            watched("OLD"),
            watched("NEW")
        ),
        // Replication applies changes without the ordinary triggers.
        format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER capture_of_step_{index}_insert"),
        format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER capture_of_step_{index}_update"),
    ]
}

/// Adds the function, in the place of one that an earlier version of the host has made.
///
/// Whoever changes the application's rows need not have a right to the capture: the function runs in the name of the host.
/// So it serves this table alone, whoever has hung it onto another one, and whatever that one's columns are converted by.
pub(super) fn install_function(table: &TransformedTable) -> Vec<String> {
    let (capture, Some(number)) = (table.capture_name(), &table.number) else {
        return Vec::new();
    };
    // Its number does not change when it is renamed, its name does not when it is restored from a dump.
    let name = table.name.replace('\'', "''");
    let is_this = match table.has_parts {
        false => format!("TG_RELID = {number} OR TG_RELID = pg_catalog.to_regclass('{name}')"),
        true => format!(
            "EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(TG_RELID) WHERE relid = {number}
             OR relid = pg_catalog.to_regclass('{name}'))"
        ),
    };
    let body = format!(
        "BEGIN
           IF ({is_this}) IS NOT TRUE THEN
             RAISE EXCEPTION 'the capture of step {} is for the table % alone', '{name}';
           END IF;
           {}
           RETURN NULL;
         END",
        table.index,
        table.capture_new_key()
    );
    let mut quotes = String::from("$capture$");
    while body.contains(&quotes) {
        quotes.insert(1, '_');
    }
    let mut statements = vec![
        format!(
            "CREATE OR REPLACE FUNCTION {capture}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             SET search_path = pg_catalog, pg_temp AS {quotes}{body}{quotes}"
        ),
        format!("REVOKE ALL ON FUNCTION {capture}() FROM PUBLIC"),
    ];
    // Partitions that the table's owner makes get the triggers.
    statements.extend(
        table
            .owner
            .as_ref()
            .map(|owner| format!("GRANT EXECUTE ON FUNCTION {capture}() TO {}", quote(owner))),
    );
    statements
}

/// Removes the triggers.
pub(super) fn remove(table: &TransformedTable) -> Vec<String> {
    ["insert", "update"]
        .map(|suffix| {
            format!(
                "DROP TRIGGER IF EXISTS capture_of_step_{}_{suffix} ON {}",
                table.index, table.name
            )
        })
        .to_vec()
}

/// Removes triggers that call the function from other tables: one that was the transformed table, until another took its name,
/// keeps them.
pub(super) async fn remove_strays(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Vec<String>> {
    let Some(number) = &table.number else {
        return Ok(Vec::new());
    };
    let function = format!("{}()", table.capture_name()).replace('\'', "''");
    // Those of partitions go with their table's.
    let query = format!(
        "SELECT tgname::pg_catalog.text,
           pg_catalog.concat(pg_catalog.quote_ident(nspname), '.', pg_catalog.quote_ident(relname))
         FROM pg_catalog.pg_trigger AS stray JOIN pg_catalog.pg_class ON pg_class.oid = tgrelid
         JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
         WHERE tgfoid = pg_catalog.to_regprocedure('{function}') AND tgrelid <> {number}::pg_catalog.oid
           AND coalesce(pg_catalog.to_jsonb(stray) ->> 'tgparentid', '0') = '0'
           AND tgrelid NOT IN (
             SELECT relid FROM pg_catalog.pg_partition_tree({number}::pg_catalog.oid::pg_catalog.regclass)
           )
         ORDER BY 2, 1"
    );
    let mut tables = Vec::new();
    for row in session.rows(&query, &[]).await? {
        let [name, other] = [0, 1].map(|column| text_of(row.get(column)));
        send(
            session,
            [format!("DROP TRIGGER {} ON {other}", quote(&name))],
        )
        .await?;
        tables.push(other);
    }
    tables.dedup();
    Ok(tables)
}
