//! The function of `shout`, with an answer for every row.

use wasmigrate_sdk::transform::*;

struct Shout;

impl Transform for Shout {
    const SUMMARY: &'static str = "writes words in capitals, whatever they are";

    fn table() -> Table {
        Table::new("word")
            .input("text")
            .derives(Derived::new("shout", "TEXT").not_null())
    }

    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let text = row.get::<&str>("text")?;
        derived.push(&[ValueRef::Text(&format!("{}!", text.to_uppercase()))])
    }
}
wasmigrate_sdk::export_transform!(Shout);
