//! What a user sees of each command.

use crate::place::Place;

/// What the databases say of a table that is not there.
fn no_table_nowhere() -> &'static str {
    Place::in_sql_of(
        "no such table: nowhere",
        "relation \"nowhere\" does not exist",
    )
}

const CUSTOMERS: &str = "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO customer VALUES (1, 'Ada'), (2, 'Grace');";

fn customers() -> Place {
    Place::new().with_sql("0001_customers.sql", CUSTOMERS)
}

#[test]
fn a_first_run_migrates_and_says_what_comes_next() {
    let place = customers();
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_customers migrated")
        .and_says("the state is finalization_required; `wasmigrate finalize` makes it final");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM customer"), 2);
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
}

#[test]
fn with_nothing_to_do_nothing_is_touched() {
    let place = customers();
    place.run(&["finalize"]).ends_with(0);
    let before = place.everything();
    for command in ["migrate", "finalize", "reset"] {
        place
            .run(&[command])
            .ends_with(0)
            .and_says("nothing to do; the state is finalized");
    }
    assert_eq!(place.everything(), before);
}

#[test]
fn looking_makes_no_database() {
    let place = customers();
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("migration_required")
        .and_says("1 pending");
    place.run(&["plan"]).ends_with(0).and_says("1 pending");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("customer  2 row changes");
    place.run(&["history"]).ends_with(0).and_says("no runs yet");
    place.run(&["verify"]).ends_with(0);
    assert!(place.is_untouched());
}

#[test]
fn a_step_that_was_added_is_the_only_one_to_run() {
    let place = customers();
    place.run(&["migrate"]).ends_with(0);
    place.write_step("0002_more.sql", b"INSERT INTO customer VALUES (3, 'Joan');");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("0002_more");
    let said = place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0002_more migrated");
    assert!(!said.stdout.contains("0001_customers"), "{said:#?}");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM customer"), 3);
}

#[test]
fn a_failing_step_is_rolled_back_and_tells_all_that_is_known() {
    let place = customers().with_sql(
        "0002_bad.sql",
        "CREATE TABLE half (done INTEGER);\n\n-- The second of these\nINSERT INTO customer\n  VALUES (1, 'again');",
    );
    let taken = Place::in_sql_of(
        "0002_bad, migrate: UNIQUE constraint failed: customer.id",
        "0002_bad, migrate: duplicate key value violates unique constraint \"customer_pkey\"",
    );
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_customers migrated")
        .and_says(taken)
        .and_says("statement (line 4)")
        .and_says(Place::in_sql_of("SQLITE_CONSTRAINT_PRIMARYKEY", "23505"))
        .and_says("the state is migration_failed");
    assert!(!place.has_table("half"));
    place.run(&["status"]).ends_with(0).and_says(taken);
    place
        .run(&["history"])
        .ends_with(0)
        .and_says("0002_bad  migrate failed");
    // Mended, it goes on where it stopped.
    place.write_step("0002_bad.sql", b"INSERT INTO customer VALUES (3, 'Joan');");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0002_bad migrated");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM customer"), 3);
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["state"], "finalization_required");
    assert_eq!(status["failure"], serde_json::Value::Null);
}

#[test]
fn reset_undoes_a_failed_migration_and_it_can_run_again() {
    let place = Place::new()
        .with_data("CREATE TABLE kept (a INTEGER); INSERT INTO kept VALUES (1);")
        .with_sql(
            "0001_a.sql",
            "-- wasmigrate:migrate\nCREATE TABLE a (b INTEGER);\n-- wasmigrate:reset\nDROP TABLE a;",
        )
        .with_sql("0002_b.sql", "INSERT INTO nowhere VALUES (1);");
    let before = place.content();
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says(no_table_nowhere());
    place
        .run(&["reset"])
        .ends_with(0)
        .and_says("0001_a reset")
        .and_says("the state is migration_required");
    assert_eq!(place.content(), before);
    place.write_step("0002_b.sql", b"INSERT INTO a VALUES (1);");
    place.run(&["finalize"]).ends_with(0).and_says("finalized");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM a"), 1);
}

