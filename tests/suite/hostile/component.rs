//! Components written by hand: core WebAssembly text, wrapped into a component by the contract itself.
//!
//! A case writes the body of one export; all others are benign. Bodies see every import of the contract as a function
//! that takes care of the result area and returns 0 when the host did as told (`$sql`, `$query` …). In a body, `{{text}}`
//! stands for the address and length of that text.

use std::collections::BTreeMap;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of the world `step`, with some of its exports replaced.
#[derive(Default)]
pub struct Component {
    bodies: BTreeMap<&'static str, String>,
    definitions: Vec<String>,
    data: Data,
    packages: Vec<&'static str>,
    pages: usize,
    phases: Option<Phases>,
}

/// What a component of 0.2 of the contract says.
#[derive(Clone, Copy)]
pub struct Phases {
    pub finalize: bool,
    pub reset: bool,
}

/// The exports, the parameters of their core functions, and where the answer lies that is given at the end of a body:
/// a description without words, or zeroes, which mean `ok` and `none`.
const EXPORTS: [(&str, &str, usize); 6] = [
    ("describe", "", 768),
    ("check", "", 512),
    ("count", "", 512),
    ("migrate", "(param i32 i32 i32)", 512),
    ("finalize", "", 512),
    ("reset", "", 512),
];

/// Where constant data begins. Below lie 512 zeroes, 1024 results of the host, 2048 a failure that is returned.
const DATA: usize = 4096;

/// A page of memory.
const PAGE: usize = 64 << 10;

impl Component {
    /// A component that does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A component whose `migrate` has this body.
    pub fn migrating(body: impl Into<String>) -> Self {
        Self::new().with("migrate", body)
    }

    /// Replaces the body of an export. A body that comes to its end says that all went well.
    pub fn with(mut self, export: &'static str, body: impl Into<String>) -> Self {
        self.bodies.insert(export, body.into());
        self
    }

    /// The body that was given to an export.
    pub fn body(&self, export: &str) -> String {
        self.bodies.get(export).cloned().unwrap_or_default()
    }

    /// Adds fields to the core module.
    pub fn defining(mut self, fields: &str) -> Self {
        self.definitions.push(fields.to_owned());
        self
    }

    /// Imports more than the contract has: the text of a WIT package, and fields that import from it.
    pub fn importing(mut self, package: &'static str, fields: &str) -> Self {
        self.packages.push(package);
        self.defining(fields)
    }

    /// Asks for this much memory from the start.
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.pages = bytes / PAGE;
        self
    }

    /// Says which phases it has, as 0.2 of the contract lets it.
    pub fn with_phases(mut self, phases: Phases) -> Self {
        self.phases = Some(phases);
        self
    }

    /// Puts bytes into the memory and returns their address.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        self.data.put(bytes)
    }

    /// The component's bytes.
    pub fn build(mut self) -> Vec<u8> {
        let text = self.core_text();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (first, _) = resolve.push_dir(&contract).unwrap();
        let (second, _) = resolve.push_dir(contract.join("0.2")).unwrap();
        let step = match self.phases {
            Some(_) => "wasmigrate:migration/step@0.2.0",
            None => "wasmigrate:migration/step@0.1.0",
        };
        let mut world = resolve.select_world(&[first, second], Some(step)).unwrap();
        if !self.packages.is_empty() {
            // A world of its own, which has the step's and the foreign imports.
            let mut includes = format!("include {step};");
            for package in &self.packages {
                let id = resolve.push_str("foreign.wit", package).unwrap();
                let package = &resolve.packages[id];
                for name in package.interfaces.keys() {
                    let interface = package.name.interface_id(name);
                    includes.push_str(&format!(" import {interface};"));
                }
            }
            let text = format!("package test:hostile; world hostile {{ {includes} }}");
            let hostile = resolve.push_str("hostile.wit", &text).unwrap();
            world = resolve.select_world(&[hostile], Some("hostile")).unwrap();
        }
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.encode())
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    }

    fn core_text(&mut self) -> String {
        let mut text = String::from("(module\n");
        let fields = self.definitions.join("\n");
        // Imports must come first.
        let (imports, definitions): (Vec<&str>, Vec<&str>) = fields
            .lines()
            .partition(|line| line.trim_start().starts_with("(import"));
        text.push_str(&imports.join("\n"));
        text.push_str(&IMPORTS.replace("DATABASE", "wasmigrate:migration/database@0.1.0"));
        text.push_str(HELPERS);
        text.push_str(&self.data.resolve(&definitions.join("\n")));
        for (name, parameters, answer) in EXPORTS {
            let body = self.bodies.get(name).map_or("", String::as_str);
            let body = self.data.resolve(body);
            text.push_str(&format!(
                "\n(func ${name} (export \"{name}\") {parameters} (result i32) (local $i i32) (local $handle i32)\n\
                 {body}\n(i32.const {answer}))"
            ));
        }
        if let Some(Phases { finalize, reset }) = self.phases {
            for (name, has_it) in [("has-finalize", finalize), ("has-reset", reset)] {
                let answer = i32::from(has_it);
                text.push_str(&format!(
                    "\n(func (export \"{name}\") (result i32) (i32.const {answer}))"
                ));
            }
        }
        let end = DATA + self.data.bytes.len();
        text.push_str(&format!(
            "\n(memory (export \"memory\") {})\n(global $heap (mut i32) (i32.const {}))\n(data (i32.const {DATA}) \"{}\"))",
            self.pages.max(end / PAGE + 1),
            end.next_multiple_of(16),
            self.data
                .bytes
                .iter()
                .map(|byte| format!("\\{byte:02x}"))
                .collect::<String>(),
        ));
        text
    }
}

