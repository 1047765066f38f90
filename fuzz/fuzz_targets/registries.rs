#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wasmigrate::fuzzing::registries(bytes));
