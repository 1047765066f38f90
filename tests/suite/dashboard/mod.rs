//! The dashboard as people meet it: a real browser before the real service.

pub mod browser;
mod either;
mod tenants;
mod watched;

use crate::hostile::component::{Component, sql};
use crate::place::Place;

/// A step that announces 100,000 rows, does 60,000 of them in some time, and then no more until somebody ends it.
fn slow() -> Component {
    let busy = Place::in_sql_of(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT max(i) FROM n",
        "SELECT pg_sleep(0.03)",
    );
    let endless = Place::in_sql_of(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "SELECT pg_sleep(3600)",
    );
    let count =
        "(i32.store8 (i32.const 648) (i32.const 1)) (i64.store (i32.const 656) (i64.const 100000))
         (return (i32.const 640))";
    let rows = format!(
        "(loop $again {}
           (local.set $i (i32.add (local.get $i) (i32.const 1000)))
           (call $progress (i64.extend_i32_u (local.get $i)) (i32.const 1) (i64.const 100000))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 60000))))",
        sql(busy)
    );
    // Progress is told ten times a second at most: what is told last must come later.
    let last =
        sql(busy).repeat(8) + "(call $progress (i64.const 60000) (i32.const 1) (i64.const 100000))";
    let body = rows + &last + "(call $output (i32.const 1) {{this takes a while}})" + &sql(endless);
    Component::migrating(body).with("count", count)
}

/// A place with that step behind a quick one and before another.
fn slow_place() -> Place {
    let place = Place::new()
        .with_sql(
            "0001_begin.sql",
            "CREATE TABLE begun (id INTEGER PRIMARY KEY);",
        )
        .with_sql(
            "0003_end.sql",
            "CREATE TABLE ended (id INTEGER PRIMARY KEY);",
        );
    place.write_step("0002_copy_people.wasm", &slow().build());
    place
}
