//! Components as other languages and their toolchains make them.

use crate::place::Place;

use crate::hostile::component::{Component, must, sql};
use crate::hostile::{attack, attack_with_file};

/// Two components, each with a memory of its own, of which one calls the other with a text: wasmtime makes an adapter
/// between their memories.
const COMPOSED: &str = r#"(component
  (component $inner
    (core module $module
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      (func (export "length") (param i32 i32) (result i32) (local.get 1)))
    (core instance $instance (instantiate $module))
    (func (export "length") (param "text" string) (result u32)
      (canon lift (core func $instance "length") (memory (core memory $instance "memory")) (realloc (core func $instance "realloc")))))
  (component $outer
    (import "length" (func $length (param "text" string) (result u32)))
    (core module $memory (memory (export "memory") 1))
    (core instance $memory (instantiate $memory))
    (core func $lowered (canon lower (func $length) (memory (core memory $memory "memory"))))
    (core module $module
      (import "" "length" (func $length (param i32 i32) (result i32)))
      (func (export "run") (result i32) (return_call $length (i32.const 8) (i32.const 5))))
    (core instance $instance
      (instantiate $module (with "" (instance (export "length" (func $lowered))))))
    (func (export "run") (result u32) (canon lift (core func $instance "run"))))
  (instance $inner (instantiate $inner))
  (instance $outer (instantiate $outer (with "length" (func $inner "length")))))"#;

/// Adds a component to a step: it is instantiated with it.
fn composed(step: &[u8]) -> Vec<u8> {
    const COMPONENT_SECTION: u8 = 4;
    const INSTANCE_SECTION: u8 = 5;
    let nested = wat::parse_str(COMPOSED).unwrap();
    let components = sections(step)
        .iter()
        .filter(|id| **id == COMPONENT_SECTION)
        .count();
    let mut bytes = step.to_vec();
    bytes.push(COMPONENT_SECTION);
    bytes.extend(leb(nested.len()));
    bytes.extend(nested);
    // One instance of the component with this number, without arguments.
    let instance = [1, 0, u8::try_from(components).unwrap(), 0];
    bytes.extend([INSTANCE_SECTION, 4]);
    bytes.extend(instance);
    bytes
}

