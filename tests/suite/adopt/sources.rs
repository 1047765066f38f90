//! `import` for files of any name: those that sqlx, Flyway, golang-migrate and dbmate name by themselves.

use super::tool::{FLYWAY, NAMED, SQLX};
use crate::place::Place;

#[test]
fn after_an_import_only_what_is_new_runs() {
    for tool in NAMED {
        let place = tool.with_new_file(tool.place());
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says(&format!("wasmigrate import --from {}", tool.name));
        let theirs = place.content();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(0)
            .and_says(&format!("migrations/{}", tool.files[0].0))
            .and_says("run 1 wrote down 2 as applied, and ran nothing");
        assert_eq!(place.content(), theirs, "{}", tool.name);
        place.run(&["finalize"]).ends_with(0);
        assert!(place.has_table("notes"), "{}", tool.name);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM users"), 1);
        let before = place.everything();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(0)
            .and_says("nothing to do; all of it is written down already");
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_missing_file_is_named() {
    for tool in NAMED {
        let place = tool.place();
        let last = tool
            .files
            .iter()
            .rfind(|(name, _)| !name.contains(".down."));
        let last = last.unwrap().0;
        std::fs::remove_file(place.step(last)).unwrap();
        // What undoes a file that is not there is refused by itself.
        _ = std::fs::remove_file(place.step(&last.replace(".up.", ".down.")));
        let before = place.everything();
        place
            .run(&["import", "--from", tool.name])
            .ends_with(2)
            .and_says("was applied, but there is no file of it");
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_changed_file_is_named() {
    for tool in [SQLX, FLYWAY] {
        let place = tool.place();
        let (file_name, text) = tool.files[0];
        place.write_step(file_name, text.replace("email", "mail").as_bytes());
        place
            .run(&["import", "--from", tool.name])
            .ends_with(2)
            .and_says(&format!(
                "`migrations/{file_name}` has changed since {}",
                tool.name
            ));
    }
}

#[test]
fn how_lines_end_is_no_change_to_flyway() {
    let place = FLYWAY.place();
    let (file_name, text) = FLYWAY.files[0];
    place.write_step(file_name, text.replace('\n', "\r\n").as_bytes());
    place.run(&["import", "--from", "flyway"]).ends_with(0);
}

#[test]
fn our_own_lines_are_no_change_to_another_tool() {
    for tool in [SQLX, FLYWAY] {
        let place = tool.place();
        let (file_name, text) = tool.files[0];
        let marked = format!("-- wasmigrate:accept the table is new\n{text}");
        place.write_step(file_name, marked.as_bytes());
        place.run(&["import", "--from", tool.name]).ends_with(0);
    }
}

#[test]
fn an_older_file_runs_next_where_the_tool_would_run_it() {
    let place = SQLX.place();
    place.write_step(
        "20240201000000_between.up.sql",
        b"CREATE TABLE between_them (a BIGINT);",
    );
    place
        .run(&["import", "--from", "sqlx"])
        .ends_with(0)
        .and_says("20240201000000_between.up.sql` is older than the last that sqlx applied, and was not applied itself: it runs next");
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("between_them"));
    let place = FLYWAY.place();
    place.write_step(
        "V1_0_5__between.sql",
        b"CREATE TABLE between_them (a BIGINT);",
    );
    place
        .run(&["import", "--from", "flyway"])
        .ends_with(2)
        .and_says("`migrations/V1_0_5__between.sql` is older than the last that flyway applied");
}

#[test]
fn the_order_is_that_of_the_versions() {
    let place = FLYWAY.place();
    place.write_step("V2__two.sql", b"CREATE TABLE two (a BIGINT);");
    place.write_step("V10__ten.sql", b"ALTER TABLE two ADD COLUMN b BIGINT;");
    place
        .run(&["import", "--from", "flyway"])
        .ends_with(0)
        .and_says("wrote down 2 as applied");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn what_flyway_runs_in_another_way_is_told_apart() {
    let place = FLYWAY.place();
    for file_name in ["U1_1__add_orders.sql", "notes.sql"] {
        place.write_step(file_name, b"SELECT 1;");
    }
    place
        .run(&["import", "--from", "flyway"])
        .ends_with(2)
        .and_says("`migrations/notes.sql` is no migration to flyway, and would run here");
    std::fs::remove_file(place.step("notes.sql")).unwrap();
    for (file_name, said) in [
        (
            "U7__more.sql",
            "`U7__more.sql` undoes a file V… of the same version, which is not there",
        ),
        ("B1__all.sql", "`B1__all.sql` is a baseline"),
    ] {
        place.write_step(file_name, b"SELECT 1;");
        place
            .run(&["import", "--from", "flyway"])
            .ends_with(2)
            .and_says(said);
        std::fs::remove_file(place.step(file_name)).unwrap();
    }
    place.run(&["import", "--from", "flyway"]).ends_with(0);
}

#[test]
fn baselines_undone_and_failed_versions_of_flyway_are_understood() {
    let insert = "INSERT INTO flyway_schema_history
        (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success) VALUES";
    let undone = FLYWAY.place().with_data(&format!(
        "{insert} (3, '1.1', 'add orders', 'UNDO_SQL', 'U1_1__add_orders.sql', 5, 'app', 1, TRUE)"
    ));
    undone
        .run(&["import", "--from", "flyway"])
        .ends_with(0)
        .and_says("wrote down 1 as applied");
    FLYWAY
        .place()
        .with_data(&format!(
            "{insert} (3, '2', 'more', 'SQL', 'V2__more.sql', 5, 'app', 1, FALSE)"
        ))
        .run(&["import", "--from", "flyway"])
        .ends_with(2)
        .and_says("version 2 failed in Flyway; fix it and run `flyway repair` first");
    FLYWAY
        .place()
        .with_data(&format!(
            "DELETE FROM flyway_schema_history;
             {insert} (1, '1.1', 'by hand', 'BASELINE', '<< Flyway Baseline >>', NULL, 'app', 0, TRUE);
             {insert} (2, '1.2', 'in java', 'JDBC', 'db.migration.V1_2__InJava', NULL, 'app', 9, TRUE)"
        ))
        .run(&["import", "--from", "flyway"])
        .ends_with(0)
        .and_says("Flyway was told that all up to version 1.1 was done: by hand")
        .and_says("version 1.2 was no SQL but JDBC")
        .and_says("wrote down 2 as applied");
}

#[test]
fn a_baseline_writes_down_every_file() {
    let place = SQLX.place();
    place
        .run(&["baseline", "--through", "2"])
        .ends_with(2)
        .and_says("the files of sources have no numbers");
    place
        .run(&["baseline", "--dry-run"])
        .ends_with(0)
        .and_says("migrations/20240215100000_add_orders.up.sql")
        .and_says("would write down 2 as applied");
    place
        .run(&["baseline", "--reason", "made by hand"])
        .ends_with(0)
        .and_says("run 1 wrote down 2 as applied");
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("reason: made by hand");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}

#[test]
fn a_baseline_of_nothing_lets_every_file_run() {
    let place = SQLX
        .place()
        .with_data("DROP TABLE orders; DROP TABLE users;");
    place.run(&["baseline", "--through", "0"]).ends_with(0);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("orders"));
}

#[test]
fn a_file_in_two_parts_is_undone_by_its_second() {
    let place = Place::new().with_sql("20240101_kept.up.sql", "CREATE TABLE kept (a BIGINT);");
    let place = place.with_sql("20240101_kept.down.sql", "DROP TABLE kept;");
    super::tool::with_sources(&place);
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("kept"));
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("kept"));
}
