//! Steps that run outside a transaction: nothing confines them, and what they do to the journal is found out.

use super::{Target, hidden};
use crate::place::Said;
use crate::tenants::{Tenants as _, counting};

/// Runs a script as a step outside a transaction.
fn run_outside(target: &Target, script: &str) -> Said {
    let script = format!("-- wasmigrate:no-transaction\n{script};");
    target
        .place
        .write_step("0002_outside.sql", script.as_bytes());
    target.place.run(&["migrate"])
}

#[test]
fn a_change_of_the_journal_is_found_out() {
    for statement in [
        "UPDATE JOURNAL_step SET digest = 'forged' WHERE step_index = 1",
        "UPDATE JOURNAL_step SET name = 'forged' WHERE step_index = 1",
        "DELETE FROM JOURNAL_attempt",
        "UPDATE JOURNAL_run SET outcome = 'failed' WHERE id = 1",
        "UPDATE JOURNAL_run SET command = 'forged', host = 'forged' WHERE outcome IS NULL",
        "INSERT INTO JOURNAL_output (run, sequence, phase, written_at, level, line) VALUES (2, 1000, 'migrate', 0, 'info', 'forged')",
        "INSERT INTO JOURNAL_pause (run) VALUES (1)",
        "INSERT INTO JOURNAL_source SELECT 1, 'k', 'd', 'f', 'k', 'f', 'd', 'c'",
        "ALTER TABLE JOURNAL_attempt ALTER COLUMN name SET DEFAULT 'other'",
        "CREATE RULE mine AS ON DELETE TO JOURNAL_attempt DO INSTEAD NOTHING",
        "CREATE STATISTICS mine ON run, attempt FROM JOURNAL_attempt",
        "CREATE PUBLICATION mine FOR TABLE JOURNAL_attempt",
        "GRANT UPDATE ON JOURNAL_step TO PUBLIC",
        "CREATE VIEW public.seen AS SELECT * FROM JOURNAL_step",
        "CREATE TABLE public.ruled (i INTEGER); CREATE RULE seen AS ON INSERT TO public.ruled DO ALSO SELECT * FROM JOURNAL_step",
        "GRANT UPDATE ON public.shown TO PUBLIC",
        "GRANT UPDATE (name) ON public.shown TO PUBLIC",
        "CREATE VIEW public.more AS SELECT * FROM public.shown",
        "UPDATE JOURNAL_lease SET expires_at = expires_at + 86400000",
        "UPDATE JOURNAL_lease SET expires_at = expires_at + 86400000, renewed_at = renewed_at + 86400000",
        "ALTER EXTENSION pg_trgm ADD TABLE JOURNAL_step",
        "ALTER EXTENSION pg_trgm ADD SCHEMA BARE",
        "ALTER INDEX JOURNAL_step_pkey DEPENDS ON EXTENSION pg_trgm",
    ] {
        let target = Target::with(match statement.contains("EXTENSION") {
            true => "CREATE EXTENSION pg_trgm;",
            false => "",
        });
        target
            .place
            .connect()
            .run("CREATE VIEW shown AS SELECT * FROM wasmigrate.wasmigrate_step");
        run_outside(&target, &hidden(statement))
            .ends_with(1)
            .and_says("the step tampered with the host: it changed the journal")
            .and_says("cannot be rolled back");
        assert_eq!(
            target
                .place
                .texts("SELECT state FROM wasmigrate_step WHERE step_index = 2"),
            ["started"],
            "{statement}"
        );
    }
}

/// Of another target in the same database.
#[test]
fn a_change_of_another_targets_journal_is_found_out() {
    for statement in [
        "DROP SCHEMA BARE_shop CASCADE",
        "ALTER TABLE BARE_shop.BARE_step RENAME TO aside",
        "GRANT ALL ON BARE_shop.BARE_step TO PUBLIC",
        "CREATE VIEW public.seen AS SELECT * FROM BARE_shop.BARE_step",
    ] {
        let target = Target::new();
        target.place.connect().run("CREATE SCHEMA shop");
        let url = format!("{}?options=-csearch_path%3Dshop", target.place.url());
        target
            .place
            .run(&["migrate", "--database", &url])
            .ends_with(0);
        run_outside(&target, &hidden(statement))
            .ends_with(1)
            .and_says("the step tampered with the host: it changed the journal");
    }
}

