//! `import`: what another tool's table says was applied.

use super::tool::{
    FLYWAY, NAMED, NUMBERED, NUMBERED_DBMATE, NUMBERED_GOLANG_MIGRATE, NUMBERED_SQLX, as_steps,
};

#[test]
fn after_an_import_only_what_is_new_runs() {
    for tool in NUMBERED {
        let place = tool.with_new_file(tool.place());
        let theirs = place.content();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(0)
            .and_says("0001_create_users")
            .and_says("0002_add_orders")
            .and_says("run 1 wrote down 2 as applied, and ran nothing");
        assert_eq!(place.content(), theirs, "{tool:?}");
        let said = place
            .run(&["finalize"])
            .ends_with(0)
            .and_says("0003_add_notes migrated");
        assert!(!said.stdout.contains("0002_add_orders"), "{said:#?}");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM users"), 1);
        place.run(&["verify"]).ends_with(0);
        place
            .run(&["history", "--output"])
            .ends_with(0)
            .and_says("run 1  import  done")
            .and_says(&format!("from {} ({})", tool.name, tool.table));
    }
}

#[test]
fn a_second_import_finds_nothing_to_do() {
    for tool in NUMBERED {
        let place = tool.place();
        place.run(&["import", "--from", tool.name]).ends_with(0);
        let before = place.everything();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(0)
            .and_says("nothing to do; all of it is written down already");
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_dry_run_only_says_what_it_would_write() {
    for tool in NUMBERED {
        let place = tool.place();
        let before = place.everything();
        place
            .run(&["import", "--from", tool.name, "--dry-run"])
            .ends_with(0)
            .and_says("would write down 2 as applied, and run nothing; nothing was changed");
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn times_are_those_at_which_the_tool_applied() {
    let place = NUMBERED_SQLX.place();
    place.run(&["import", "--from", "sqlx"]).ends_with(0);
    // 2026-11-22 00:20:27 UTC, and on PostgreSQL a part of a second more.
    let at = place.one::<i64>("SELECT finalized_at FROM wasmigrate_step WHERE step_index = 1");
    assert_eq!(at / 1_000, 1_795_306_827);
}

#[test]
fn a_missing_file_is_named() {
    for tool in NUMBERED {
        let place = tool.place();
        for (file_name, _) in tool
            .files
            .iter()
            .filter(|(name, _)| name.starts_with("0002"))
        {
            std::fs::remove_file(place.step(file_name)).unwrap();
        }
        let before = place.everything();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(2)
            .and_says("does not fit the files, and nothing was written down")
            .and_says("2 was applied, but there is no file of it");
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_changed_file_is_named() {
    let place = NUMBERED_SQLX.place();
    place.write_step(
        "0002_add_orders.up.sql",
        b"CREATE TABLE orders (id BIGINT);",
    );
    place
        .run(&["import", "--from", "sqlx"])
        .ends_with(2)
        .and_says("`0002_add_orders.up.sql` has changed since sqlx applied it");
}

#[test]
fn what_failed_halfway_is_refused() {
    for (tool, change) in [
        (
            NUMBERED_GOLANG_MIGRATE,
            "UPDATE schema_migrations SET dirty = TRUE",
        ),
        (
            NUMBERED_SQLX,
            "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 2",
        ),
    ] {
        tool.place()
            .with_data(change)
            .run(&["import", "--from", tool.name])
            .ends_with(2)
            .and_says("version 2 ")
            .and_says("failed halfway");
    }
}

#[test]
fn every_disagreement_is_listed() {
    let place = NUMBERED_SQLX.place();
    place.write_step(
        "0001_create_users.up.sql",
        b"CREATE TABLE users (id BIGINT);",
    );
    for file_name in ["0002_add_orders.up.sql", "0002_add_orders.down.sql"] {
        std::fs::remove_file(place.step(file_name)).unwrap();
    }
    place
        .run(&["import", "--from", "sqlx"])
        .ends_with(2)
        .and_says("`0001_create_users.up.sql` has changed")
        .and_says("version 2 was applied, but there is no file of it");
}

#[test]
fn an_older_file_that_was_not_applied_is_refused() {
    for tool in [NUMBERED_SQLX, NUMBERED_DBMATE] {
        let place = tool.place();
        for (file_name, _) in tool.files {
            let moved = file_name.replace("0002", "0003");
            std::fs::rename(place.step(file_name), place.step(&moved)).unwrap();
        }
        place.connect().run(&format!(
            "UPDATE {} SET version = '{}' WHERE version = '{}'",
            tool.table,
            if tool.name == "sqlx" { "3" } else { "0003" },
            if tool.name == "sqlx" { "2" } else { "0002" },
        ));
        let place = place.with_sql(
            "0002_between.up.sql",
            "CREATE TABLE between_them (a BIGINT);",
        );
        place
            .run(&["import", "--from", tool.name])
            .ends_with(2)
            .and_says(
                "`0002_between.up.sql` was never applied, but `0003_add_orders` after it was",
            );
    }
}

/// Also one that has the prefix of the host's own tables in its name.
#[test]
fn a_table_of_another_name_is_named() {
    for name in ["their_migrations", "old_wasmigrate_history"] {
        let rename = format!("ALTER TABLE _sqlx_migrations RENAME TO {name}");
        let place = NUMBERED_SQLX.place().with_data(&rename);
        place
            .run(&["import", "--from", "sqlx"])
            .ends_with(2)
            .and_says("there is no table `_sqlx_migrations` that could be read")
            .and_says("--table");
        place
            .run(&["import", "--from", "sqlx", "--table", name])
            .ends_with(0)
            .and_says("wrote down 2");
    }
}

#[test]
fn the_table_of_another_tool_is_recognised() {
    for tool in ["dbmate", "rails"] {
        NUMBERED_GOLANG_MIGRATE
            .place()
            .run(&["import", "--from", tool])
            .ends_with(2)
            .and_says(&format!("it is the table of golang-migrate, not of {tool}"));
    }
    NUMBERED_DBMATE
        .place()
        .run(&["import", "--from", "golang-migrate"])
        .ends_with(2)
        .and_says("has no column `dirty`");
}

#[test]
fn names_that_tools_give_by_themselves_are_steps() {
    for tool in NAMED.map(as_steps) {
        let place = tool.with_new_file(tool.place());
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("wasmigrate import --from {}", tool.name));
        place
            .run(&["import", "--from", tool.name])
            .ends_with(0)
            .and_says("run 1 wrote down 2 as applied, and ran nothing");
        place.run(&["finalize"]).ends_with(0);
        assert!(place.has_table("notes"), "{}", tool.name);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM users"), 1);
        place.run(&["verify"]).ends_with(0);
    }
}

#[test]
fn what_flyway_runs_again_was_applied_unless_it_has_changed_since() {
    let place = FLYWAY.place().with_data("CREATE TABLE again (name TEXT)");
    let _ = std::fs::remove_file(place.path().join("wasmigrate.toml"));
    for name in ["a", "b", "c"] {
        let sql = format!("INSERT INTO again VALUES ('{name}');\n");
        place.write_step(&format!("R__{name}.sql"), sql.as_bytes());
    }
    // The checksum of the first is that of its text; the second has another; Flyway has not run the third.
    for (rank, name, checksum) in [(3, "a", "1"), (4, "a", "1178026274"), (5, "b", "1")] {
        place.connect().run(&format!(
            "INSERT INTO flyway_schema_history VALUES
             ({rank}, NULL, '{name}', 'SQL', 'R__{name}.sql', {checksum}, 'app', '2024-02-15 10:00:00', 3, TRUE)"
        ));
    }
    place
        .run(&["import", "--from", "flyway"])
        .ends_with(0)
        .and_says("R__a")
        .and_says("`R__b.sql` has changed since flyway ran it: it runs next");
    place.run(&["import", "--from", "flyway"]).ends_with(0);
    place.run(&["plan"]).ends_with(0).and_says("2 pending");
    place.run(&["migrate"]).ends_with(0);
    let names = place.texts("SELECT name FROM again ORDER BY name");
    assert_eq!(names, ["b", "c"]);
}