/// A call that must succeed; when the host says no, the step gives up with the host's error as the cause.
pub fn must(call: &str) -> String {
    format!("(if (call {call}) (then (return (call $give_up))))\n")
}

/// One statement that must succeed.
pub fn sql(statement: &str) -> String {
    must(&format!("$sql {{{{{statement}}}}}"))
}

/// A call that the host must refuse; the step goes on as if nothing had happened, and fails if it was not refused.
pub fn swallow(call: &str) -> String {
    format!(
        "(if (i32.eqz (call {call})) (then (return (call $fail {{{{was not refused}}}} (i32.const 0)))))\n"
    )
}

/// What a hostile step has changed before it shows its face.
pub fn writes() -> String {
    sql("UPDATE account SET balance = 0") + &sql("CREATE TABLE loot (amount INTEGER)")
}

#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
}

impl Data {
    fn put(&mut self, bytes: &[u8]) -> usize {
        let address = DATA + self.bytes.len().next_multiple_of(8);
        self.bytes.resize(address - DATA, 0);
        self.bytes.extend_from_slice(bytes);
        address
    }

    /// Replaces each `{{text}}` by its address and length.
    fn resolve(&mut self, body: &str) -> String {
        let mut resolved = String::new();
        let mut rest = body;
        while let Some((before, after)) = rest.split_once("{{") {
            let (text, after) = after.split_once("}}").unwrap();
            let address = self.put(text.as_bytes());
            resolved.push_str(before);
            resolved.push_str(&format!("(i32.const {address}) (i32.const {})", text.len()));
            rest = after;
        }
        resolved + rest
    }
}