/// The numbers of a component's sections.
fn sections(component: &[u8]) -> Vec<u8> {
    let mut ids = Vec::new();
    let mut rest = &component[8..];
    while let Some((id, tail)) = rest.split_first() {
        ids.push(*id);
        let (mut length, mut shift, mut used) = (0, 0, 0);
        for byte in tail {
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = &tail[used + length..];
    }
    ids
}

/// A length as WebAssembly writes it: <https://en.wikipedia.org/wiki/LEB128>
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

#[test]
fn a_component_made_of_components_runs() {
    let step = Component::migrating(sql("INSERT INTO audit VALUES ('ran')"));
    let place = attack_with_file(&composed(&step.build())).succeeds().place;
    assert_eq!(place.texts("SELECT note FROM audit"), ["ran"]);
}

#[test]
fn a_numbered_parameter_takes_the_value_of_its_number() {
    let place = attack(Component::migrating(must(
        "$sql_with_two {{INSERT INTO account (balance, id, owner) VALUES ($2, $1, 'Mallory')}} (i64.const 7) (i64.const 900)",
    )
    + &must(
        "$sql_with_two {{UPDATE account SET balance = balance + $2 WHERE id = $1 AND $2 < 10 AND id = $1}} (i64.const 1) (i64.const 5)",
    )))
    .succeeds()
    .place;
    assert_eq!(
        place.one::<i64>("SELECT balance FROM account WHERE id = 7"),
        900
    );
    assert_eq!(
        place.one::<i64>("SELECT balance FROM account WHERE id = 1"),
        105
    );
}

mod sqlite {
    use super::*;

    #[test]
    fn parameters_that_leave_a_gap_or_are_mixed_are_refused() {
        for (values, words) in [
            ("($1, 'a', $3)", "the parameter `$3` is none of $1 to $2"),
            ("($1, 'a', ?)", "mixes parameters such as $1 with others"),
            (
                "($one, 'a', $2)",
                "the parameter `$one` is none of $1 to $2",
            ),
        ] {
            attack(Component::migrating(must(&format!(
                "$sql_with_two {{{{INSERT INTO account VALUES {values}}}}} (i64.const 7) (i64.const 900)"
            ))))
            .fails()
            .saying(words)
            .and_the_host_works_on();
        }
    }
}

/// Notes the form of the first column of two batches of ten rows.
fn noting_forms(query: &str) -> String {
    let note = "(if (call $next (local.get $handle)) (then (return (call $give_up))))
        (if (call $sql_with {{INSERT INTO audit VALUES ($1)}}
              (i64.load8_u (i32.add (i32.const 8) (i32.load (i32.const 1036)))))
          (then (return (call $give_up))))";
    format!(
        "(if (call $query {{{{{query}}}}}) (then (return (call $give_up))))
         (local.set $handle (call $value)) {note} {note}
         (call $drop_cursor (local.get $handle))"
    )
}

#[test]
fn a_column_has_the_same_form_in_all_batches() {
    const TEXTS: &str = "3";
    const FLOATS: &str = "2";
    const BYTES: &str = "4";
    let bytes = Place::in_sql_of("BLOB", "BYTEA");
    let byte = Place::in_sql_of("x'00'", "'\\x00'::bytea");
    let types = [
        ("TEXT", "'a'", TEXTS),
        ("DOUBLE PRECISION", "0.5", FLOATS),
        (bytes, byte, BYTES),
    ];
    for (type_name, value, form) in types {
        // Nothing but nulls in the first batch, or in the second.
        for order in ["i", "-i"] {
            let body = sql(&format!(
                "CREATE TABLE sparse (i INTEGER, cell {type_name})"
            )) + &sql(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
                     INSERT INTO sparse SELECT i, CASE WHEN i > 10 THEN {value} END FROM n"
            )) + &noting_forms(&format!("SELECT cell FROM sparse ORDER BY {order}"));
            let place = attack(Component::migrating(body)).succeeds().place;
            let forms = place.texts("SELECT note FROM audit");
            assert_eq!(forms, [form, form], "{type_name}, ORDER BY {order}");
        }
    }
}

const STANDARD_ERROR: &str = "package wasi:cli@0.2.0;
    interface stderr {
        use wasi:io/streams@0.2.0.{output-stream};
        get-stderr: func() -> output-stream;
    }";

const STREAMS: &str = "package wasi:io@0.2.0;
    interface error { resource error; }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }";

#[test]
fn a_trap_is_told_with_what_was_written_before() {
    let writing =
        |text: &str| format!("(call $write (call $get_stderr) {{{{{text}}}}} (i32.const 1024))");
    let body =
        writing("Traceback (most recent call last):\n  File \"step.py\", line 7, in parse\n")
            + &writing("ValueError: not a number: '12,5'")
            + "unreachable";
    let component = Component::migrating(body)
        .importing(
            STREAMS,
            "(import \"wasi:io/streams@0.2.0\" \"[method]output-stream.blocking-write-and-flush\" (func $write (param i32 i32 i32 i32)))",
        )
        .importing(
            STANDARD_ERROR,
            "(import \"wasi:cli/stderr@0.2.0\" \"get-stderr\" (func $get_stderr (result i32)))",
        );
    let failed = attack(component)
        .fails()
        .saying("the component trapped")
        .saying("the last that it wrote is: ValueError: not a number: '12,5'")
        .saying("File \"step.py\", line 7, in parse");
    let place = failed.place;
    let history = place.run(&["history", "--json"]).ends_with(0).json();
    assert_eq!(
        history[0]["error"]["last_lines"][2], "ValueError: not a number: '12,5'",
        "{history}"
    );
}
