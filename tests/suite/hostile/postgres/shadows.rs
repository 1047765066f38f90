//! Names that mean something else than they seem to: objects of the step in the place of the server's and the journal's.

use super::{Target, hidden};

/// A schema with what the host's statements could be taken in by.
const EVIL: [&str; 7] = [
    "CREATE SCHEMA evil",
    "CREATE FUNCTION evil.count(integer) RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'",
    "CREATE FUNCTION evil.txid_current() RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'",
    "CREATE FUNCTION evil.pg_backend_pid() RETURNS integer LANGUAGE sql AS 'SELECT 7'",
    "CREATE FUNCTION evil.is_never(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.is_never)",
    "CREATE VIEW evil.pg_locks AS SELECT * FROM pg_catalog.pg_locks WHERE false",
];

const PATH: &str = "SET search_path = evil, public, pg_catalog";

#[test]
fn what_shadows_the_catalog_does_not_hide_a_change_of_the_journal() {
    let target = Target::with(&format!("{};", EVIL.join(";\n")));
    for path in [
        PATH,
        "SET SESSION search_path = evil, public, pg_catalog",
        "SELECT set_config('search_path', 'evil,public,pg_catalog', false)",
    ] {
        target.repels(
            &[path, &hidden("DELETE FROM JOURNAL_step")],
            "it changed or locked `wasmigrate_step`",
        );
    }
    target.and_works_on();
}

#[test]
fn what_shadows_the_catalog_does_not_confuse_the_host() {
    let target = Target::new();
    let mut statements = EVIL.to_vec();
    statements.extend([PATH, "INSERT INTO public.audit VALUES ('kept')"]);
    let place = target.permits_once(&statements);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    place.run(&["finalize"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT state FROM wasmigrate_step"),
        ["finalized", "finalized"]
    );
}

#[test]
fn temporary_tables_are_not_taken_for_the_journal() {
    for create in [
        "CREATE TEMP TABLE BARE_step (LIKE JOURNAL_step INCLUDING ALL)",
        "CREATE TEMP TABLE BARE_attempt (nothing integer)",
        "CREATE TEMP VIEW BARE_lease AS SELECT 1 AS token, 'me' AS holder",
    ] {
        let target = Target::new();
        let place =
            target.permits_once(&[&hidden(create), "INSERT INTO public.audit VALUES ('kept')"]);
        assert_eq!(
            place.texts("SELECT name || ' ' || state FROM wasmigrate_step ORDER BY step_index"),
            ["first migrated", "once migrated"]
        );
        place.run(&["status"]).ends_with(0).and_says("0002_once");
    }
}

#[test]
fn a_journal_in_another_schema_is_not_made() {
    // The schema named like the role comes first in the usual search path: later sessions would look there.
    let target = Target::new();
    for create in [
        "CREATE SCHEMA app; CREATE TABLE app.BARE_journal (version bigint)",
        "CREATE SCHEMA app; CREATE TABLE app.BARE_step (LIKE JOURNAL_step INCLUDING ALL)",
        "CREATE SCHEMA other; CREATE VIEW other.BARE_step AS SELECT 1",
    ] {
        target.repels(
            &[&hidden(create)],
            "the step tampered with the host: it changed or locked `wasmigrate_",
        );
    }
    target.and_works_on();
}

#[test]
fn a_schema_that_comes_first_in_the_path_does_not_hide_the_journal() {
    let target = Target::new();
    target.repels(
        &["CREATE SCHEMA app"],
        "the schema app would come before public in the search path",
    );
    let place = &target.place;
    place.connect().run("CREATE SCHEMA app");
    let url = format!("{}?options=-csearch_path%3Dpublic", place.url());
    let with_path = |command: &[&str]| place.run(&[command, &["--database", &url]].concat());
    let said = with_path(&["status", "--json"]).ends_with(0).json();
    assert_eq!(said["steps"][0]["progress"], "migrated", "{said}");
    with_path(&["migrate"])
        .ends_with(0)
        .and_says("the state is finalization_required");
    with_path(&["finalize"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("app comes before it in the search path now");
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM pg_class WHERE relname = 'wasmigrate_journal'"),
        1
    );
}
