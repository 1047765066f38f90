//! Small files that would take hours or gigabytes to compile.

use std::fs;
use std::time::{Duration, Instant};

use crate::hostile::cancel::{SOON, send};
use crate::hostile::component::Component;
use crate::hostile::{Attack, attack_with_file};
use crate::hosts::host::until;
use crate::place::Place;

/// A component whose one function has loops within loops, and variables that change in the innermost: what the compiler keeps
/// of them is the product of the two.
fn nested_loops(loops: usize, variables: usize) -> Vec<u8> {
    let locals = "i32 ".repeat(variables);
    let changes: String = (0..variables)
        .map(|local| {
            let local = local + 1;
            format!("(local.set {local} (i32.add (local.get {local}) (local.get 0)))")
        })
        .collect();
    let begins = "loop ".repeat(loops);
    let ends = "(br_if 0 (local.get 0)) end ".repeat(loops);
    let text = format!(
        "(component (core module (func (param i32) (local {locals}) {begins} {changes} {ends})))"
    );
    wat::parse_str(text).unwrap()
}

/// Some 50 KB.
fn endless() -> Vec<u8> {
    nested_loops(3_000, 3_000)
}

#[test]
fn a_small_file_that_takes_hours_to_compile_is_refused() {
    let place = attack_with_file(&endless())
        .under("limits.compile_seconds", 2)
        .gets_refused()
        .saying("the file takes too long to compile: the limit `limits.compile_seconds` is 2")
        .and_the_host_works_on();
    // Whoever looks at it before it runs is no better off.
    fs::write(place.path().join("hostile.wasm"), endless()).unwrap();
    place
        .with_variable("WASMIGRATE_LIMITS_COMPILE_SECONDS", "2")
        .run(&["inspect", "hostile.wasm"])
        .ends_with(2)
        .and_says("the limit `limits.compile_seconds` is 2");
}

#[test]
fn a_small_file_that_takes_gigabytes_to_compile_is_refused() {
    attack_with_file(&endless())
        .under("limits.compile_mib", 128)
        .gets_refused()
        .saying("the file takes too much memory to compile: the limit `limits.compile_mib` is 128")
        .and_the_host_works_on();
}

#[test]
fn many_files_of_all_shapes_are_compiled_or_refused() {
    let module = |fields: &str| {
        let text = format!("(component (core module {fields}))");
        wat::parse_str(text).unwrap()
    };
    let repeat = |text: &str, times: usize| text.repeat(times);
    for file in [
        module(&repeat("(func)", 5_000)),
        module(&repeat("(type (func (param i32 i64 f32 f64)))", 10_000)),
        module(&format!(
            "(func (param i32) (block (br_table {}0 (local.get 0))))",
            repeat("0 ", 20_000)
        )),
        module(&format!(
            "(func {}{})",
            repeat("block ", 5_000),
            repeat("end ", 5_000)
        )),
        module(&format!("(func (local {}))", repeat("i32 ", 5_000))),
        module(&repeat("(global i32 (i32.const 0))", 10_000)),
        wat::parse_str(format!(
            "(component {} {})",
            repeat("(component", 90),
            repeat(")", 90)
        ))
        .unwrap(),
    ] {
        attack_with_file(&file)
            .under("limits.compile_mib", 512)
            .under("limits.compile_seconds", 60)
            .gets_refused();
    }
}

/// A host that compiles for long.
fn compiling() -> (Place, std::process::Child, String) {
    let Attack { place } = attack_with_file(&endless());
    let host = place.start(&["migrate"]);
    let children = format!("/proc/{0}/task", host.id());
    let mut compiler = None;
    until("it compiles", || {
        compiler = fs::read_dir(&children).unwrap().find_map(|thread| {
            let children = fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
            children.split_whitespace().next().map(str::to_owned)
        });
        compiler.is_some()
    });
    (place, host, compiler.unwrap())
}

fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn compiling_is_cancelled_at_once() {
    let (_place, mut host, compiler) = compiling();
    let sent = Instant::now();
    send("-INT", &host);
    while host.try_wait().unwrap().is_none() {
        assert!(sent.elapsed() < SOON, "it goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_alive(&compiler));
}

#[test]
fn the_compiler_knows_no_secrets_and_ends_with_the_host() {
    let (_place, mut host, compiler) = compiling();
    until("it is another program than the host", || {
        let arguments = fs::read(format!("/proc/{compiler}/cmdline")).unwrap();
        String::from_utf8_lossy(&arguments).contains("compile-component")
    });
    let variables = fs::read(format!("/proc/{compiler}/environ")).unwrap();
    let variables = String::from_utf8_lossy(&variables).into_owned();
    let names = variables.split_terminator('\0');
    let names: Vec<_> = names
        .filter_map(|variable| variable.split('=').next())
        .collect();
    assert_eq!(names, ["RAYON_NUM_THREADS"]);
    host.kill().unwrap();
    host.wait().unwrap();
    until("the compiler has ended, too", || !is_alive(&compiler));
}

#[test]
fn an_ordinary_component_is_compiled_in_little_memory() {
    // What it takes is far below the limit, so that the limit is nothing that people meet.
    let place = Place::new().with_own_cache();
    let place = place.with_variable("WASMIGRATE_LIMITS_COMPILE_MIB", "256");
    place.write_step("0001_benign.wasm", &Component::new().build());
    place.run(&["migrate"]).ends_with(0);
}
