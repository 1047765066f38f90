//! A function whose column has a type that the application has made.

use wasmigrate_sdk::transform::*;

struct Typed;

impl Transform for Typed {
    const SUMMARY: &'static str = "repeats words as a type of their own";

    fn table() -> Table {
        Table::new("word")
            .input("text")
            .derives(Derived::new("checked", "checked_word"))
    }

    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        derived.push(&[ValueRef::Text(row.get::<&str>("text")?)])
    }
}
wasmigrate_sdk::export_transform!(Typed);
