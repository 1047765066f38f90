//! Operators and functions that fit the host's own statements better than those of the server.

use super::{Target, hidden};
use crate::place::Place;

/// Types of the catalog's columns, and those that they are compared with.
const TYPES: [&str; 12] = [
    "name",
    "text",
    "oid",
    "\"char\"",
    "int2",
    "int4",
    "int8",
    "xid",
    "bool",
    "regclass",
    "regnamespace",
    "float8",
];

/// What makes, in the schema `public`, an operator for each two types for which the server has none, and functions for names.
/// Who runs one of them fails, and is counted.
fn traps() -> String {
    let mut script = String::from(
        "CREATE SEQUENCE sprung;
         CREATE FUNCTION spring() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
           PERFORM nextval('public.sprung'); RAISE EXCEPTION 'a trap was sprung'; END $$;
         CREATE PROCEDURE trap(operator text, lhs text, rhs text, function text) LANGUAGE plpgsql AS $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_operator WHERE oprname = operator AND oprleft = lhs::regtype AND oprright = rhs::regtype)
           THEN EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s)', operator, lhs, rhs, function);
           END IF; END $$;\n",
    );
    for left in TYPES {
        for right in TYPES {
            for (function, result, operators) in [
                (
                    "compared",
                    "bool",
                    &["=", "<>", "<", ">", "<=", ">=", "~"][..],
                ),
                ("computed", "text", &["||", "+", "-", "*", "/", "->>"][..]),
            ] {
                script += &format!(
                    "CREATE FUNCTION {function}({left}, {right}) RETURNS {result} LANGUAGE sql
                     AS 'SELECT public.spring()::{result}';\n"
                );
                for operator in operators {
                    script +=
                        &format!("CALL trap('{operator}', '{left}', '{right}', '{function}');\n");
                }
            }
        }
    }
    for signature in [
        "lower(name)",
        "length(name)",
        "octet_length(name)",
        "quote_ident(name)",
        "hashtext(name)",
        "md5(name)",
        "left(name, integer)",
        "right(name, integer)",
        "concat(name, name)",
        "regexp_replace(name, text, text)",
        "substr(name, integer, integer)",
        "to_jsonb(pg_locks)",
        "count(oid)",
        "max(smallint)",
    ] {
        script += &format!(
            "CREATE FUNCTION public.{signature} RETURNS text LANGUAGE sql AS 'SELECT public.spring()';\n"
        );
    }
    script + "DROP PROCEDURE trap;\n"
}

#[track_caller]
fn nothing_was_sprung(place: &Place) {
    assert_eq!(place.texts("SELECT is_called FROM sprung"), ["f"]);
}

#[test]
fn no_statement_of_the_host_means_what_others_have_made() {
    let place = Place::new()
        .with_data(&traps())
        .with_data(
            "CREATE TABLE customer (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO customer VALUES (1, 'Ada'), (2, 'Grace');",
        )
        .with_sql(
            "0001_first.sql",
            "-- wasmigrate:migrate\nCREATE TABLE first (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE first;",
        );
    for arguments in [
        &["status"][..],
        &["plan"],
        &["plan", "--dry-run"],
        &["migrate"],
        &["status"],
        &["history", "--output"],
        &["verify"],
        &["finalize"],
        &["verify"],
        &["lease"],
    ] {
        let said = place.run(arguments).ends_with(0);
        assert!(!said.stderr.contains("trap"), "{said:#?}");
        nothing_was_sprung(&place);
    }
    place.write_step(
        "0002_outside.sql",
        b"-- wasmigrate:no-transaction\nCREATE INDEX CONCURRENTLY first_id ON first (id);",
    );
    place.write_step("0003_fails.sql", b"SELECT * FROM nothing;");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0002_outside migrated");
    std::fs::remove_file(place.step("0003_fails.sql")).unwrap();
    place.run(&["finalize"]).ends_with(0);
    place.write_step(
        "0003_reset.sql",
        b"-- wasmigrate:migrate\nCREATE TABLE gone (id INTEGER);\n-- wasmigrate:reset\nDROP TABLE gone;",
    );
    place.run(&["migrate"]).ends_with(0);
    place.run(&["reset"]).ends_with(0);
    nothing_was_sprung(&place);
}

/// Where a step's names are the application's, and the host speaks in between.
#[test]
fn a_step_goes_on_with_its_own_names() {
    let target = Target::new();
    let place = target.permits_once(&[
        "CREATE SCHEMA own",
        "SET search_path = own, public",
        "CREATE TABLE mine (id INTEGER)",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE TABLE moods AS SELECT 'good'::mood AS mood",
        "INSERT INTO mine VALUES (1)",
    ]);
    assert_eq!(place.texts("SELECT id FROM own.mine"), ["1"]);
    place.run(&["plan", "--dry-run"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn an_operator_does_not_switch_the_look_off() {
    let payload = "0}'::oid[]) LIMIT 1), '0') END AS integer), pg_advisory_unlock_all() FROM (SELECT NULL::text AS names, NULL::text \
                   AS changed WHERE false) AS journal UNION ALL SELECT CAST(CASE WHEN true THEN '0' ELSE coalesce((SELECT '' FROM \
                   pg_attribute WHERE attrelid = ANY ('{0";
    // The host took what stands behind the last space of each part between commas.
    let payload = payload
        .replace(", ", ",")
        .replace(' ', "\t")
        .replace(',', ", ");
    let target = Target::with(&format!(
        "CREATE FUNCTION join_names(name, name) RETURNS text LANGUAGE sql IMMUTABLE AS $f$
           SELECT CASE WHEN $1 LIKE '%\\_applied' THEN $p$x {payload}$p$ ELSE $1::text OPERATOR(pg_catalog.||) $2::text END $f$;
         CREATE OPERATOR public.|| (LEFTARG = name, RIGHTARG = name, FUNCTION = join_names);"
    ));
    target.repels(
        &[&hidden("UPDATE JOURNAL_step SET name = 'forged'")],
        "it changed or locked `wasmigrate_step`",
    );
    target.and_works_on();
}

/// Whoever may create in a schema of the search path is not the host.
#[test]
fn an_operator_of_another_user_does_not_run_as_the_host() {
    let target = Target::with(
        "CREATE FUNCTION join_names(name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
           IF current_setting('transaction_read_only') = 'off' THEN UPDATE public.account SET balance = 1000000; END IF;
           RETURN $1::text OPERATOR(pg_catalog.||) $2::text; END $$;
         CREATE OPERATOR public.|| (LEFTARG = name, RIGHTARG = name, FUNCTION = public.join_names);",
    );
    let place = target.permits_once(&["CREATE TABLE second (id INTEGER)"]);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT max(balance) FROM account"), 300);
}
