//! Files that are no component, or no step.

use crate::hostile::component::Component;
use crate::hostile::{Attack, attack_with_file};

#[test]
fn an_empty_file_is_refused() {
    attack_with_file(b"")
        .gets_refused()
        .saying("0001_hostile, prepare: the file is empty")
        .and_the_host_works_on();
}

#[test]
fn a_truncated_file_is_refused() {
    let whole = Component::new().build();
    let parts = (1..8).map(|part| whole.len() * part / 8);
    for length in [1, 3, 4, 7, 8, 9, 16, whole.len() - 1]
        .into_iter()
        .chain(parts)
    {
        attack_with_file(&whole[..length])
            .gets_refused()
            .saying("error: 0001_hostile, prepare: ");
    }
    attack_with_file(&whole[..whole.len() / 2])
        .gets_refused()
        .saying("the file cannot be compiled")
        .and_the_host_works_on();
}

#[test]
fn random_bytes_are_refused() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect()
    };
    attack_with_file(&random(5_000))
        .gets_refused()
        .saying("the file is not WebAssembly")
        .and_the_host_works_on();
    for _ in 0..8 {
        // Behind the preamble of a component.
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend(random(5_000));
        attack_with_file(&bytes)
            .gets_refused()
            .saying("the file cannot be compiled");
    }
}

#[test]
fn bytes_that_were_changed_on_the_way_do_no_harm() {
    // Some still are a component, but the host always has an answer.
    let whole = Component::new().build();
    for part in 0..24 {
        let mut bytes = whole.clone();
        bytes[8 + (whole.len() - 8) * part / 24] ^= 0x55;
        let place = attack_with_file(&bytes).place;
        let before = place.content();
        let said = place.run(&["migrate"]);
        assert!(matches!(said.status, Some(0..=2)), "{said:#?}");
        assert_eq!(place.content(), before);
    }
}

#[test]
fn a_core_module_is_refused_with_advice() {
    attack_with_file(&wat::parse_str("(module)").unwrap())
        .gets_refused()
        .saying("the file is a core WebAssembly module, not a component")
        .saying("wasm-tools component new")
        .and_the_host_works_on();
}

#[test]
fn other_files_are_refused() {
    for bytes in [
        &b"CREATE TABLE loot (amount INTEGER);"[..],
        b"\x7fELF\x02\x01\x01\0",
        b"#!/bin/sh\ntouch loot\n",
        b"\0asm\x63\0\0\0",
    ] {
        attack_with_file(bytes)
            .gets_refused()
            .saying("error: 0001_hostile, prepare: the file ");
    }
}

#[test]
fn a_component_that_is_no_step_is_refused_with_what_it_lacks() {
    attack_with_file(&wat::parse_str("(component)").unwrap())
        .gets_refused()
        .saying("it does not fit the contract wasmigrate:migration: ")
        .saying("no export `check` found")
        .and_the_host_works_on();
}

#[test]
fn an_export_of_another_type_is_refused() {
    let text = r#"(component
        (core module $m (func (export "describe") (result i32) (i32.const 7)))
        (core instance $i (instantiate $m))
        (func (export "describe") (result u32) (canon lift (core func $i "describe"))))"#;
    attack_with_file(&wat::parse_str(text).unwrap())
        .gets_refused()
        .saying("it does not fit the contract wasmigrate:migration: ")
        .and_the_host_works_on();
}

#[test]
fn a_large_file_is_refused() {
    let mut bytes = Component::new().build();
    // A custom section of 2 MiB, named `x`: its length in LEB128, the name, and zeroes.
    bytes.extend([0, 0x80, 0x80, 0x80, 0x01, 1, b'x']);
    bytes.resize(bytes.len() + (2 << 20) - 2, 0);
    let Attack { place } = attack_with_file(&bytes);
    Attack {
        place: place.with_own_cache(),
    }
    .under("limits.component_mib", 1)
    .gets_refused()
    .saying("the file has 2 MiB: the limit `limits.component_mib` is 1")
    .and_the_host_works_on();
    attack_with_file(&bytes).succeeds();
}
