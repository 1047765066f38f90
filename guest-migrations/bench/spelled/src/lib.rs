//! A function that says null for some rows.

use wasmigrate_sdk::transform::*;

struct Spelled;

impl Transform for Spelled {
    const SUMMARY: &'static str = "spells words, but for the empty ones";

    fn table() -> Table {
        Table::new("word")
            .input("text")
            .derives(Derived::new("spelled", "TEXT").replaces("text"))
    }

    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let letters: Vec<String> = row.get::<&str>("text")?.chars().map(String::from).collect();
        let spelled = letters.join("-");
        derived.push(&[match letters.is_empty() {
            true => ValueRef::Null,
            false => ValueRef::Text(&spelled),
        }])
    }
}
wasmigrate_sdk::export_transform!(Spelled);