/// What the host could not connect or work with any more.
#[test]
fn a_change_of_rights_on_the_database_is_found_out() {
    for statement in [
        "GRANT ALL ON DATABASE %I TO PUBLIC",
        "ALTER DATABASE %I CONNECTION LIMIT 100",
        "ALTER DATABASE %I SET search_path = elsewhere",
    ] {
        let target = Target::new();
        let script =
            format!("DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$");
        run_outside(&target, &script)
            .ends_with(1)
            .and_says("or the database or the role as a whole");
    }
    let target = Target::new();
    let script = hidden("ALTER DEFAULT PRIVILEGES IN SCHEMA BARE GRANT ALL ON TABLES TO PUBLIC");
    run_outside(&target, &script)
        .ends_with(1)
        .and_says("it changed the journal");
}

#[test]
fn what_leaves_the_journal_alone_is_none() {
    let target = Target::with("CREATE INDEX ON audit (note);");
    let script = "
        VACUUM;
        ANALYZE;
        VACUUM FULL audit;
        CREATE INDEX CONCURRENTLY on_owner ON account (owner);
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
        REINDEX TABLE CONCURRENTLY audit";
    run_outside(&target, script).ends_with(0);
    target.place.run(&["finalize"]).ends_with(0);
}

/// What one run writes for its tenants is found out, too: that a file was applied which was not, and the other way round.
#[test]
fn what_is_forged_for_a_tenant_is_found_out() {
    let applied = |id: &str, tenant: &str| {
        format!(
            "INSERT INTO JOURNAL_applied
             SELECT {id}, id, '{tenant}', 0, (SELECT max(id) FROM JOURNAL_run), 'migrated', 0, 0, 0
             FROM JOURNAL_source WHERE file_name LIKE '003%'"
        )
    };
    let next = "(SELECT max(id) + 1 FROM JOURNAL_applied)";
    for (of, statement) in [
        ("acme", &*applied("1000000", "acme")),
        ("acme", &applied("1000000", "beta")),
        ("acme", &applied(next, "beta")),
        (
            "acme",
            "UPDATE JOURNAL_applied SET state = 'migrated', migrated_at = 1 WHERE state = 'started'",
        ),
        (
            "acme",
            "UPDATE JOURNAL_run SET command = 'forged' WHERE id = (SELECT max(id) FROM JOURNAL_run)",
        ),
        (
            "beta",
            "DELETE FROM JOURNAL_applied WHERE tenant = 'acme' AND run = (SELECT max(id) FROM JOURNAL_run)",
        ),
    ] {
        let place = counting().with_tenants(&["acme", "beta"]);
        let forge = hidden(statement)
            .replace(
                "BEGIN EXECUTE",
                &format!("BEGIN IF '{{schema}}' = '{of}' THEN EXECUTE"),
            )
            .replace("; END $hidden$", "; END IF; END $hidden$");
        let files = [
            (
                "002_evil",
                format!("-- wasmigrate:no-transaction\n{forge};"),
            ),
            (
                "003_important",
                "CREATE TABLE {schema}.important (id INTEGER);".to_owned(),
            ),
        ];
        for (name, text) in files {
            place.write_step(&format!("tenants/{name}.sql"), text.as_bytes());
        }
        place
            .run(&["migrate", "--parallel", "1"])
            .ends_with(1)
            .and_says("the step tampered with the host: it changed the journal");
    }
}

/// Its own connection is the step's to end, and what it did before is looked at all the same.
#[test]
fn a_step_that_ends_its_connection_is_looked_at() {
    let once = "IF to_regclass('public.marker') IS NULL THEN";
    let ending = format!(
        "DO $$ BEGIN {once} EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET digest = ''forged'' WHERE step_index = 1'; END IF; END $$;
         DO $$ BEGIN {once} CREATE TABLE public.marker (i int); COMMIT;
             EXECUTE 'SELECT pg_termi' || 'nate_backend(pg_backend_pid())'; END IF; END $$;
         SELECT 1"
    );
    let target = Target::new();
    let said = "the step tampered with the host: it changed the journal";
    run_outside(&target, &ending).ends_with(1).and_says(said);

    let target = Target::new();
    let place = &target.place;
    place.write_step(
        "0002_undone.up.sql",
        b"CREATE TABLE IF NOT EXISTS undone (i int);",
    );
    let undo = format!("-- wasmigrate:no-transaction\n{ending};");
    place.write_step("0002_undone.down.sql", undo.as_bytes());
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset", "--steps", "1"])
        .ends_with(1)
        .and_says(said);

    let place = counting().with_tenants(&["acme", "beta"]);
    place.run(&["migrate"]).ends_with(0);
    let forging = ending.replace(
        "grate_step SET digest = ''forged'' WHERE step_index = 1",
        "grate_run SET host = ''forged''",
    );
    let text = format!("-- wasmigrate:no-transaction\n{forging};");
    place.write_step("tenants/002_evil.sql", text.as_bytes());
    place
        .run(&["migrate", "--parallel", "1"])
        .ends_with(1)
        .and_says(said);
}