const IMPORTS: &str = r#"
(import "DATABASE" "execute" (func $execute (param i32 i32 i32 i32 i32)))
(import "DATABASE" "execute-many" (func $execute_many (param i32 i32 i32 i32 i32 i32)))
(import "DATABASE" "load" (func $load_rows (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "DATABASE" "query-rows" (func $query_small (param i32 i32 i32 i32 i32)))
(import "DATABASE" "query" (func $query_open (param i32 i32 i32 i32 i32)))
(import "DATABASE" "[method]cursor.next" (func $cursor_next (param i32 i32 i32)))
(import "DATABASE" "[resource-drop]cursor" (func $drop_cursor (param i32)))
(import "DATABASE" "[static]savepoint.open" (func $savepoint_open (param i32)))
(import "DATABASE" "[static]savepoint.release" (func $savepoint_release (param i32 i32)))
(import "DATABASE" "[resource-drop]savepoint" (func $drop_savepoint (param i32)))
(import "wasmigrate:migration/report@0.1.0" "output" (func $output (param i32 i32 i32)))
(import "wasmigrate:migration/report@0.1.0" "progress" (func $progress (param i64 i32 i64)))
(import "wasmigrate:migration/report@0.1.0" "checkpoint" (func $report_checkpoint (param i32 i32 i32)))
"#;

/// Every result of the host lies at 1024: one byte that is 0 for success, and at 1032 the value or the error.
const HELPERS: &str = r#"
(func $refused (result i32) (i32.load8_u (i32.const 1024)))
(func $value (result i32) (i32.load (i32.const 1032)))
(func $sql (param $text i32) (param $length i32) (result i32)
  (call $execute (local.get $text) (local.get $length) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $refused))
;; One statement with one whole number as its parameter.
(func $sql_with (param $text i32) (param $length i32) (param $number i64) (result i32)
  (i32.store8 (i32.const 3072) (i32.const 2))
  (i64.store (i32.const 3080) (local.get $number))
  (call $execute (local.get $text) (local.get $length) (i32.const 3072) (i32.const 1) (i32.const 1024))
  (call $refused))
;; One statement with two whole numbers as its parameters.
(func $sql_with_two (param $text i32) (param $length i32) (param $first i64) (param $second i64) (result i32)
  (i32.store8 (i32.const 3072) (i32.const 2))
  (i64.store (i32.const 3080) (local.get $first))
  (i32.store8 (i32.const 3096) (i32.const 2))
  (i64.store (i32.const 3104) (local.get $second))
  (call $execute (local.get $text) (local.get $length) (i32.const 3072) (i32.const 2) (i32.const 1024))
  (call $refused))
(func $many (param $text i32) (param $length i32) (param $rows i32) (param $columns i32) (param $count i32) (result i32)
  (call $execute_many (local.get $text) (local.get $length) (local.get $rows) (local.get $columns) (local.get $count)
    (i32.const 1024))
  (call $refused))
;; Loads a batch of one column.
(func $load (param $table i32) (param $length i32) (param $names i32) (param $rows i32) (param $column i32) (result i32)
  (call $load_rows (local.get $table) (local.get $length) (local.get $names) (i32.const 1) (local.get $rows)
    (local.get $column) (i32.const 1) (i32.const 1024))
  (call $refused))
(func $query_rows (param $text i32) (param $length i32) (result i32)
  (call $query_small (local.get $text) (local.get $length) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $refused))
(func $query (param $text i32) (param $length i32) (result i32)
  (call $query_open (local.get $text) (local.get $length) (i32.const 0) (i32.const 0) (i32.const 1024))
  (call $refused))
(func $next (param $cursor i32) (result i32)
  (call $cursor_next (local.get $cursor) (i32.const 10) (i32.const 1024))
  (call $refused))
(func $savepoint (result i32)
  (call $savepoint_open (i32.const 1024))
  (call $refused))
(func $release (param $savepoint i32) (result i32)
  (call $savepoint_release (local.get $savepoint) (i32.const 1024))
  (call $refused))
(func $checkpoint (result i32)
  (call $report_checkpoint (i32.const 512) (i32.const 1) (i32.const 1024))
  (call $refused))
;; A failure in the step's own words, without a cause.
(func $fail (param $text i32) (param $length i32) (param $retryable i32) (result i32)
  (memory.fill (i32.const 2048) (i32.const 0) (i32.const 256))
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2056) (local.get $text))
  (i32.store (i32.const 2060) (local.get $length))
  (i32.store8 (i32.const 2064) (local.get $retryable))
  (i32.const 2048))
;; A failure whose cause is the host's error.
(func $give_up (result i32)
  (drop (call $fail (i32.const 3900) (i32.const 7) (i32.const 0)))
  (i32.store8 (i32.const 2072) (i32.const 1))
  (memory.copy (i32.const 2080) (i32.const 1032) (i32.const 96))
  (i32.const 2048))
(data (i32.const 776) "\01")
(data (i32.const 3900) "gave up")
(func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $address i32)
  (local.set $address
    (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $address) (local.get $size)))
  (block $fits
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.eq (i32.const -1)
          (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
      (then unreachable)))
  (memory.copy (local.get $address) (local.get $old) (local.get $old_size))
  (local.get $address))
"#;
