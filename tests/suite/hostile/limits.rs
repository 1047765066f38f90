//! Steps that want more than they are given.

use crate::place::Place;

use super::component::{Component, must, sql, writes};
use super::{attack, attack_with_file};

pub const ENDLESS_QUERY: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[test]
fn an_endless_loop_ends_with_the_deadline() {
    attack(Component::migrating(writes() + "(loop $again (br $again))"))
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("not done in time: the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn an_endless_loop_before_the_run_refuses_it() {
    for export in ["describe", "check", "count"] {
        attack(Component::new().with(export, "(loop $again (br $again))"))
            .under("limits.deadline_seconds", 1)
            .gets_refused()
            .saying("the limit `limits.deadline_seconds` is 1")
            .and_the_host_works_on();
    }
}

#[test]
fn the_deadline_counts_the_time_in_the_database() {
    attack(Component::migrating(writes() + &sql(ENDLESS_QUERY)))
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn the_deadline_holds_for_a_cursor_whatever_was_called_before_it_is_read() {
    let body = writes()
        + &must(&format!("$query {{{{{ENDLESS_QUERY}}}}}"))
        + "(local.set $handle (call $value))"
        + &must("$savepoint")
        + &must("$next (local.get $handle)");
    attack(Component::migrating(body))
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn an_error_that_is_ignored_does_not_outlive_the_deadline() {
    let body = format!("(loop $again (drop (call $sql {{{{{ENDLESS_QUERY}}}}})) (br $again))");
    attack(Component::migrating(writes() + &body))
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn endless_recursion_ends_with_the_stack() {
    attack(
        Component::migrating(writes() + "(call $deeper)").defining("(func $deeper (call $deeper))"),
    )
    .fails()
    .saying("the component's calls are nested too deep: the limit `limits.stack_kib` is 512")
    .saying("deeper")
    .and_the_host_works_on();
}

#[test]
fn memory_grows_up_to_the_limit() {
    let grow = "(loop $again (drop (memory.grow (i32.const 16))) (br $again))";
    attack(Component::migrating(writes() + grow))
        .under("limits.memory_mib", 32)
        .fails()
        .saying("MiB of memory: the limit `limits.memory_mib` is 32")
        .and_the_host_works_on();
}

#[test]
fn a_component_that_begins_with_too_much_memory_is_refused() {
    attack(Component::new().with_memory(1 << 30))
        .gets_refused()
        .saying("the component asks for 1024 MiB of memory: the limit `limits.memory_mib` is 256")
        .and_the_host_works_on();
}

#[test]
fn tables_count_as_memory() {
    let grow =
        "(loop $again (drop (table.grow $t (ref.null func) (i32.const 100000))) (br $again))";
    attack(Component::migrating(writes() + grow).defining("(table $t 1 funcref)"))
        .under("limits.memory_mib", 32)
        .fails()
        .saying("the limit `limits.memory_mib` is 32")
        .and_the_host_works_on();
    attack(Component::new().defining("(table 9000000 funcref)"))
        .under("limits.memory_mib", 32)
        .gets_refused()
        .saying("the limit `limits.memory_mib` is 32");
}

#[test]
fn memories_of_many_instances_are_added_up() {
    attack_with_file(&crowd(8, "(memory 100)"))
        .under("limits.memory_mib", 32)
        .gets_refused()
        .saying("the limit `limits.memory_mib` is 32")
        .and_the_host_works_on();
}

#[test]
fn there_is_an_end_to_memories_tables_and_instances() {
    for (fields, cause) in [
        ("(memory 0)", "memory count too high"),
        ("(table 0 funcref)", "table count too high"),
        ("", "instance count too high"),
    ] {
        attack_with_file(&crowd(100, fields))
            .gets_refused()
            .saying(cause);
    }
}

#[test]
fn memories_of_one_module_are_added_up() {
    attack_with_file(&crowd(1, "(memory 300) (memory 300)"))
        .under("limits.memory_mib", 32)
        .gets_refused()
        .saying("the limit `limits.memory_mib` is 32")
        .and_the_host_works_on();
}

#[test]
fn a_flood_of_lines_ends() {
    attack(Component::migrating(
        writes()
            + "(loop $again (call $output (i32.const 1) {{all work and no play}}) (br $again))",
    ))
    .under("limits.output_lines", 100)
    .fails()
    .saying("the step writes too much output: the limit `limits.output_lines` is 100")
    .and_the_host_works_on();
}

#[test]
fn a_flood_of_line_breaks_in_one_text_ends() {
    let body = "(memory.fill (i32.const 65536) (i32.const 10) (i32.const 65536))
         (call $output (i32.const 0) (i32.const 65536) (i32.const 65536))";
    attack(Component::migrating(writes() + body).with_memory(256 << 10))
        .fails()
        .saying("the limit `limits.output_lines` is 10000")
        .and_the_host_works_on();
}

#[test]
fn a_flood_of_bytes_ends() {
    let long = "long ".repeat(1_000);
    let body = format!("(loop $again (call $output (i32.const 0) {{{{{long}}}}}) (br $again))");
    let place = attack(Component::migrating(writes() + &body))
        .under("limits.output_bytes", 100_000)
        .fails()
        .saying("the step writes too much output: the limit `limits.output_bytes` is 100000")
        .and_the_host_works_on();
    let kept = place.one::<i64>("SELECT sum(length(line)) FROM wasmigrate_output");
    assert_eq!(kept, 100_000);
}

#[test]
fn one_giant_line_is_cut_and_says_so() {
    let body = "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 1048576))
         (call $output (i32.const 1) (i32.const 65536) (i32.const 1048576))";
    let repelled = attack(Component::migrating(body).with_memory(2 << 20))
        .succeeds()
        .saying("xxx … (1040384 bytes cut)");
    assert!(repelled.said.stdout.len() < 10_000);
}

#[test]
fn a_flood_of_progress_is_thinned_out() {
    let body = "(loop $again
         (local.set $i (i32.add (local.get $i) (i32.const 1)))
         (call $progress (i64.extend_i32_u (local.get $i)) (i32.const 0) (i64.const 0))
         (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000))))";
    let repelled = attack(Component::migrating(body)).succeeds();
    assert!(repelled.said.stdout.len() < 10_000);
    assert_eq!(
        repelled
            .place
            .one::<i64>("SELECT rows_done FROM wasmigrate_step"),
        1_000_000
    );
}

#[test]
fn a_million_cursors_are_too_many() {
    let body = writes() + &a_million_times(&must("$query {{SELECT * FROM account}}"));
    attack(Component::migrating(body))
        .fails()
        .saying("the limit `limits.cursors` is 16")
        .saying("SELECT * FROM account")
        .and_the_host_works_on();
}

#[test]
fn refusals_without_end_do_no_harm() {
    let body = times(100_000, "(drop (call $query {{SELECT * FROM account}}))");
    attack(Component::migrating(body)).succeeds();
}

#[test]
fn a_million_savepoints_are_too_many() {
    let body = writes() + &a_million_times(&must("$savepoint"));
    attack(Component::migrating(body))
        .fails()
        .saying("the limit `limits.savepoints` is 64")
        .and_the_host_works_on();
}

#[test]
fn handles_have_a_limit_of_their_own() {
    let body = writes() + &a_million_times(&must("$query {{SELECT * FROM account}}"));
    attack(Component::migrating(body))
        .under("limits.cursors", 1_000_000)
        .under("limits.handles", 100)
        .fails()
        .saying("the limit `limits.handles` is 100")
        .saying("statement: SELECT * FROM account")
        .and_the_host_works_on();
}

#[test]
fn a_gibibyte_of_text_is_not_copied() {
    let gibibyte = "(i32.const 4096) (i32.const 1073741824)";
    for call in [
        format!("(call $output (i32.const 1) {gibibyte})"),
        must(&format!("$sql {gibibyte}")),
    ] {
        attack(Component::migrating(writes() + &call).with_memory((1 << 30) + (1 << 20)))
            .under("limits.memory_mib", 2_048)
            .fails()
            .saying("one call passes too much data to the host: the limit `limits.call_mib` is 16")
            .and_the_host_works_on();
    }
}

#[test]
fn a_huge_list_is_not_copied() {
    // Forty million parameters, each of them null.
    let body =
        "(call $execute {{SELECT 1}} (i32.const 4096) (i32.const 40000000) (i32.const 1024))";
    attack(Component::migrating(writes() + body).with_memory(1 << 30))
        .under("limits.memory_mib", 2_048)
        .fails()
        .saying("the limit `limits.call_mib` is 16")
        .and_the_host_works_on();
}

#[test]
fn a_giant_value_is_not_built_in_sql() {
    let in_sqlite = [
        "INSERT INTO audit VALUES (zeroblob(1000000000))",
        "INSERT INTO audit VALUES (printf('%.*c', 1000000000, 'x'))",
        "INSERT INTO audit VALUES (hex(randomblob(50000000)))",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
         INSERT INTO audit SELECT group_concat(hex(randomblob(1000)), '') FROM n",
    ];
    // What a server builds is its own affair, until the host would have to take it.
    let on_a_server = [
        "INSERT INTO audit VALUES (repeat('x', 100000000)) RETURNING note",
        "INSERT INTO audit SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 100000) RETURNING *",
        "INSERT INTO audit VALUES (repeat('x', 40000000)) RETURNING note, note",
    ];
    for (in_sqlite, on_a_server) in in_sqlite.iter().zip(on_a_server.iter().cycle()) {
        let statement = Place::in_sql_of(in_sqlite, on_a_server);
        for call in ["$sql", "$query_rows"] {
            attack(Component::migrating(
                writes() + &must(&format!("{call} {{{{{statement}}}}}")),
            ))
            .fails()
            .saying("the limit `limits.value_bytes` is 67108864")
            .saying("INSERT INTO audit")
            .and_the_host_works_on();
        }
    }
}

#[test]
fn a_small_result_stays_small() {
    let numbers =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
    for (select, limit) in [
        ("SELECT i FROM n", "`limits.query_rows` is 10000"),
        (
            Place::in_sql_of(
                "SELECT zeroblob(1000000) FROM n",
                "SELECT repeat('x', 1000000) FROM n",
            ),
            "`limits.query_bytes` is 8388608",
        ),
    ] {
        attack(Component::migrating(
            writes() + &must(&format!("$query_rows {{{{{numbers} {select}}}}}")),
        ))
        .fails()
        .saying(limit)
        .and_the_host_works_on();
    }
}

fn a_million_times(body: &str) -> String {
    times(1_000_000, body)
}

fn times(count: usize, body: &str) -> String {
    format!(
        "(loop $again {body}
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {count}))))"
    )
}

