//! Statements that would hold up the application are told before they run.

use crate::place::Place;

fn rewriting() -> Place {
    Place::new()
        .with_sql("0001_make.sql", "CREATE TABLE account (id BIGINT PRIMARY KEY, balance INTEGER);")
        .with_sql(
            "0002_widen.sql",
            "CREATE TABLE entry (id BIGINT);\n\nALTER TABLE account ALTER COLUMN balance TYPE BIGINT;\n",
        )
}

#[test]
fn the_plan_warns_and_gives_the_safe_way() {
    let place = rewriting();
    // The same migration makes the table: nobody waits for it.
    let said = place.run(&["plan", "--strict"]).ends_with(0);
    assert!(!said.stdout.contains("warning"), "{said:#?}");
    std::fs::remove_file(place.step("0002_widen.sql")).unwrap();
    place.run(&["migrate"]).ends_with(0);
    place.write_step(
        "0002_widen.sql",
        b"SELECT 1;\n\nALTER TABLE account ALTER COLUMN balance TYPE BIGINT;\n",
    );
    place
        .run(&["plan"])
        .ends_with(0)
        .and_says("warning: 0002_widen, line 3: the whole table is written anew")
        .and_says("statement: ALTER TABLE account ALTER COLUMN balance TYPE BIGINT")
        .and_says("instead: add a new column");
    let plan = place
        .run(&["plan", "--strict", "--json"])
        .ends_with(2)
        .json();
    assert_eq!(plan["advice"][0]["step"], "0002_widen");
    assert_eq!(plan["advice"][0]["line"], 3);
}

#[test]
fn strict_runs_refuse_and_others_do_it() {
    let place = rewriting();
    place.run(&["migrate"]).ends_with(0);
    place.write_step(
        "0003_index.sql",
        b"CREATE INDEX by_balance ON account (balance);",
    );
    let before = place.content();
    place
        .run(&["migrate", "--strict"])
        .ends_with(2)
        .and_says("0003_index, line 1: nobody can write to `account` while the index is built")
        .and_says("use CONCURRENTLY")
        .and_says("nothing was changed");
    let strict = place.copy().with_variable("WASMIGRATE_STRICT", "true");
    strict
        .run(&["finalize"])
        .ends_with(2)
        .and_says("nothing was changed");
    assert_eq!(place.content(), before);
    place.run(&["migrate"]).ends_with(0);
    place.write_step(
        "0004_accepted.sql",
        b"-- Small.\n-- wasmigrate:accept there are ten rows\nCREATE INDEX again ON account (balance);",
    );
    place.run(&["finalize", "--strict"]).ends_with(0);
}
