//! A function with rows that it rejects, and one that it breaks down on.

use wasmigrate_sdk::Error;
use wasmigrate_sdk::transform::*;

struct Shout;

impl Transform for Shout {
    const SUMMARY: &'static str = "writes words in capitals";

    fn table() -> Table {
        Table::new("word")
            .input("text")
            .derives(Derived::new("shout", "TEXT").not_null())
    }

    #[allow(clippy::panic, reason = "what this guest is for")]
    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let text = row.get::<&str>("text")?;
        if text == "panic" {
            panic!("this word is too much");
        }
        if text.is_empty() {
            return Err(Error::new("an empty word cannot be shouted"));
        }
        derived.push(&[ValueRef::Text(&text.to_uppercase())])
    }
}
wasmigrate_sdk::export_transform!(Shout);
