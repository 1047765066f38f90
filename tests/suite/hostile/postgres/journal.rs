//! Changing the journal, in words that nothing in the step's text gives away.

use super::{Target, hidden};
use crate::application::{server_version, superuser};

const CHANGED: &str = "the step tampered with the host: it changed or locked `wasmigrate_";
const REPLACED: &str = "the step tampered with the host: it removed, renamed or replaced tables that belong to the host";

/// Those that the server's version knows.
fn known<'s>(statements: &[&'s str]) -> Vec<&'s str> {
    let since = |statement: &str| match statement {
        text if text.contains("MERGE INTO") || text.contains(" WHERE (") => 15,
        text if text.contains("STATISTICS mine ON (") => 14,
        _ => 0,
    };
    let mut known = statements.to_vec();
    known.retain(|statement| server_version() >= since(statement));
    known
}

#[track_caller]
fn finds_out(statements: &[&str], words: &str) {
    let target = Target::new();
    for statement in known(statements) {
        target.repels(&[&hidden(statement)], words);
    }
    target.and_works_on();
}

#[test]
fn rows_are_not_changed() {
    finds_out(
        &[
            "UPDATE JOURNAL_step SET name = 'other'",
            "DELETE FROM JOURNAL_step",
            "INSERT INTO JOURNAL_step SELECT 9, name, kind, digest, state, run, started_at, seed FROM JOURNAL_step",
            "TRUNCATE JOURNAL_attempt",
            "UPDATE JOURNAL_lease SET expires_at = 0",
            "UPDATE JOURNAL_lease SET token = token + 1",
            "DELETE FROM JOURNAL_lease",
            "UPDATE JOURNAL_run SET error = NULL",
            "DELETE FROM JOURNAL_output",
            "INSERT INTO JOURNAL_journal VALUES (99)",
            "MERGE INTO JOURNAL_journal USING (SELECT 99 AS version) AS new ON true WHEN MATCHED THEN UPDATE SET version = 99",
            "WITH gone AS (DELETE FROM JOURNAL_step RETURNING 1) SELECT count(*) FROM gone",
        ],
        CHANGED,
    );
}

#[test]
fn a_change_of_no_row_at_all_is_one_too() {
    finds_out(
        &[
            "UPDATE JOURNAL_step SET name = 'other' WHERE false",
            "DELETE FROM ONLY JOURNAL_run WHERE id < 0",
        ],
        CHANGED,
    );
}

#[test]
fn rows_and_tables_are_not_locked() {
    finds_out(
        &[
            "LOCK TABLE JOURNAL_step",
            "LOCK TABLE JOURNAL_lease IN ROW SHARE MODE",
            "LOCK TABLE JOURNAL_run IN EXCLUSIVE MODE",
            "SELECT * FROM JOURNAL_lease FOR UPDATE",
            "SELECT * FROM JOURNAL_step FOR KEY SHARE",
        ],
        CHANGED,
    );
}

#[test]
fn tables_keep_their_shape() {
    finds_out(
        &[
            "ALTER TABLE JOURNAL_step ADD COLUMN more text",
            "ALTER TABLE JOURNAL_step DROP COLUMN seed",
            "ALTER TABLE JOURNAL_attempt ALTER COLUMN name SET DEFAULT 'other'",
            "ALTER TABLE JOURNAL_attempt ALTER COLUMN name DROP NOT NULL",
            "ALTER TABLE JOURNAL_step ALTER COLUMN name SET STATISTICS 7",
            "ALTER TABLE JOURNAL_step SET (autovacuum_enabled = off)",
            "ALTER TABLE JOURNAL_step SET UNLOGGED",
            "ALTER TABLE JOURNAL_step DROP CONSTRAINT BARE_step_pkey",
            "ALTER TABLE JOURNAL_step ADD CHECK (name <> 'hostile') NOT VALID",
            "ALTER TABLE JOURNAL_step REPLICA IDENTITY FULL",
            "CREATE INDEX mine ON JOURNAL_step (name)",
            "CREATE INDEX mine ON JOURNAL_step (lower(name))",
            "ALTER INDEX JOURNAL_step_pkey RENAME TO mine",
            "REINDEX TABLE JOURNAL_step",
        ],
        "the step tampered with the host",
    );
}

