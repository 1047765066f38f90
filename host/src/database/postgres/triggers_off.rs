//! Statements of a rehearsal that are no business of the application's triggers.

use super::text::quote_text;

/// What triggers run with, as the server marks it in their types.
/// <https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_trigger.h> (`TRIGGER_TYPE_UPDATE`,
/// `TRIGGER_TYPE_TRUNCATE`)
#[derive(Clone, Copy, Debug)]
pub(super) enum On {
    Update = 1 << 4,
    Truncate = 1 << 5,
}

/// A block that runs these statements in PL/pgSQL on tables, whose names are in quotes, while the triggers that would run with them
/// are off. After it they are what they were.
pub(super) fn around(tables: &[String], on: On, statements: &str) -> String {
    let tables: Vec<String> = tables.iter().map(|name| quote_text(name)).collect();
    format!(
        "DO $off$ DECLARE wasmigrate_off pg_catalog.text; wasmigrate_back pg_catalog.text; wasmigrate_place pg_catalog.tid; BEGIN
             SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::pg_catalog.regclass, tgname), ';'),
                 pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::pg_catalog.regclass,
                     CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' END, tgname), ';')
             INTO wasmigrate_off, wasmigrate_back FROM pg_catalog.pg_trigger
             WHERE tgrelid OPERATOR(pg_catalog.=) ANY (CAST(ARRAY[{}] AS pg_catalog.regclass[])::pg_catalog.oid[])
             AND NOT tgisinternal AND tgenabled OPERATOR(pg_catalog.<>) 'D'
             AND tgtype OPERATOR(pg_catalog.&) '{}'::pg_catalog.int2 OPERATOR(pg_catalog.<>) '0'::pg_catalog.int2;
             IF wasmigrate_off IS NOT NULL THEN EXECUTE wasmigrate_off; END IF;
             {statements}
             IF wasmigrate_back IS NOT NULL THEN EXECUTE wasmigrate_back; END IF;
         END $off$",
        tables.join(", "),
        on as i16,
    )
}
