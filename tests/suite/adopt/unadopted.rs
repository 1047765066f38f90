//! A target that another tool has migrated, before it was said what becomes of that.

use super::tool::{NUMBERED, NUMBERED_DBMATE};

#[test]
fn nothing_of_it_runs_again() {
    for tool in NUMBERED {
        let place = tool.with_new_file(tool.place());
        let before = place.everything();
        for arguments in [&["migrate"][..], &["finalize"], &["plan", "--dry-run"]] {
            place
                .run(arguments)
                .ends_with(2)
                .and_says(&format!(
                    "`{}` says that {} has migrated",
                    tool.table, tool.name
                ))
                .and_says(&format!("wasmigrate import --from {}", tool.name))
                .and_says("wasmigrate baseline");
        }
        place
            .run(&["status"])
            .ends_with(0)
            .and_says(&format!("wasmigrate import --from {}", tool.name));
        assert!(place.everything() == before, "{}", tool.name);
    }
}

#[test]
fn a_baseline_of_nothing_lets_everything_run() {
    // Such a table may belong to somebody else.
    let place = NUMBERED_DBMATE
        .place()
        .with_data("DROP TABLE orders; DROP TABLE users;");
    place
        .run(&["baseline", "--through", "0"])
        .ends_with(0)
        .and_says("run 1 wrote down nothing");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0002_add_orders migrated");
}

#[test]
fn an_empty_table_is_no_history() {
    let place = NUMBERED_DBMATE
        .place()
        .with_data("DELETE FROM schema_migrations; DROP TABLE orders; DROP TABLE users;");
    place.run(&["migrate"]).ends_with(0);
}