#[test]
fn nothing_is_hung_onto_its_tables() {
    let target = Target::with(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = 'forged'; RETURN NEW; END $$;",
    );
    for statement in [
        "CREATE TRIGGER mine BEFORE INSERT ON JOURNAL_step FOR EACH ROW EXECUTE FUNCTION meddle()",
        "CREATE CONSTRAINT TRIGGER mine AFTER INSERT ON JOURNAL_step DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION meddle()",
        "CREATE RULE mine AS ON INSERT TO JOURNAL_step DO INSTEAD NOTHING",
        "CREATE RULE mine AS ON UPDATE TO JOURNAL_lease DO ALSO DELETE FROM JOURNAL_step",
        "CREATE POLICY mine ON JOURNAL_step USING (false)",
        "ALTER TABLE JOURNAL_step ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE JOURNAL_step FORCE ROW LEVEL SECURITY",
        "CREATE TABLE mine () INHERITS (JOURNAL_step)",
        "CREATE TABLE mine (step bigint REFERENCES JOURNAL_step)",
    ] {
        target.repels(&[&hidden(statement)], CHANGED);
    }
    target.and_works_on();
}

#[test]
fn rights_are_not_given_away_or_taken() {
    finds_out(
        &[
            "GRANT ALL ON JOURNAL_step TO PUBLIC",
            "GRANT UPDATE ON ALL TABLES IN SCHEMA BARE TO PUBLIC",
            "GRANT UPDATE (name) ON JOURNAL_step TO PUBLIC",
            "REVOKE INSERT ON JOURNAL_attempt FROM CURRENT_USER",
            "REVOKE SELECT ON JOURNAL_lease FROM CURRENT_USER",
            "REVOKE ALL ON JOURNAL_output FROM CURRENT_USER",
        ],
        "the step tampered with the host: it changed or locked `wasmigrate_",
    );
}

#[test]
fn its_schema_is_not_changed() {
    finds_out(
        &[
            "ALTER SCHEMA BARE RENAME TO mine",
            "GRANT ALL ON SCHEMA BARE TO PUBLIC",
            "REVOKE ALL ON SCHEMA BARE FROM CURRENT_USER",
            "DROP SCHEMA BARE CASCADE",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA BARE GRANT ALL ON TABLES TO PUBLIC",
            "ALTER TABLE JOURNAL_step SET SCHEMA public",
            "COMMENT ON TABLE JOURNAL_journal IS 'journal of another'",
            "COMMENT ON TABLE JOURNAL_journal IS NULL",
        ],
        "the step tampered with the host",
    );
}

/// A backup leaves out what an extension has, and whoever drops it takes that along.
#[test]
fn it_is_no_part_of_an_extension() {
    let target = Target::with("CREATE EXTENSION pg_trgm;");
    for statement in [
        "ALTER EXTENSION pg_trgm ADD TABLE JOURNAL_step",
        "ALTER EXTENSION pg_trgm ADD SCHEMA BARE",
        "ALTER EXTENSION pg_trgm ADD TYPE JOURNAL_run",
        "ALTER EXTENSION pg_trgm ADD TYPE BARE._BARE_run",
    ] {
        target.repels(
            &[&hidden(statement)],
            "it made the journal, which belongs to the host, a part of an extension",
        );
    }
    target.repels(
        &[&hidden(
            "ALTER INDEX JOURNAL_step_pkey DEPENDS ON EXTENSION pg_trgm",
        )],
        CHANGED,
    );
    target.permits(&[
        "ALTER EXTENSION pg_trgm ADD TABLE audit",
        "ALTER EXTENSION pg_trgm DROP TABLE audit",
        "COMMENT ON TABLE audit IS 'seen'",
    ]);
}

