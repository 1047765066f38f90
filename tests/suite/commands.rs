//! What a user sees of each command.

use crate::place::Place;

#[test]
fn a_first_run_migrates_and_says_what_comes_next() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b);");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_a migrated")
        .and_says("finalization_required");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
}
