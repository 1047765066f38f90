//! Transformations written by hand, as [`super::component`] does it for steps: a description, and the body of `transform`.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of the world `transform`. Its function returns as many ones as it is given rows, in one column.
pub struct Transformation {
    pub table: String,
    pub key: Vec<String>,
    pub inputs: Vec<String>,
    /// Name and type.
    pub derived: Vec<(String, String)>,
    pub dropped: Vec<String>,
    pub filter: Option<String>,
    /// The body of `describe` before its answer.
    pub describing: String,
    /// The body of `transform` before its usual answer; the number of rows is `$rows`.
    pub body: String,
}

/// Where constant data begins. Below, at 1024, lies the answer of `transform`, and at 1056 its column.
const DATA: usize = 4096;

/// The size of a derived column in a description.
const DERIVED: usize = 32;

impl Transformation {
    /// Derives the whole number `flag` from the balance of an account.
    pub fn new() -> Self {
        Self {
            table: "account".to_owned(),
            key: Vec::new(),
            inputs: vec!["balance".to_owned()],
            derived: vec![("flag".to_owned(), "BIGINT".to_owned())],
            dropped: Vec::new(),
            filter: None,
            describing: String::new(),
            body: String::new(),
        }
    }

    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let text = self.core_text();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (contract, _) = resolve.push_dir(contract).unwrap();
        let world = resolve
            .select_world(&[contract], Some("transform"))
            .unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.encode())
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    }

    fn core_text(&self) -> String {
        let mut data = Data::default();
        let table = data.text(&self.table);
        let [key, inputs, dropped] =
            [&self.key, &self.inputs, &self.dropped].map(|names| data.texts(names));
        let mut derived = Vec::new();
        for (name, type_name) in &self.derived {
            let mut column = numbers(&[data.text(name), data.text(type_name)]);
            // Nullable, and replacing nothing.
            column.resize(DERIVED, 0);
            column[16] = 1;
            derived.extend(column);
        }
        let derived = (data.put(&derived), self.derived.len());
        let filter = self.filter.as_ref().map(|filter| data.text(filter));
        let mut description = numbers(&[(0, 0), table, key, inputs, derived, dropped]);
        description.extend([u8::from(filter.is_some()), 0, 0, 0]);
        description.extend(numbers(&[filter.unwrap_or((0, 0))]));
        let description = data.put(&description);
        let bytes: String = data.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let heap = (DATA + data.0.len()).next_multiple_of(65_536);
        format!(
            r#"(module
(memory (export "memory") {pages})
(global $heap (mut i32) (i32.const {heap}))
(data (i32.const {DATA}) "{bytes}")
(func (export "describe") (result i32) {describing} (i32.const {description}))
(func (export "transform") (param $rows i32) (param $columns i32) (param $count i32) (result i32)
  (local $i i32) (local $cells i32)
  {body}
  (local.set $cells (call $take (i32.mul (local.get $rows) (i32.const 8))))
  (block $done (loop $again
    (br_if $done (i32.ge_u (local.get $i) (local.get $rows)))
    (i64.store (i32.add (local.get $cells) (i32.mul (local.get $i) (i32.const 8))) (i64.const 1))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br $again)))
  (call $answer (local.get $rows) (i32.const 1) (local.get $rows) (i32.const 0) (local.get $cells)))
;; A batch that says it has so many rows and columns; each column has so many cells of this kind: 0 whole numbers, 1 floats,
;; 2 texts, of which all are to be found at the address of the cells.
(func $answer (param $rows i32) (param $columns i32) (param $length i32) (param $kind i32) (param $cells i32) (result i32)
  (memory.fill (i32.const 1024) (i32.const 0) (i32.const 128))
  (i32.store (i32.const 1028) (local.get $rows))
  (i32.store (i32.const 1032) (i32.const 1056))
  (i32.store (i32.const 1036) (local.get $columns))
  (call $column (i32.const 1056) (local.get $length) (local.get $kind) (local.get $cells))
  (call $column (i32.const 1084) (local.get $length) (local.get $kind) (local.get $cells))
  (i32.const 1024))
(func $column (param $at i32) (param $length i32) (param $kind i32) (param $cells i32)
  (i32.store8 offset=8 (local.get $at) (i32.add (local.get $kind) (i32.const 1)))
  (i32.store offset=12 (local.get $at) (local.get $cells))
  (i32.store offset=16 (local.get $at) (local.get $length))
  (i32.store offset=20 (local.get $at) (i32.add (local.get $cells) (i32.mul (local.get $length) (i32.const 4))))
  (i32.store offset=24 (local.get $at) (local.get $length)))
;; One rejected row, with a text as its message.
(func $reject (param $row i32) (param $text i32) (param $length i32) (result i32)
  (i32.store8 (i32.const 1024) (i32.const 1))
  (i32.store (i32.const 1028) (i32.const 1056))
  (i32.store (i32.const 1032) (i32.const 1))
  (i32.store (i32.const 1056) (local.get $row))
  (i32.store (i32.const 1060) (local.get $text))
  (i32.store (i32.const 1064) (local.get $length))
  (i32.const 1024))
(func (export "cabi_post_transform") (param i32) (global.set $heap (i32.const {heap})))
(func $take (param $size i32) (result i32) (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
(func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $address i32)
  (local.set $address (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $address) (local.get $size)))
  (block $fits
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
      (then unreachable)))
  (memory.copy (local.get $address) (local.get $old) (local.get $old_size))
  (local.get $address)))"#,
            pages = heap / 65_536 + 1,
            describing = self.describing,
            body = self.body,
        )
    }
}

#[derive(Default)]
struct Data(Vec<u8>);

impl Data {
    fn put(&mut self, bytes: &[u8]) -> usize {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = DATA + self.0.len();
        self.0.extend_from_slice(bytes);
        address
    }

    fn text(&mut self, text: &str) -> (usize, usize) {
        (self.put(text.as_bytes()), text.len())
    }

    fn texts(&mut self, texts: &[String]) -> (usize, usize) {
        let places: Vec<_> = texts.iter().map(|text| self.text(text)).collect();
        (self.put(&numbers(&places)), texts.len())
    }
}

/// Addresses and lengths as they lie in memory.
fn numbers(pairs: &[(usize, usize)]) -> Vec<u8> {
    pairs
        .iter()
        .flat_map(|(address, length)| [*address, *length])
        .flat_map(|number| u32::try_from(number).unwrap().to_le_bytes())
        .collect()
}
