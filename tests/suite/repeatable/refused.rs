//! What a repeatable step cannot say.

use super::{Place, views};

#[test]
fn it_has_no_finalize_and_no_reset() {
    for (file_name, sql, said) in [
        (
            "R__c.sql",
            "-- wasmigrate:migrate\nSELECT 1;\n-- wasmigrate:finalize\nSELECT 2;",
            "`R__c.sql`, line 3: a repeatable step is neither finalized nor reset",
        ),
        (
            "R__c.sql",
            "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;",
            "`R__c.sql`, line 3",
        ),
        ("R__.sql", "SELECT 1;", "`R__.sql`"),
        (
            "R2__c.sql",
            "SELECT 1;",
            "`R2__c.sql` is not named as a step",
        ),
        (
            "R__c.rb",
            "puts 1",
            "`R__c.rb` is a migration of another form",
        ),
    ] {
        let place = views().with_sql(file_name, sql);
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(!place.has_table("item"), "{file_name}");
    }
    let place = views()
        .with_sql("R__c.sql", "SELECT 1;")
        .with_sql("R__c.down.sql", "SELECT 2;");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("a repeatable step is neither finalized nor reset");
}

#[test]
fn it_is_no_transformation() {
    Place::new()
        .with_guest("R__grown.wasm", "grown")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("a transformation cannot be a repeatable step");
}

#[test]
fn it_may_stand_beside_versions_and_alone() {
    let place = Place::new()
        .with_sql("V1_2__a.sql", "CREATE TABLE a (id INTEGER);")
        .with_sql("R__b.sql", "DELETE FROM a;");
    place.run(&["finalize"]).ends_with(0);
    let alone = Place::new().with_sql("R__b.sql", "SELECT 1;");
    alone.run(&["finalize"]).ends_with(0);
    alone
        .run(&["finalize"])
        .ends_with(0)
        .and_says("nothing to do");
}
