//! Steps that lose their transaction, or try to have the host write somewhere else.

use crate::place::Place;

use super::attack;
use super::component::{Component, must, sql, swallow, writes};

/// Conflicts with the row that is there. SQLite is told to roll the whole transaction back by itself; PostgreSQL does
/// nothing more in it.
fn rolls_back() -> &'static str {
    Place::in_sql_of(
        "INSERT OR ROLLBACK INTO account VALUES (1, 'Mallory', 0)",
        "INSERT INTO account VALUES (1, 'Mallory', 0)",
    )
}

fn lost() -> &'static str {
    Place::in_sql_of(
        "the database rolled the transaction back by itself",
        "a statement failed before, and PostgreSQL then does nothing more in the transaction",
    )
}

#[test]
fn what_follows_a_lost_transaction_is_not_committed() {
    // The step does not look at any answer, and says that all went well.
    let body = writes()
        + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
        + &swallow("$sql {{INSERT INTO audit VALUES ('half')}}")
        + &swallow("$savepoint")
        + &swallow("$checkpoint")
        + &swallow("$query {{INSERT INTO audit VALUES ('half') RETURNING note}}");
    attack(Component::migrating(body))
        .fails()
        .saying(lost())
        .and_the_host_works_on();
}

#[test]
fn a_result_that_was_open_when_the_transaction_was_lost_changes_nothing() {
    // The cursor's statement has not run yet when the transaction ends under it.
    let body = must("$query {{INSERT INTO audit VALUES ('half') RETURNING note}}")
        + "(local.set $handle (call $value))"
        + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
        // A server may have sent the rows before, which does not make them any more real.
        + Place::in_sql_of(
            &swallow("$next (local.get $handle)"),
            "(drop (call $next (local.get $handle)))",
        );
    attack(Component::migrating(body))
        .fails()
        .saying(lost())
        .and_the_host_works_on();
}

#[test]
fn a_transaction_lost_in_the_middle_of_a_batch_stays_lost() {
    let mut component = Component::new();
    let cells: Vec<u8> = [7_i64, 1, 8]
        .iter()
        .flat_map(|id| id.to_le_bytes())
        .collect();
    let cells = component.put(&cells);
    let column = component.put(&super::batches::column(1, &[], &[(cells, 3)]));
    let body = writes()
        + &swallow(&format!(
            "$many {{{{{}}}}} (i32.const 3) (i32.const {column}) (i32.const 1)",
            rolls_back().replace("(1", "($1")
        ))
        + &swallow("$sql {{INSERT INTO audit VALUES ('half')}}");
    attack(component.with("migrate", body))
        .fails()
        .saying(lost())
        .and_the_host_works_on();
}

#[test]
fn a_transaction_lost_in_the_cut_over_is_not_committed_in_part() {
    let body = sql("INSERT INTO audit VALUES ('half')")
        + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
        + &swallow("$sql {{INSERT INTO audit VALUES ('half')}}");
    for export in ["finalize", "reset"] {
        attack(Component::new().with(export, body.clone()))
            .migrates_but_fails_to(export)
            .saying(lost());
    }
}

#[test]
fn no_table_is_renamed_into_the_journal() {
    for create in [
        "CREATE TABLE innocent (id INTEGER)",
        Place::in_sql_of(
            "CREATE VIRTUAL TABLE innocent USING fts5(id)",
            "CREATE TEMP TABLE innocent (id INTEGER)",
        ),
    ] {
        let body = writes() + &sql(create) + &sql("ALTER TABLE innocent RENAME TO wasmigrate_more");
        attack(Component::migrating(body))
            .fails()
            .saying("belong to the host")
            .and_the_host_works_on();
    }
}

#[test]
fn temporary_objects_end_with_their_step() {
    let thief = Place::in_sql_of(
        "CREATE TEMP TRIGGER thief AFTER INSERT ON main.audit BEGIN DELETE FROM account; END",
        "CREATE TEMP SEQUENCE account",
    );
    let place = attack(Component::migrating(
        sql("CREATE TEMP TABLE audit (note TEXT)")
            + &sql("CREATE TEMP VIEW seen AS SELECT * FROM account")
            + &sql(thief),
    ))
    .place
    .with_sql("0002_next.sql", "INSERT INTO audit VALUES ('kept');");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM account"), 3);
}

mod sqlite {
    use super::*;

