//! A verb of another tool is answered with ours.

use crate::place::Place;

#[test]
fn a_verb_of_another_tool_is_answered_with_ours_in_one_line() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    for (typed, ours) in [
        ("up", "`wasmigrate migrate`"),
        ("apply", "`wasmigrate migrate`"),
        ("deploy", "`wasmigrate migrate`"),
        ("down", "`wasmigrate reset --steps 1`"),
        ("undo", "`wasmigrate reset --steps 1`"),
        ("revert", "`wasmigrate reset --steps 1`"),
        ("rollback", "`wasmigrate reset --steps 1`"),
        ("redo", "`wasmigrate reset --steps 1`"),
        ("info", "`wasmigrate status`"),
        ("validate", "`wasmigrate verify`"),
        ("create", "`wasmigrate new NAME` makes a numbered file"),
        ("generate", "`wasmigrate new NAME` makes a numbered file"),
        ("force", "`wasmigrate baseline --through STEP`"),
        ("stamp", "`wasmigrate baseline --through STEP`"),
        ("clean", "drops no database"),
        ("drop", "drops no database"),
        ("db:rollback", "`wasmigrate reset --steps 1`"),
        ("migrate:latest", "`wasmigrate migrate`"),
        ("db:migrate", "`wasmigrate migrate`"),
        ("db:migrate:status", "`wasmigrate status`"),
        ("db:reset", "drops no database"),
        ("dump", "`wasmigrate schema dump`"),
        ("db:schema:dump", "`wasmigrate schema dump`"),
        ("diff", "`wasmigrate schema diff`"),
        ("seed", "`seeds` in the settings names"),
        ("db:seed", "`seeds` in the settings names"),
    ] {
        for arguments in [
            &[typed][..],
            &["--json", typed, "1", "--force"],
            &["migrate", typed],
        ] {
            let said = place.run(arguments).ends_with(2).and_says(ours);
            assert!(said.stdout.is_empty(), "{said:#?}");
            let begins = format!("error: there is no `{typed}` here: ");
            assert!(said.stderr.starts_with(&begins), "{said:#?}");
            assert_eq!(said.stderr.lines().count(), 1, "{said:#?}");
        }
    }
    assert!(place.is_untouched());
    place.run(&["statis"]).ends_with(2).and_says("status");
}