#[test]
fn a_step_without_a_reset_is_told_before_anything_is_undone() {
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql(
            "0002_b.sql",
            "-- wasmigrate:migrate\nCREATE TABLE b (c INTEGER);\n-- wasmigrate:reset\nDROP TABLE b;",
        );
    place.run(&["migrate"]).ends_with(0);
    let before = place.content();
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("0001_a, reset: it has no section `-- wasmigrate:reset`")
        .and_says("nothing was changed; the state is finalization_required");
    assert_eq!(place.content(), before);
}

#[test]
fn all_steps_are_finalized_together_or_not_at_all() {
    let place = Place::new()
        .with_sql(
            "0001_a.sql",
            "-- wasmigrate:migrate\nCREATE TABLE a (b INTEGER);\n-- wasmigrate:finalize\nINSERT INTO a VALUES (1);",
        )
        .with_sql(
            "0002_b.sql",
            "-- wasmigrate:migrate\nCREATE TABLE b (c INTEGER);\n-- wasmigrate:finalize\nINSERT INTO nowhere VALUES (1);",
        );
    place.run(&["migrate"]).ends_with(0);
    let before = place.content();
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says(&format!("0002_b, finalize: {}", no_table_nowhere()))
        .and_says("the state is finalization_failed");
    assert_eq!(place.content(), before);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("the last finalize failed");
    place.run(&["finalize", "--allow-changed"]).ends_with(1);
    let repaired = b"-- wasmigrate:migrate\nCREATE TABLE b (c INTEGER);\n-- wasmigrate:finalize\nINSERT INTO b VALUES (2);";
    place.write_step("0002_b.sql", repaired);
    place
        .run(&["finalize", "--allow-changed"])
        .ends_with(0)
        .and_says("the state is finalized");
    assert_eq!(place.one::<i64>("SELECT a.b + b.c FROM a, b"), 3);
}

#[test]
fn a_dry_run_really_runs_and_leaves_the_file_as_it_was() {
    let place = customers()
        .with_data(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER);
         CREATE TABLE audit (what INTEGER);",
        )
        .with_data(Place::in_sql_of(
            "CREATE TABLE tag (name TEXT PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE tag (name TEXT PRIMARY KEY)",
        ));
    let trigger = Place::in_sql_of(
        "CREATE TRIGGER audited AFTER UPDATE ON account BEGIN INSERT INTO audit VALUES (new.id); END;",
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql
         AS $$BEGIN INSERT INTO audit VALUES (new.id); RETURN new; END$$;
         CREATE TRIGGER audited AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION audit();",
    );
    place.write_step(
        "0002_work.sql",
        format!(
            "INSERT INTO account VALUES (1, 0), (2, 0), (3, 0);
             {trigger}
             UPDATE account SET balance = 1 WHERE id < 3;
             INSERT INTO tag VALUES ('a'), ('b');
             DELETE FROM customer;"
        )
        .as_bytes(),
    );
    let before = place.everything();
    let said = place
        .run(&["plan", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(
        said["rows_changed"],
        serde_json::json!({"account": 5, "audit": 2, "customer": 4, "tag": 2})
    );
    assert_eq!(said["failure"], serde_json::Value::Null);
    assert_eq!(place.everything(), before);
    place.write_step("0003_bad.sql", b"INSERT INTO nowhere VALUES (1);");
    place
        .run(&["plan", "--dry-run"])
        .ends_with(1)
        .and_says(&format!("0003_bad, migrate: {}", no_table_nowhere()));
    assert_eq!(place.everything(), before);
}

#[test]
fn machines_read_one_document_a_line() {
    let place = customers();
    let said = place.run(&["migrate", "--json"]).ends_with(0);
    let events: Vec<serde_json::Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "target",
            "run_started",
            "prepared",
            "step_started",
            "progress",
            "progress",
            "step_ended",
            "run_ended"
        ]
    );
    assert_eq!(events.last().unwrap()["outcome"], "done");
    assert_eq!(said.stderr, "");
    assert_eq!(
        place.run(&["migrate", "--json"]).ends_with(0).json()["event"],
        "nothing_to_do"
    );
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(history[0]["attempts"][0]["name"], "customers");
    let refused = place
        .run(&["migrate", "--json", "--migrations", "nowhere"])
        .ends_with(2)
        .json();
    assert_eq!(refused["event"], "error");
}

