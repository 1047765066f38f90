//! Journals of other targets in the same database, which a step leaves alone as its own.

use super::{Target, hidden};
use crate::hosts::host::until;
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

/// The same with one step alone.
fn in_shop_alone(place: &Place) -> Said {
    let directory = place.path().join("of_shop");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("0001_first.sql"),
        "CREATE TABLE first (id INTEGER);",
    )
    .unwrap();
    let url = format!("{}?options=-csearch_path%3Dshop", place.url());
    place.run(&["migrate", "--database", &url, "--migrations", "of_shop"])
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

/// A target that is migrated for the first time while a step of another one runs.
#[test]
fn a_journal_that_comes_meanwhile_is_not_touched() {
    // What a deferred trigger does is found, too.
    const LATE: &str = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             EXECUTE 'DROP SCHEMA wasmi' || 'grate_shop CASCADE'; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.audit DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION late(); INSERT INTO public.audit VALUES ('late')";
    let late = LATE.to_owned();
    let acts = [
        "DROP SCHEMA BARE_shop CASCADE",
        "ALTER TABLE BARE_shop.BARE_step RENAME TO aside",
        "ALTER SCHEMA BARE_shop RENAME TO aside",
        "COMMENT ON TABLE BARE_shop.BARE_journal IS NULL",
        "COMMENT ON TABLE BARE_shop.BARE_journal IS 'journal of another'",
        "GRANT ALL ON BARE_shop.BARE_step TO PUBLIC",
        "UPDATE BARE_shop.BARE_step SET name = 'forged'",
    ];
    let hidden = acts.iter().map(|act| hidden(act));
    for act in hidden.chain([late]) {
        let target = Target::new();
        target.place.connect().run("CREATE SCHEMA shop");
        let wait = "DO $$ BEGIN FOR try IN 1..2000 LOOP
             EXIT WHEN EXISTS (SELECT FROM pg_tables WHERE tablename = 'seen'); PERFORM pg_sleep(0.01); END LOOP; END $$";
        target
            .place
            .write_step("0002_begun.sql", b"CREATE TABLE begun (id INTEGER);");
        target
            .place
            .write_step("0003_act.sql", format!("{wait};\n{act};").as_bytes());
        let host = target.place.start(&["migrate"]);
        until("the first step is done", || target.place.has_table("begun"));
        in_shop_alone(&target.place).ends_with(0);
        target.place.connect().run("CREATE TABLE seen (id INTEGER)");
        Said::from(host.wait_with_output().unwrap())
            .ends_with(1)
            .and_says("the step tampered with the host");
        in_shop_alone(&target.place)
            .ends_with(0)
            .and_says("nothing to do");
    }
}

/// What is removed is asked for, and may be.
#[test]
fn other_tables_are_removed_and_changed() {
    let place = beside_shop().permits(&[
        "CREATE TEMP TABLE one (id INTEGER) ON COMMIT DROP",
        "CREATE TEMP TABLE two AS SELECT 1",
        "CREATE TABLE three (id INTEGER PRIMARY KEY, name TEXT)",
        "ALTER TABLE three RENAME TO four",
        "DROP TABLE four",
        "CREATE SCHEMA aside",
        "CREATE TABLE aside.five (id SERIAL)",
        "DROP SCHEMA aside CASCADE",
    ]);
    place.run(&["finalize"]).ends_with(0);
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