#[test]
fn the_right_to_read_is_given_and_taken() {
    let target = Target::with("CREATE TABLE more (id INTEGER);");
    let place = target.permits(&[
        &hidden("GRANT SELECT ON ALL TABLES IN SCHEMA BARE TO PUBLIC"),
        &hidden("REVOKE SELECT ON ALL TABLES IN SCHEMA BARE FROM PUBLIC"),
        &hidden("GRANT SELECT ON ALL TABLES IN SCHEMA BARE TO PUBLIC"),
    ]);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn nothing_is_published_or_counted_that_later_writes_fail_for() {
    let target = Target::new();
    target.place.connect().run(
        "CREATE PUBLICATION of_others FOR TABLE account, wasmigrate_step;
         CREATE STATISTICS of_others ON run, attempt FROM wasmigrate_attempt",
    );
    for statement in known(&[
        "CREATE PUBLICATION mine FOR TABLE JOURNAL_attempt",
        "CREATE PUBLICATION mine FOR TABLE JOURNAL_step WHERE (name <> 'x')",
        "ALTER PUBLICATION of_others ADD TABLE JOURNAL_run",
        "ALTER PUBLICATION of_others SET TABLE JOURNAL_step WHERE (state = 'x')",
        "ALTER PUBLICATION of_others DROP TABLE JOURNAL_step",
        "ALTER PUBLICATION of_others SET TABLE account",
        "DROP PUBLICATION of_others",
    ]) {
        target.repels(
            &[&hidden(statement)],
            "it changed which tables are published of those that belong to the host",
        );
    }
    for statement in known(&[
        "CREATE STATISTICS mine ON step_index, run FROM JOURNAL_step",
        "CREATE STATISTICS mine ON (step_index + 1), run FROM JOURNAL_step",
    ]) {
        target.repels(
            &[&hidden(statement)],
            "it made statistics of tables that belong to the host",
        );
    }
    // What was there before, and statistics that are only brought up to date, are no harm.
    target.permits(&[
        "ANALYZE",
        "CREATE PUBLICATION mine FOR TABLE audit",
        "DROP PUBLICATION mine",
    ]);
}

#[test]
fn tables_are_not_replaced() {
    finds_out(
        &[
            "DROP TABLE JOURNAL_step",
            "DROP TABLE JOURNAL_journal",
            "DROP TABLE JOURNAL_output CASCADE",
            "ALTER TABLE JOURNAL_journal RENAME TO innocent",
            "ALTER TABLE JOURNAL_lease RENAME TO BARE_other",
            "CREATE SCHEMA aside; ALTER TABLE JOURNAL_step SET SCHEMA aside",
            "CREATE TABLE copy AS SELECT * FROM JOURNAL_step; DROP TABLE JOURNAL_step; ALTER TABLE copy RENAME TO BARE_step",
            "ALTER TABLE JOURNAL_step RENAME TO aside; CREATE TABLE JOURNAL_step (LIKE BARE.aside INCLUDING ALL)",
            "ALTER TABLE JOURNAL_run RENAME TO aside; ALTER TABLE JOURNAL_step RENAME TO BARE_run;
             ALTER TABLE BARE.aside RENAME TO BARE_step",
            "DROP OWNED BY CURRENT_USER",
            "DROP SCHEMA BARE CASCADE",
            "CREATE TABLE JOURNAL_more (id integer)",
        ],
        REPLACED,
    );
}

#[test]
fn the_schema_is_not_exchanged() {
    // Somebody has left a journal in another schema.
    let forged: String = ["journal", "lease", "run", "step", "attempt", "output"]
        .iter()
        .map(|table| {
            format!(
                "CREATE TABLE forged.wasmigrate_{table} (LIKE wasmigrate.wasmigrate_{table} INCLUDING ALL);"
            )
        })
        .collect();
    let mut target = Target::new();
    target.place = target
        .place
        .with_data(&format!("CREATE SCHEMA forged; {forged}"));
    target.repels(
        &[
            &hidden("ALTER SCHEMA BARE RENAME TO aside"),
            &hidden("ALTER SCHEMA forged RENAME TO BARE"),
        ],
        REPLACED,
    );
    target.repels(&[&hidden("ALTER SCHEMA BARE RENAME TO aside")], REPLACED);
    target.repels(
        &["ALTER SCHEMA wasmigrate RENAME TO aside"],
        "belong to the host",
    );
    target.and_works_on();
}

#[test]
fn what_is_changed_and_changed_back_is_found_out_too() {
    finds_out(
        &[
            "ALTER TABLE JOURNAL_step RENAME TO aside; ALTER TABLE BARE.aside RENAME TO BARE_step",
            "UPDATE JOURNAL_step SET name = name",
            "CREATE TRIGGER mine BEFORE UPDATE ON JOURNAL_step FOR EACH ROW EXECUTE FUNCTION
             suppress_redundant_updates_trigger(); DROP TRIGGER mine ON JOURNAL_step",
        ],
        CHANGED,
    );
}

#[test]
fn a_function_or_trigger_of_the_steps_own_is_no_way_in() {
    let target = Target::new();
    let forger = "CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'UPDATE wasmi' || 'grate.wasmi' || 'grate_step SET name = ''forged'''; RETURN NEW; END $$";
    target.repels(
        &[
            forger,
            "CREATE TRIGGER forger AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION forge()",
            "INSERT INTO audit VALUES ('now')",
        ],
        CHANGED,
    );
    target.repels(
        &[
            "CREATE FUNCTION forge() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
             EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step'; RETURN 'x'; END $$",
            "ALTER TABLE audit ALTER COLUMN note SET DEFAULT forge()",
            "INSERT INTO audit DEFAULT VALUES",
        ],
        CHANGED,
    );
    target.repels(
        &["CREATE RULE forger AS ON INSERT TO audit DO ALSO UPDATE wasmigrate_step SET name = 'forged'"],
        "belong to the host",
    );
    for name in ["U&\"wasmigrate\\005fstep\"", "U&\"w\\0061smigrate_step\""] {
        let full = format!("U&\"w\\0061smigrate\".{name}");
        target.repels(&[&format!("DELETE FROM {full}")], CHANGED);
        target.repels(
            &[
                "SET search_path = wasmigrate",
                &format!("DELETE FROM {name}"),
            ],
            CHANGED,
        );
    }
    target.and_works_on();
}

#[test]
fn nothing_is_hidden_under_a_savepoint() {
    let target = Target::new();
    let nested =
        hidden("BEGIN DELETE FROM JOURNAL_step; EXCEPTION WHEN unique_violation THEN NULL; END")
            .replace(
                "EXECUTE replace(",
                "EXECUTE 'DO ' || quote_literal(replace(",
            )
            .replace("'grate'); END", "'grate')); END")
            .replace("$text$BEGIN", "$text$BEGIN BEGIN")
            .replace("END$text$", "END; END$text$");
    target.repels(&[&nested], CHANGED);
    let grant = nested.replace(
        "DELETE FROM JOURNAL_step",
        "GRANT ALL ON JOURNAL_step TO PUBLIC",
    );
    target.repels(&[&grant], CHANGED);
    target.and_works_on();
}

#[test]
fn what_was_undone_is_not_held_against_the_step() {
    let undone = "DO $$ BEGIN
        BEGIN EXECUTE 'DELETE FROM wasmi' || 'grate.wasmi' || 'grate_step'; RAISE EXCEPTION 'undo'; EXCEPTION WHEN OTHERS THEN NULL; END;
        END $$";
    let target = Target::new();
    let place = target.permits(&[undone]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM wasmigrate_step"), 3);
}

#[test]
fn reading_and_counting_are_allowed() {
    let target = Target::new();
    let place = target.permits(&[
        "SELECT * FROM wasmigrate.wasmigrate_step",
        "INSERT INTO audit VALUES ('kept')",
        // Counts the rows of all tables, the journal's among them.
        "ANALYZE",
        "SELECT 1 AS one FROM wasmigrate.wasmigrate_run WHERE id = 1",
    ]);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept", "kept"]);
}

/// The look before a commit names the columns that it compares: a server with more of them wants a decision about each.
#[test]
fn the_server_says_no_more_of_a_table_than_the_look_knows() {
    let compared = "oid relname relnamespace reltype reloftype relowner relam reltablespace reltoastrelid relhasindex relisshared \
        relpersistence relkind relnatts relchecks relhasrules relhastriggers relhassubclass relrowsecurity relforcerowsecurity \
        relispopulated relreplident relispartition relrewrite reloptions relpartbound relacl";
    let counted =
        "relpages reltuples relallvisible relallfrozen relfilenode relfrozenxid relminmxid";
    let known: Vec<&str> = compared.split(' ').chain(counted.split(' ')).collect();
    let columns = superuser("postgres").texts(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'pg_class'::regclass
         AND (attnum > 0 OR attname = 'oid') AND NOT attisdropped",
    );
    for column in columns {
        assert!(known.contains(&column.as_str()), "pg_class.{column}");
    }
}
