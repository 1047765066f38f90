//! C, by a clang with libc for WebAssembly.

use super::{examples_do_the_same, place, templates_are_steps};

#[test]
fn templates_in_c_are_steps() {
    templates_are_steps("c", |_| ());
}

#[test]
fn examples_in_c_do_what_those_in_rust_do() {
    examples_do_the_same("c");
}

/// What fails in a step is told in its words and the database's.
#[test]
fn a_step_in_c_fails_with_its_reason() {
    for (body, words) in [
        (
            "return wm_execute(\"SELECT nothing FROM nowhere\");",
            "nowhere",
        ),
        (
            "wm_fail(\"row %d has no name\", 7); return wm_context(\"while it counted\");",
            "while it counted: row 7 has no name",
        ),
        ("return false;", "it returned false, and no reason"),
        (
            "int64_t n; return wm_query_integer(&n, \"SELECT 'x'\");",
            "column 0 holds a text, not a whole number",
        ),
        (
            "int64_t n; return wm_query_integer(&n, \"SELECT 1 WHERE 1 = 0\");",
            "no row came of: SELECT 1 WHERE 1 = 0",
        ),
        (
            "wm_writer *rows = wm_load(\"a\", \"b\"); return wm_push(rows, wm_integer(1));",
            "rows wait in a writer that was not ended by wm_finish",
        ),
        (
            "wm_writer *rows = wm_load(\"a\", \"b\"); WM_TRY(wm_push(rows, wm_integer(1))); return wm_push(rows, wm_literal(\"x\"));",
            "column 0 has values of two types",
        ),
        (
            "wm_writer *rows = wm_load(\"a\", \"b\"); WM_TRY(wm_push(rows, wm_integer(1))); WM_TRY(wm_push(rows, wm_integer(1))); return wm_finish(rows);",
            "could not load rows into the table \"a\"",
        ),
    ] {
        let place = failing(body);
        place.run(&["migrate"]).ends_with(1).and_says(words);
    }
}

#[test]
fn a_step_in_c_without_a_reset_is_not_reset() {
    let place = failing("return true;");
    place.run(&["migrate"]).ends_with(0);
    place
        .run(&["reset"])
        .ends_with(2)
        .and_says("0002_work, reset: it has no reset");
}

/// A failure that is looked at is none, and a savepoint undoes what came before it.
#[test]
fn a_step_in_c_goes_on_after_a_failure() {
    let place = failing(
        "WM_TRY(wm_execute(\"INSERT INTO a (b) VALUES (1)\"));
         wm_savepoint before;
         WM_TRY(wm_open_savepoint(&before));
         if (wm_execute(\"INSERT INTO a (b) VALUES ($1)\", wm_integer(1))) return wm_fail(\"twice\");
         if (wm_cause() == NULL || wm_cause()->kind != WM_CONSTRAINT_VIOLATED) return false;
         wm_recover();
         wm_roll_back(before);
         WM_TRY(wm_open_savepoint(&before));
         WM_TRY(wm_execute(\"INSERT INTO a (b, c) VALUES ($1, $2)\", wm_integer(2), wm_null()));
         return wm_release(before);",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT b || '' FROM a ORDER BY b"), ["1", "2"]);
}

/// Of a row that does not fit nothing is kept, and what is counted are the rows that were changed.
#[test]
fn a_step_in_c_goes_on_after_a_row_that_does_not_fit() {
    let place = failing(
        "wm_writer *rows = wm_load(\"a\", \"c\", \"b\");
         WM_TRY(wm_push(rows, wm_literal(\"one\"), wm_integer(1)));
         if (wm_push(rows, wm_literal(\"lost\"), wm_literal(\"x\"))) return wm_fail(\"it fits\");
         wm_recover();
         WM_TRY(wm_push(rows, wm_literal(\"two\"), wm_integer(2)));
         WM_TRY(wm_finish(rows));
         rows = wm_execute_many(\"UPDATE a SET c = c || $2 WHERE b >= $1\", 2);
         WM_TRY(wm_push(rows, wm_integer(1), wm_literal(\"!\")));
         WM_TRY(wm_push(rows, wm_integer(7), wm_literal(\"?\")));
         WM_TRY(wm_finish(rows));
         return wm_changed() == 2 || wm_fail(\"%llu were changed\", (unsigned long long)wm_changed());",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT c FROM a ORDER BY b"), ["one!", "two!"]);
}

/// A place with a step in C that does this.
fn failing(body: &str) -> crate::place::Place {
    let place = place().with_sql(
        "0001_a.sql",
        "CREATE TABLE a (b BIGINT PRIMARY KEY, c TEXT);",
    );
    place.run(&["new", "work", "--lang", "c"]).ends_with(0);
    let source = format!(
        "#include \"wasmigrate.h\"\nstatic bool migrate(const wm_bytes *resume) {{ (void)resume; {body} }}\n\
         WASMIGRATE_STEP = {{.summary = \"works\", .migrate = migrate}};\n"
    );
    std::fs::write(place.path().join("steps/0002_work/step.c"), source).unwrap();
    place.run(&["build", "0002_work"]).ends_with(0);
    place
}
