//! Leaving the transaction that the host opened.

use super::{Target, hidden};

const THE_HOSTS: &str = "the host begins and ends the transaction of a step";

#[test]
fn in_plain_words() {
    let target = Target::new();
    for statement in [
        "COMMIT",
        "cOmMiT wOrK",
        "COMMIT AND CHAIN",
        "END",
        "END TRANSACTION",
        "ABORT",
        "ROLLBACK",
        "ROLLBACK AND CHAIN",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT PREPARED 'mine'",
        "ROLLBACK PREPARED 'mine'",
        "PREPARE TRANSACTION 'mine'",
        "SET TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    ] {
        target.repels(&[statement], THE_HOSTS);
    }
    target.and_works_on();
}

#[test]
fn behind_blanks_comments_and_semicolons() {
    let target = Target::new();
    for statement in [
        ";COMMIT",
        " ; ;\n\t; COMMIT",
        "/* a /* nested /* comment */ */ */ COMMIT",
        "-- a line\nCOMMIT",
        "--\r\n/**/COMMIT/**/--",
        "/*'*/COMMIT/*'*/",
        "COMMIT;",
    ] {
        target.repels(&[statement], THE_HOSTS);
    }
    target.and_works_on();
}

#[test]
fn in_the_company_of_another_statement() {
    let target = Target::new();
    for statement in [
        "SELECT 1; COMMIT",
        "SELECT ';'; COMMIT",
        "SELECT $a$;$a$; COMMIT",
        "SELECT 1;; COMMIT; SELECT 2",
        "DO $$ BEGIN NULL; END $$; COMMIT",
    ] {
        target.component_repels(&[statement], "the text holds more than one statement");
        target.script_repels(&[statement], THE_HOSTS);
    }
    // Read so, the backslash ends the string sooner or later than it looks.
    for statement in ["SELECT '\\'; COMMIT; --'", "SELECT '\\''; COMMIT; --'"] {
        for strings in ["off", "on"] {
            let setting = format!("SET standard_conforming_strings = {strings}");
            target.place.write_step(
                super::COMPONENT,
                &super::Component::migrating(
                    super::writes()
                        + &super::sql(&setting)
                        + &super::sql(statement)
                        + "unreachable",
                )
                .build(),
            );
            target.place.run(&["migrate"]).ends_with(1);
            assert_eq!(target.place.content(), target.data);
            std::fs::remove_file(target.place.step(super::COMPONENT)).unwrap();
        }
    }
    target.and_works_on();
}

#[test]
fn inside_a_block() {
    let target = Target::new();
    for (body, words) in [
        ("COMMIT;", "invalid transaction termination"),
        ("ROLLBACK;", "invalid transaction termination"),
        ("COMMIT AND CHAIN;", "invalid transaction termination"),
        (
            "EXECUTE 'COMMIT';",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "EXECUTE 'ROLL' || 'BACK';",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "EXECUTE 'SAVEPOINT mine';",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "EXECUTE 'ROLLBACK TO SAVEPOINT wasmi' || 'grate_1';",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "EXECUTE 'PREPARE TRANSACTION ''mine''';",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "PERFORM 1; EXECUTE 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE';",
            "must be called before any query",
        ),
    ] {
        target.repels(&[&format!("DO $$ BEGIN {body} END $$")], words);
    }
    target.and_works_on();
}

#[test]
fn inside_a_procedure() {
    let target = Target::new();
    for body in ["COMMIT;", "ROLLBACK;", "BEGIN CALL inner_part(); END;"] {
        target.repels(
            &[
                "CREATE PROCEDURE inner_part() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
                &format!("CREATE PROCEDURE leave() LANGUAGE plpgsql AS $$ BEGIN {body} END $$"),
                "CALL leave()",
            ],
            "invalid transaction termination",
        );
    }
    target.repels(
        &[
            "CREATE PROCEDURE leave() LANGUAGE sql AS $$ COMMIT $$",
            "CALL leave()",
        ],
        // Versions before 15 go on with "a", and later ones with "an".
        "COMMIT is not allowed in a",
    );
    target.and_works_on();
}

#[test]
fn a_commit_that_was_refused_inside_a_block_has_committed_nothing() {
    let target = Target::new();
    let block = "DO $$ BEGIN
        UPDATE account SET balance = 0;
        BEGIN COMMIT; EXCEPTION WHEN OTHERS THEN NULL; END;
        RAISE EXCEPTION 'and now?';
    END $$";
    target.repels(&[block], "and now?");
    target.and_works_on();
}

#[test]
fn making_the_transaction_read_only() {
    let target = Target::new();
    target.repels(
        &[&hidden("SET TRANSACTION READ ONLY")],
        "read-only transaction",
    );
    target.repels(&["SET transaction_read_only = on"], "read-only transaction");
    target.and_works_on();
}

#[test]
fn a_cursor_of_the_hosts_name() {
    let target = Target::new();
    let declare = hidden("DECLARE BARE_%s CURSOR FOR SELECT 'mine'").replace(
        "EXECUTE replace(",
        "FOR number IN 1..99 LOOP EXECUTE format(replace(",
    );
    let declare = declare.replace("'grate'); END", "'grate'), number); END LOOP; END");
    let declare = declare.replace("DO $hidden$ BEGIN", "DO $hidden$ DECLARE number int; BEGIN");
    let body = super::writes()
        + &super::sql(&declare)
        + &super::super::component::must("$query_rows {{SELECT owner FROM account}}");
    target.repels_step(
        super::COMPONENT,
        &super::Component::migrating(body).build(),
        "already exists",
    );
    target.and_works_on();
}
