//! What stands on a column that goes is told of at migrate, whoever made it.

use crate::place::Place;

/// Drops the column that it reads.
const UP: &str = "
import { transform } from 'wasmigrate';
export default transform({
  summary: 'x', table: 'word', inputs: ['text'], derives: { up: 'TEXT NOT NULL' }, drops: ['text'],
  row({ text }) { return { up: text.toUpperCase() }; },
});
";

fn words() -> Place {
    Place::new()
        .with_data(
            "CREATE TABLE word (id INTEGER PRIMARY KEY, text VARCHAR(20) NOT NULL);
             INSERT INTO word VALUES (1, 'one'), (2, 'two')",
        )
        .with_sql("0001_up.js", UP)
}

/// What is said of a view that stands on the column.
fn told(place: &Place, command: &[&str]) {
    place
        .run(command)
        .ends_with(1)
        .and_says(Place::in_sql_of(
            "error in view old after drop column",
            "view old depends on column text of table word",
        ))
        .and_says("view old needs a column that `finalize` takes away: drop it in a step before, or change the file that makes it");
}

fn finalizes(place: &Place) {
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");
    assert_eq!(
        place.texts("SELECT up FROM word ORDER BY id"),
        ["ONE", "TWO"]
    );
}

#[test]
fn a_view_that_was_there_before() {
    let place = words().with_data("CREATE VIEW old AS SELECT text FROM word");
    for command in [&["plan", "--dry-run"][..], &["migrate"]] {
        told(&place, command);
    }
    place.connect().run("DROP VIEW old");
    finalizes(&place);
}

#[test]
fn a_view_that_a_later_step_makes() {
    let place = words().with_sql(
        "0002_old.sql",
        "-- wasmigrate:migrate\nCREATE VIEW old AS SELECT id, text FROM word;\n-- wasmigrate:reset\nDROP VIEW old;",
    );
    told(&place, &["plan", "--dry-run"]);
    told(&place, &["migrate"]);
    place.run(&["status"]).and_says("state   migration_failed");
    // It still is so.
    for command in ["migrate", "finalize"] {
        let said = place.run(&[command]).ends_with(1);
        said.and_says("0001_up, finalize: ")
            .and_says("what was migrated stays, and nothing was finalized");
    }
    place.write_step("0003_drop.sql", b"DROP VIEW old;");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("the state is finalization_required");
    finalizes(&place);
}

#[test]
fn a_view_that_a_repeatable_step_makes() {
    let view = |body: &str| format!("DROP VIEW IF EXISTS old;\n{body}");
    let place = words().with_sql(
        "R__old.sql",
        &view("CREATE VIEW old AS SELECT text FROM word;"),
    );
    told(&place, &["migrate"]);
    place.write_step("R__old.sql", view("").as_bytes());
    place.run(&["migrate"]).ends_with(0);
    place.write_step(
        "R__old.sql",
        view("CREATE VIEW old AS SELECT up FROM word;").as_bytes(),
    );
    place.run(&["migrate"]).ends_with(0);
    // The application's own view stands on what a reset takes away.
    place
        .run(&["reset"])
        .ends_with(1)
        .and_says("view old needs a column that `reset` takes away");
    finalizes(&place);
}

#[test]
fn what_was_migrated_can_be_undone() {
    let place = words().with_sql(
        "0002_old.sql",
        "-- wasmigrate:migrate\nCREATE VIEW old AS SELECT id, text FROM word;\n-- wasmigrate:reset\nDROP VIEW old;",
    );
    let before = place.content();
    told(&place, &["migrate"]);
    place.run(&["reset"]).ends_with(0);
    assert_eq!(place.content(), before);
}
