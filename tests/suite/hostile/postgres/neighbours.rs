//! Journals of other targets in the same database, which a step leaves alone as its own.

use super::{Target, hidden};
use crate::place::{Place, Said};

/// A target beside another one, in the schema `shop`.
fn beside_shop() -> Target {
    let mut target = Target::new();
    target.place.connect().run("CREATE SCHEMA shop");
    in_shop(&target.place, "migrate").ends_with(0);
    target.data = target.place.content();
    target
}

fn in_shop(place: &Place, command: &str) -> Said {
    let url = format!("{}?options=-csearch_path%3Dshop", place.url());
    place.run(&[command, "--database", &url])
}

const HARMFUL: [&str; 12] = [
    "DROP SCHEMA BARE_shop CASCADE",
    "DROP TABLE BARE_shop.BARE_step",
    "DROP TABLE BARE_shop.BARE_journal",
    "ALTER SCHEMA BARE_shop RENAME TO aside",
    "ALTER TABLE BARE_shop.BARE_step RENAME TO aside",
    "ALTER TABLE BARE_shop.BARE_step SET SCHEMA public",
    "ALTER TABLE BARE_shop.BARE_step RENAME TO aside; DROP TABLE BARE_shop.aside",
    "COMMENT ON TABLE BARE_shop.BARE_journal IS NULL",
    "COMMENT ON TABLE BARE_shop.BARE_journal IS 'journal of another'",
    "GRANT ALL ON SCHEMA BARE_shop TO PUBLIC",
    "UPDATE BARE_shop.BARE_step SET name = 'forged'",
    "TRUNCATE BARE_shop.BARE_step",
];

#[test]
fn their_journals_are_not_touched() {
    let target = beside_shop();
    for statement in HARMFUL {
        target.repels(&[&hidden(statement)], "the step tampered with the host");
    }
    in_shop(&target.place, "migrate")
        .ends_with(0)
        .and_says("nothing to do");
    in_shop(&target.place, "verify").ends_with(0);
    target.and_works_on();
}

/// The first run of a target has no journal of its own when it begins.
#[test]
fn their_journals_are_not_touched_by_a_first_step_either() {
    const FIRST: &[u8] = b"CREATE TABLE first (id INTEGER);";
    let place = Place::new().with_data("CREATE SCHEMA shop");
    place.write_step("0001_first.sql", FIRST);
    in_shop(&place, "migrate").ends_with(0);
    for statement in HARMFUL {
        place.write_step("0001_first.sql", hidden(statement).as_bytes());
        place
            .run(&["migrate"])
            .ends_with(1)
            .and_says("the step tampered with the host");
    }
    place.write_step("0001_first.sql", FIRST);
    in_shop(&place, "migrate")
        .ends_with(0)
        .and_says("nothing to do");
}

/// Tables beside a journal, and the schema that they are in, are the business of whoever may change them.
#[test]
fn what_is_beside_them_may_be_changed() {
    let place = beside_shop().permits(&[
        "GRANT USAGE ON SCHEMA shop TO PUBLIC",
        "CREATE TABLE shop.more (id INTEGER)",
        "COMMENT ON TABLE shop.more IS 'more'",
        "DROP TABLE shop.more",
        "ANALYZE",
    ]);
    place.run(&["finalize"]).ends_with(0);
}