/// A benign component that holds a component with many instances of a core module.
fn crowd(instances: usize, fields: &str) -> Vec<u8> {
    let crowd = wat::parse_str(format!(
        "(component (core module $m {fields}) {})",
        "(core instance (instantiate $m))".repeat(instances)
    ))
    .unwrap();
    let mut component = Component::new().build();
    // A section with one component, and one that instantiates it without arguments:
    // https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
    component.push(4);
    leb128(crowd.len(), &mut component);
    component.extend(crowd);
    component.extend([5, 4, 1, 0, 0, 0]);
    component
}

fn leb128(mut number: usize, bytes: &mut Vec<u8>) {
    while number >= 128 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
}

/// A section of the binary format: <https://webassembly.github.io/spec/core/binary/modules.html#sections>
fn section(number: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![number];
    let mut length = content.len();
    while length >= 128 {
        section.push((length % 128) as u8 | 128);
        length /= 128;
    }
    section.push(length as u8);
    section.extend_from_slice(content);
    section
}

/// A component of nested components, each of which instantiates the one inside ten times; or the one before it, where they lie
/// beside each other.
fn instances(levels: usize, is_nested: bool) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    let mut inner = HEAD.to_vec();
    inner.extend(section(1, b"\0asm\x01\0\0\0"));
    inner.extend(section(2, &[1, 0, 0, 0]));
    if is_nested {
        for _ in 0..levels {
            let mut outer = HEAD.to_vec();
            outer.extend(section(4, &inner));
            outer.extend(section(
                5,
                &[[10].as_slice(), &[0, 0, 0].repeat(10)].concat(),
            ));
            inner = outer;
        }
        return inner;
    }
    let mut root = HEAD.to_vec();
    root.extend(section(4, &inner));
    for level in 0..levels {
        let mut next = HEAD.to_vec();
        // An alias of the component outside that was made last.
        next.extend(section(6, &[1, 4, 2, 1, level as u8]));
        next.extend(section(
            5,
            &[[10].as_slice(), &[0, 0, 0].repeat(10)].concat(),
        ));
        root.extend(section(4, &next));
    }
    root.extend(section(5, &[1, 0, levels as u8, 0]));
    root
}

#[test]
fn a_few_bytes_that_would_be_instantiated_a_million_times_are_not_compiled() {
    for is_nested in [true, false] {
        let place = Place::new();
        place.write_step("0001_bomb.wasm", &instances(8, is_nested));
        let began = std::time::Instant::now();
        place
            .run(&["migrate"])
            .and_says("it comes to more than 10000 instances of components and modules");
        let step = place.step("0001_bomb.wasm");
        place
            .run(&["inspect", step.to_str().unwrap()])
            .and_says("would take too much to compile");
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
        // What is smaller is compiled, and found to be no step.
        let place = Place::new();
        place.write_step("0001_small.wasm", &instances(2, is_nested));
        place
            .run(&["migrate"])
            .and_says("it does not fit the contract");
    }
}
