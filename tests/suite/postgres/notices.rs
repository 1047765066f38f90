//! What the server says to a step's statements becomes output of the step.

use crate::place::Place;

#[test]
fn notices_are_shown_and_kept() {
    let place = Place::new().with_sql(
        "0001_talk.sql",
        "DO $$ BEGIN RAISE NOTICE E'half\\nway \\x1b[2J'; RAISE WARNING 'mind the gap'; RAISE DEBUG 'psst'; END $$;
         CREATE TABLE IF NOT EXISTS a (b int); CREATE TABLE IF NOT EXISTS a (b int);",
    );
    let said = place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0001_talk │ half")
        .and_says("0001_talk │ way [2J")
        .and_says("0001_talk warning: mind the gap")
        .and_says("relation \"a\" already exists, skipping");
    assert!(
        !said.stdout.contains('\u{1b}') && !said.stdout.contains("psst"),
        "{said:#?}"
    );
    let lines = place.texts("SELECT level || ' ' || line FROM wasmigrate_output ORDER BY sequence");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[2], "warning mind the gap");
}

#[test]
fn a_flood_of_them_is_cut_off() {
    let place = Place::new().with_sql(
        "0001_shout.sql",
        "DO $$ BEGIN FOR i IN 1..100000 LOOP RAISE NOTICE 'number %', i; END LOOP; END $$;",
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("number 1000")
        .and_says("the database says more than 1000 things");
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM wasmigrate_output"),
        1001
    );
}