    #[test]
    fn a_trigger_that_rolls_back_ends_the_step() {
        let body = writes()
            + &sql(
                "CREATE TRIGGER bomb BEFORE INSERT ON audit BEGIN SELECT RAISE(ROLLBACK, 'boom'); END",
            )
            + &swallow("$sql {{INSERT INTO audit VALUES ('half')}}");
        attack(Component::migrating(body))
            .fails()
            .saying(lost())
            .and_the_host_works_on();
    }

    #[test]
    fn a_table_does_not_become_the_journals_by_another_name() {
        for (create, name) in [
            ("CREATE TEMP TABLE innocent (id)", "temp.innocent"),
            (
                "CREATE VIRTUAL TABLE temp.innocent USING fts5(id)",
                "temp.innocent",
            ),
            (
                "CREATE VIRTUAL TABLE temp.innocent USING rtree(id, a, b)",
                "temp.innocent",
            ),
        ] {
            let body = writes()
                + &sql(create)
                + &sql(&format!("ALTER TABLE {name} RENAME TO wasmigrate_step"));
            attack(Component::migrating(body))
                .fails()
                .saying("belong to the host")
                .and_the_host_works_on();
        }
    }

    #[test]
    fn an_index_of_words_cannot_keep_its_tables_in_the_journal() {
        // It would be kept in `wasmigrate_data`, `wasmigrate_idx` …
        attack(Component::migrating(
            writes() + &sql("CREATE VIRTUAL TABLE wasmigrate USING fts5(word)"),
        ))
        .fails()
        .saying("belong to the host")
        .and_the_host_works_on();
    }

    #[test]
    fn a_trigger_does_not_change_the_journal_in_passing() {
        let body = writes()
            + &sql("CREATE TRIGGER forger AFTER INSERT ON audit BEGIN
                   UPDATE wasmigrate_step SET name = 'forged'; END")
            + &sql("INSERT INTO audit VALUES ('now')");
        attack(Component::migrating(body))
            .fails()
            .saying("belong to the host")
            .and_the_host_works_on();
    }

    #[test]
    fn a_virtual_temporary_table_ends_with_its_step() {
        let place = attack(Component::migrating(sql(
            "CREATE VIRTUAL TABLE temp.audit USING fts5(note)",
        )))
        .place
        .with_sql("0002_next.sql", "INSERT INTO audit VALUES ('kept');");
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    }

    #[test]
    fn a_transaction_lost_while_a_savepoint_is_open_stays_lost() {
        let body = writes()
            + &must("$savepoint")
            + "(local.set $handle (call $value))"
            + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
            + "(call $drop_savepoint (local.get $handle))";
        attack(Component::migrating(body))
            .fails()
            .saying(lost())
            .and_the_host_works_on();
    }
}

mod postgres {
    use super::*;

    #[test]
    fn a_savepoint_saves_the_transaction_from_a_statement_that_failed() {
        let body = must("$savepoint")
            + "(local.set $handle (call $value))"
            + &sql("INSERT INTO audit VALUES ('undone')")
            + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
            + &swallow("$sql {{INSERT INTO audit VALUES ('too soon')}}")
            + "(call $drop_savepoint (local.get $handle))"
            + &sql("INSERT INTO audit VALUES ('kept')");
        let place = attack(Component::migrating(body)).succeeds().place;
        assert_eq!(place.texts("SELECT note FROM audit"), ["kept"]);
    }

    #[test]
    fn releasing_a_savepoint_does_not() {
        let body = writes()
            + &must("$savepoint")
            + "(local.set $handle (call $value))"
            + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
            + &swallow("$release (local.get $handle)")
            + &swallow("$sql {{INSERT INTO audit VALUES ('half')}}");
        attack(Component::migrating(body))
            .fails()
            .saying(lost())
            .and_the_host_works_on();
    }

    #[test]
    fn rows_that_came_before_an_error_are_not_committed_either() {
        // More than the host takes at once, so that the next rows have to be asked for.
        let crowd = "SELECT a.id FROM account AS a, account AS b, account AS c, account AS d";
        let body = writes()
            + &must(&format!("$query {{{{{crowd}}}}}"))
            + "(local.set $handle (call $value))"
            + &swallow(&format!("$sql {{{{{}}}}}", rolls_back()))
            + "(loop $again (br_if $again (i32.eqz (call $next (local.get $handle)))))";
        attack(Component::migrating(body))
            .fails()
            .saying(lost())
            .and_the_host_works_on();
    }
}
