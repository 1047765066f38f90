//! Scripts that mean harm, or are mistaken: each ends with a named cause, and the host goes on.

use crate::place::Place;

fn attack(body: &str) -> Place {
    Place::new()
        .with_sql("0001_t.sql", "CREATE TABLE t (id BIGINT);")
        .with_sql(
            "0002_attack.js",
            &format!("export function migrate(db) {{\n{body}\n}}\n"),
        )
        .with_variable("WASMIGRATE_LIMITS_MEMORY_MIB", "64")
}

#[test]
fn endless_loops_end_with_the_deadline() {
    for body in [
        "for (;;) {}",
        "/^(a+)+$/.test('a'.repeat(40) + 'b');",
        "[1].map(function again(x) { for (;;) x += 1; });",
        "JSON.parse('[]', () => { for (;;); });",
        "new Array(5).sort(() => { for (;;); }); [3, 1, 2].sort(() => { for (;;); });",
        "(async () => { for (;;) await null; })(); return new Promise((done) => { for (;;); });",
    ] {
        attack(body)
            .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "1")
            .run(&["migrate"])
            .ends_with(1)
            .and_says("limits.deadline_seconds");
    }
}

#[test]
fn memory_ends_at_its_limit() {
    for body in [
        "const kept = []; for (;;) kept.push(new Uint8Array(1 << 20));",
        "let text = 'x'; for (;;) text += text;",
        "const kept = {}; for (let i = 0; ; i++) kept['key' + i] = [i];",
        "'x'.repeat(1 << 30);",
        "new Array(1 << 30).fill(0);",
    ] {
        let said = attack(body).run(&["migrate"]).ends_with(1);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            [
                "memory",
                "out of memory",
                "invalid array length",
                "string too long",
                "RangeError"
            ]
            .iter()
            .any(|cause| text.contains(cause)),
            "{body}: {said:#?}"
        );
    }
}

#[test]
fn recursion_ends_with_an_error() {
    for body in [
        "(function deeper() { return deeper() + 1; })();",
        "const a = []; a[0] = a; let nested = '['.repeat(100000); JSON.parse(nested);",
        "let f = () => 1; for (let i = 0; i < 100000; i++) { const g = f; f = () => g(); } f();",
    ] {
        let said = attack(body).run(&["migrate"]).ends_with(1);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            ["limits.stack_kib", "SyntaxError"]
                .iter()
                .any(|cause| text.contains(cause)),
            "{body}: {said:#?}"
        );
    }
}

#[test]
fn what_runs_forever_outside_of_its_functions_is_refused() {
    let place = Place::new()
        .with_sql("0001_t.sql", "CREATE TABLE t (id BIGINT);")
        .with_sql(
            "0002_attack.js",
            "for (;;);\nexport function migrate() {}\n",
        )
        .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "1");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("0002_attack")
        .and_says("what stands outside of its functions is not done after 1 s");
    assert!(!place.has_table("t"));
}

#[test]
fn a_script_reaches_nothing_but_its_database() {
    attack(
        "const names = Object.getOwnPropertyNames(globalThis);
         for (const name of ['process', 'require', 'fetch', 'Deno', 'std', 'os', '__host', 'setTimeout', 'WebAssembly']) {
           if (names.includes(name)) throw new Error(name);
         }
         for (const specifier of ['std', 'os', 'fs', 'node:fs', 'qjs:std']) {
           import(specifier).then(() => { throw new Error(specifier); }, () => {});
         }
         eval('1 + 1');",
    )
    .run(&["migrate"])
    .ends_with(0);
}

#[test]
fn the_prototypes_of_a_script_are_its_own() {
    // What one script breaks, the next one has whole.
    let place = attack(
        "Array.prototype.map = Array.from = JSON.stringify = () => { throw new Error('broken'); };
         Object.prototype.isTransformation = true;
         db.execute('INSERT INTO t VALUES ($1)', [1]);",
    )
    .with_sql(
        "0003_next.js",
        "export function migrate(db) { db.load('t', ['id'], [[2], [3]].map((row) => row)); }",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(id) FROM t"), 6);
}