#[test]
fn nothing_is_coloured_and_no_bar_is_drawn_where_nobody_looks() {
    let place = customers();
    let said = place.run(&["migrate"]).ends_with(0);
    assert!(!said.stdout.contains('\u{1b}') && !said.stderr.contains('\u{1b}'));
}

#[test]
fn wrong_usage_ends_with_two_and_says_what_is_right() {
    let place = customers();
    place.run(&["migrat"]).ends_with(2).and_says("migrate");
    place
        .run(&["migrate", "--database", "mysql://x"])
        .ends_with(2)
        .and_says("sqlite:PATH");
    place
        .run(&["migrate", "--migrations", "nowhere"])
        .ends_with(2)
        .and_says("cannot read the migrations in `nowhere`");
    place
        .run(&["migrate", "--set", "novalue"])
        .ends_with(2)
        .and_says("NAME=VALUE");
    place
        .run(&["migrate", "--config", "nowhere.toml"])
        .ends_with(2)
        .and_says("nowhere.toml");
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "[limits]\nmemroy_mib = 1\n",
    )
    .unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("line 2")
        .and_says("memroy_mib");
    assert!(place.is_untouched());
}

#[test]
fn completions_are_written_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = place
            .run(&["completions", shell])
            .ends_with(0)
            .and_says("finalize");
        // Nobody gives it but the host itself.
        assert!(!said.stdout.contains("compile-component"), "{shell}");
    }
}

mod sqlite {
    use super::customers;

    #[test]
    fn a_command_with_nothing_to_do_does_not_say_that_there_is_a_database_now() {
        let place = crate::place::Place::new();
        place
            .run(&["migrate", "--create"])
            .ends_with(0)
            .and_says("no file was made");
        assert!(!place.database().exists());
    }

    #[test]
    fn a_file_that_is_no_database_is_left_alone() {
        let place = customers();
        std::fs::write(place.database(), "This is my diary. ".repeat(100)).unwrap();
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("file is not a database");
        assert!(
            std::fs::read_to_string(place.database())
                .unwrap()
                .starts_with("This is my diary")
        );
    }
}

mod postgres {
    use super::customers;
    use crate::place::Place;

    #[test]
    fn a_database_that_is_not_there_is_not_made() {
        let place = customers();
        let nowhere = place.url().replace("/place_", "/no_place_");
        for command in ["status", "migrate"] {
            place
                .run(&[command, "--database", &nowhere])
                .ends_with(2)
                .and_says("cannot connect to postgres://app@127.0.0.1:")
                .and_says("does not exist");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_told_with_its_address() {
        let place = customers();
        place
            .run(&["status", "--database", "postgres://app@127.0.0.1:1/shop"])
            .ends_with(2)
            .and_says("cannot connect to postgres://app@127.0.0.1:1/shop: Connection refused");
    }

    #[test]
    fn a_target_is_one_schema_of_its_own() {
        let place = customers().with_data("CREATE SCHEMA shop");
        let other = format!("{}?options=-csearch_path%3Dshop", place.url());
        place.run(&["finalize"]).ends_with(0);
        let first = place.everything();
        place
            .run(&["status", "--database", &other])
            .ends_with(0)
            .and_says("migration_required");
        place
            .run(&["finalize", "--database", &other])
            .ends_with(0)
            .and_says("the state is finalized");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM shop.customer"), 2);
        assert_eq!(
            place.one::<i64>("SELECT count(*) FROM wasmigrate_shop.wasmigrate_step"),
            1
        );
        assert_eq!(place.everything(), first);
        place
            .run(&[
                "status",
                "--database",
                &format!("{}?options=-csearch_path%3Dnowhere", place.url()),
            ])
            .ends_with(2)
            .and_says("no schema of the search path exists");
    }

    #[test]
    fn what_a_statement_meant_before_the_first_error_is_told_not_what_came_of_it() {
        let place = Place::new().with_sql(
            "0001_bad.sql",
            "CREATE TABLE a (b INTEGER);\nINSERT INTO nowhere VALUES (1);\nINSERT INTO a VALUES (1);\nSELECT 1 / 0;",
        );
        let said = place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("relation \"nowhere\" does not exist")
            .and_says("statement (line 2): INSERT INTO nowhere VALUES (1)")
            .and_says("42P01");
        assert!(!said.stderr.contains("25P02"), "{said:#?}");
        assert_eq!(place.content(), "");
    }
}
