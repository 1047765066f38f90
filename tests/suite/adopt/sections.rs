//! Files of other tools that say how they are undone.

use crate::place::Place;

/// Migrates one file, which must make a table `kept` and undo that at a reset.
#[track_caller]
fn is_undone_only_by_reset(place: Place) {
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT count(*) FROM kept"), 1);
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("kept"));
}

#[test]
fn what_undoes_a_file_of_dbmate_is_not_run_to_migrate() {
    is_undone_only_by_reset(Place::new().with_sql(
        "0001_kept.sql",
        "-- migrate:up\nCREATE TABLE kept (id BIGINT);\nINSERT INTO kept VALUES (1);\n\n-- migrate:down\nDROP TABLE kept;\n",
    ));
}

#[test]
fn what_undoes_a_file_of_goose_is_not_run_to_migrate() {
    is_undone_only_by_reset(Place::new().with_sql(
        "0001_kept.sql",
        "-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE kept (id BIGINT);\n-- +goose StatementEnd\n\
         INSERT INTO kept VALUES (1);\n\n-- +goose Down\nDROP TABLE kept;\n",
    ));
}

#[test]
fn the_second_of_a_pair_of_files_is_how_the_first_is_undone() {
    let place = Place::new()
        .with_sql(
            "0001_kept.up.sql",
            "CREATE TABLE kept (id BIGINT); INSERT INTO kept VALUES (1);",
        )
        .with_sql("0001_kept.down.sql", "DROP TABLE kept;");
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("1 pending")
        .and_says("0001_kept  sql");
    is_undone_only_by_reset(place);
}

#[test]
fn what_undoes_a_file_of_any_tool_is_not_run_to_migrate() {
    for (up, down) in [
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- +micrate Up", "-- +micrate Down"),
        ("-- Up Migration", "-- Down Migration"),
        ("-- rambler up", "-- rambler down"),
        ("-- ==== UP ====", "-- ==== DOWN ===="),
        ("-- !Ups", "-- !Downs"),
        ("-- Up", "-- Down"),
        ("-- A table.", "---- create above / drop below ----"),
        ("-- // A table.", "-- //@UNDO"),
        ("-- WASMIGRATE: Migrate", "--wasmigrate:Reset"),
    ] {
        is_undone_only_by_reset(Place::new().with_sql(
            "0001_kept.sql",
            &format!("{up}\nCREATE TABLE kept (id BIGINT);\nINSERT INTO kept VALUES (1);\n{down}\nDROP TABLE IF EXISTS kept;\n"),
        ));
    }
}

#[test]
fn a_finalize_section_in_any_case_waits_for_the_finalize() {
    let place =
        Place::new().with_data("CREATE TABLE customer (name VARCHAR(40), family VARCHAR(40));");
    let place = place.with_sql(
        "0001_x.sql",
        "-- wasmigrate:migrate\nUPDATE customer SET family = name;\n-- Wasmigrate : FINALIZE\nALTER TABLE customer DROP COLUMN name;\n",
    );
    place.run(&["migrate"]).ends_with(0);
    assert!(place.content().contains("name"));
}

#[test]
fn a_file_that_is_undone_in_two_ways_is_refused() {
    Place::new()
        .with_sql(
            "0001_a.up.sql",
            "-- migrate:up\nCREATE TABLE a (b BIGINT);\n-- migrate:down\nDROP TABLE a;\n",
        )
        .with_sql("0001_a.down.sql", "DROP TABLE a;")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`0001_a.up.sql`, line 3: `0001_a.down.sql` undoes this step already");
}

#[test]
fn a_file_that_mixes_tools_is_refused() {
    Place::new()
        .with_sql(
            "0001_a.sql",
            "-- migrate:up\nCREATE TABLE a (b BIGINT);\n-- wasmigrate:reset\nDROP TABLE a;\n",
        )
        .run(&["migrate"])
        .ends_with(2)
        .and_says("line 3")
        .and_says("in the manner of another tool");
}

/// A value may look like the beginning of a section.
#[test]
fn what_is_inside_a_string_begins_no_section() {
    let place = Place::new().with_sql(
        "0001_text.sql",
        "-- wasmigrate:migrate
CREATE TABLE page (text TEXT);
INSERT INTO page VALUES ('how to undo:
-- migrate:down
-- wasmigrate:no-transaction
-- wasmigrate:reset
it''s all');
-- wasmigrate:reset
DROP TABLE page;
",
    );
    place.run(&["migrate"]).ends_with(0);
    let text = place.one::<String>("SELECT text FROM page");
    assert!(text.ends_with("-- wasmigrate:reset\nit's all"), "{text}");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("page"));
}
