//! Zig, and C by `zig cc`.

use super::{examples_do_the_same, place, templates_are_steps};

#[test]
fn templates_in_zig_are_steps() {
    templates_are_steps("zig", |_| ());
}

#[test]
fn examples_in_zig_do_what_those_in_rust_do() {
    examples_do_the_same("zig");
}

/// What fails in a step is told in its words and the database's.
#[test]
fn a_step_in_zig_fails_with_its_reason() {
    for (body, words) in [
        (
            "_ = try db.execute(\"SELECT nothing FROM nowhere\", .{});",
            "nowhere",
        ),
        (
            "_ = db; return wasmigrate.context(wasmigrate.fail(\"row {d} has no name\", .{7}), \"while it counted\", .{});",
            "while it counted: row 7 has no name",
        ),
        (
            "_ = try db.value(i64, \"SELECT 'x'\", .{});",
            "column 0 holds text, not i64",
        ),
        (
            "var rows = db.load(\"a\", &.{\"b\"}); try rows.push(.{1});",
            "rows wait in a writer that was not finished",
        ),
        (
            "var rows = db.load(\"a\", &.{\"b\"}); try rows.push(.{1}); try rows.push(.{1}); _ = try rows.finish();",
            "could not load rows into the table \"a\"",
        ),
        ("_ = db; return error.NoName;", "NoName"),
        ("_ = db; @panic(\"out of luck\");", "out of luck"),
    ] {
        working(body).run(&["migrate"]).ends_with(1).and_says(words);
    }
}

/// Of a row that does not fit nothing is kept.
#[test]
fn a_step_in_zig_goes_on_after_a_row_that_does_not_fit() {
    let place = working(
        "var rows = db.load(\"a\", &.{ \"c\", \"b\" });
         try rows.push(.{ \"one\", 1 });
         if (rows.push(.{ \"lost\", \"x\" })) |_| return wasmigrate.fail(\"it fits\", .{}) else |_| {}
         try rows.push(.{ \"two\", 2 });
         _ = try rows.finish();",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT c FROM a ORDER BY b"), ["one", "two"]);
}

/// What says nothing of a reset has none, and is not called to find out.
#[test]
fn a_step_in_zig_without_a_reset_is_not_reset() {
    let place = working("_ = db;");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("0002_work, reset: it has no reset");
}

/// A place with a step in Zig that does this.
fn working(body: &str) -> crate::place::Place {
    let place = place().with_sql(
        "0001_a.sql",
        "CREATE TABLE a (b BIGINT PRIMARY KEY, c TEXT);",
    );
    place.run(&["new", "work", "--lang", "zig"]).ends_with(0);
    let source = format!(
        "const wasmigrate = @import(\"wasmigrate\");\npub const panic = wasmigrate.panic;\n\
         pub fn migrate(db: wasmigrate.Database, _: ?[]const u8) !void {{ {body} }}\n\
         comptime {{ wasmigrate.step(@This()); }}\n"
    );
    std::fs::write(place.path().join("steps/0002_work/step.zig"), source).unwrap();
    place.run(&["build", "2"]).ends_with(0);
    place
}

/// Where there is no clang for WebAssembly, Zig compiles C.
#[test]
fn zig_compiles_c() {
    let place = place();
    let zig = std::env::var("WASMIGRATE_ZIG").unwrap_or_else(|_| "zig".to_owned());
    let place = place.with_variable("WASMIGRATE_CC", &format!("{zig} cc"));
    place.run(&["new", "first", "--lang", "c"]).ends_with(0);
    place.run(&["build"]).ends_with(0);
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do yet");
}
